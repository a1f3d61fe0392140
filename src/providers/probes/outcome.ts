import { performance } from 'node:perf_hooks';
import type { ProbeOutcome, ProbeResult, ProbeTarget } from '../../ports/prober.ts';

type Judged = { readonly outcome: ProbeOutcome; readonly detail: string };

export function judged(outcome: ProbeOutcome, detail: string): Judged {
  return { outcome, detail };
}

export function place(target: ProbeTarget): string {
  const host = target.address.includes(':') ? `[${target.address}]` : target.address;
  return `${host}:${target.check.port}${target.check.kind === 'http' ? (target.check.path ?? '/') : ''}`;
}

/** Timers of a process that is not starved fire within some milliseconds. */
const lateTimerMs = 50;
/** Enough for a connection that is open already to bring its answer. */
const graceMs = 100;

/** Runs one probe to its verdict; the clock starts when the first packet is about to leave and nothing runs on afterwards. */
export function withDeadline(
  where: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  open: (end: (verdict: Judged) => void) => () => void,
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const state: { over: boolean; close: (() => void) | undefined } = { over: false, close: undefined };
    const end = (verdict: Judged): void => {
      if (state.over) return;
      state.over = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      state.close?.();
      resolve({ ...verdict, latencyMs: performance.now() - startedAt });
    };
    const aborted = (): void => end(judged('wrong', `given up on ${where}`));
    const silent = (): void => end(judged('silent', `no answer on ${where}`));
    let timer = setTimeout(() => {
      // A timer that fires late tells of our own process: an answer may wait unread. Let it be read before we judge.
      const lateMs = performance.now() - startedAt - timeoutMs;
      if (lateMs < lateTimerMs) setImmediate(silent);
      else timer = setTimeout(silent, graceMs);
    }, timeoutMs);
    signal?.addEventListener('abort', aborted);
    const close = open(end);
    if (state.over) close();
    else state.close = close;
  });
}
