import { Context } from '@temporalio/activity';
import { startLoop } from '../background/loop.ts';

/** Says to Temporal that this attempt is alive; a lost worker is noticed when it stops. */
export function beat(): void {
  Context.current().heartbeat();
}

/** Aborts when the attempt is cancelled, timed out or its worker stops. */
export function cancellation(): AbortSignal {
  return Context.current().cancellationSignal;
}

/** A third of the shortest heartbeat time-out of what is done this way. */
const beatEveryMs = 3_000;

/**
 * Beats while the operation runs: a single call of Proxmox may take longer than the time-out by which a lost worker is
 * noticed, and each call has a deadline of its own.
 */
export async function steadily<T>(operation: () => Promise<T>): Promise<T> {
  // An attempt that is over cannot beat any more, and need not.
  const beating = startLoop({ everyMs: beatEveryMs, round: beat, failed: () => undefined });
  try {
    return await operation();
  } finally {
    await beating.stop();
  }
}
