import type { Calls } from './calls.ts';
import { nodeOfTask } from './calls.ts';
import { isFailure, ProxmoxError, taskError } from './errors.ts';
import type { ProxmoxLog } from './log.ts';
import type { Waiting } from './waiting.ts';

/** Just after it was started on another node a task may not be found there yet. */
const appearsWithinMs = 10_000;
/** A node that does not answer for so long may be dead; then the guest is to be looked at instead. */
const unreachableMs = 45_000;
const firstPollMs = 60;
const slowestPollMs = 1_500;
const logLines = 8;

export type Finished = { readonly upid: string; readonly warnings: readonly string[] };

/**
 * Waits until a task has ended.
 * @throws ProxmoxError with the class of its exit status; ambiguous when its fate cannot be known
 */
export async function finished(
  calls: Calls,
  upid: string,
  what: { readonly target: string; readonly waiting: Waiting; readonly log: ProxmoxLog },
): Promise<Finished> {
  const { waiting, target } = what;
  const startedAt = waiting.now();
  let seen = false;
  let unreachableSince: number | undefined;
  let pollMs = firstPollMs;
  for (;;) {
    try {
      const task = await calls.taskStatus(upid);
      seen = true;
      unreachableSince = undefined;
      // A task is reported as stopped an instant before its exit status can be read, so we ask again.
      if (task.status === 'stopped' && task.exitstatus !== undefined) {
        return await judged(calls, upid, task.type, task.exitstatus, target);
      }
    } catch (error) {
      const now = waiting.now();
      if (isNoSuchTask(error)) {
        if (seen || now - startedAt > appearsWithinMs) throw lost(upid, target, 'its record is gone', error);
      } else if (isFailure(error, 'transient') && !waiting.aborted()) {
        unreachableSince ??= now;
        if (now - unreachableSince > unreachableMs) throw silent(upid, target, error);
      } else if (isFailure(error, 'offline')) {
        // Nothing runs there any more, and what it has done by then only its guest can tell.
        throw silent(upid, target, error);
      } else {
        throw error;
      }
    }
    await waiting.pause(pollMs);
    pollMs = Math.min(slowestPollMs, pollMs * 1.5);
  }
}

async function judged(calls: Calls, upid: string, type: string, exitStatus: string, target: string): Promise<Finished> {
  if (exitStatus === 'OK') return { upid, warnings: [] };
  const log = await excerpt(calls, upid);
  if (/^WARNINGS: \d+$/.test(exitStatus)) {
    return { upid, warnings: log.filter((text) => text.startsWith('WARN')) };
  }
  throw taskError({ type, target, exitStatus, log: log.slice(-logLines) });
}

/** Lines of the log for people; a log that cannot be read is no reason to fail. */
async function excerpt(calls: Calls, upid: string): Promise<string[]> {
  try {
    return (await calls.taskLog(upid, 500)).map((line) => line.t).filter((text) => !text.startsWith('TASK '));
  } catch {
    return [];
  }
}

function silent(upid: string, target: string, cause: unknown): ProxmoxError {
  return lost(upid, target, `node ${nodeOfTask(upid)} does not answer`, cause);
}

function isNoSuchTask(error: unknown): boolean {
  return error instanceof ProxmoxError && error.status === 400 && (error.errors['upid'] ?? '').includes('no such task');
}

function lost(upid: string, target: string, why: string, cause: unknown): ProxmoxError {
  return new ProxmoxError(
    {
      operation: 'follow task',
      target,
      failureClass: 'ambiguous',
      message: `the fate of ${upid.split(':')[5] ?? 'the'} task cannot be known: ${why}`,
    },
    { cause },
  );
}
