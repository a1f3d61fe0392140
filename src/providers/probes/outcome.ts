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
    const timer = setTimeout(() => end(judged('silent', `no answer on ${where}`)), timeoutMs);
    signal?.addEventListener('abort', aborted);
    const close = open(end);
    if (state.over) close();
    else state.close = close;
  });
}
