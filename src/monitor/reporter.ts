import type { HealthFinding, HealthReport } from '../domain/health.ts';
import type { VantageKind } from '../domain/vantage.ts';
import type { InstanceId } from '../domain/instance.ts';
import type { Clock } from './clock.ts';
import type { Finding } from './detector.ts';

export type Source = { readonly vantage: string; readonly kind: VantageKind };

/** Turns changes of findings into fenced reports and brings them to the hosted VMs' workflows. */
export type Reporter = {
  /** Reports when this source has not said the same of this instance before. */
  tell(source: Source, instance: InstanceId, finding: Finding): void;
  /** The instance is not watched any more: nothing more is sent about it. */
  forget(instance: InstanceId): void;
  /** Says everything again: signals are lost sometimes. */
  repeat(): void;
  readonly seq: () => number;
  readonly counts: () => { readonly sent: number; readonly retried: number; readonly givenUp: number };
};

/** A signal is tried for about a minute; after that the next repetition brings the then current state. */
const retryAfterMs = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 20_000];
/** Enough for a node with many guests dying at once, small enough not to flood the server. */
const maxAtOnce = 64;

type Known = { readonly source: Source; readonly instance: InstanceId; finding: HealthFinding; report: HealthReport };

export function startReporter(options: {
  readonly epoch: number;
  readonly send: (report: HealthReport) => Promise<void>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Reporter {
  const known = new Map<string, Known>();
  /** Keys in the order they wait; only the newest report of a key is ever sent. */
  const waiting = new Set<string>();
  const underway = new Set<string>();
  const counts = { sent: 0, retried: 0, givenUp: 0 };
  let seq = 0;

  function pump(): void {
    for (const key of waiting) {
      if (underway.size >= maxAtOnce) return;
      if (underway.has(key)) continue;
      waiting.delete(key);
      underway.add(key);
      void deliver(key).finally(() => {
        underway.delete(key);
        pump();
      });
    }
  }

  async function deliver(key: string): Promise<void> {
    for (let tries = 0; !options.signal.aborted; tries += 1) {
      const entry = known.get(key);
      if (entry === undefined) return;
      waiting.delete(key);
      try {
        await options.send(entry.report);
        counts.sent += 1;
        return;
      } catch {
        const pauseMs = retryAfterMs[tries];
        if (pauseMs === undefined) {
          counts.givenUp += 1;
          return;
        }
        counts.retried += 1;
        await pause(pauseMs);
      }
    }
  }

  /** Pauses end at once when the shard ends. */
  const pauses = new Set<() => void>();
  options.signal.addEventListener('abort', () => pauses.forEach((end) => end()), { once: true });

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const callOff = options.clock.after(ms, () => end());
      const end = (): void => {
        callOff();
        pauses.delete(end);
        resolve();
      };
      pauses.add(end);
    });
  }

  function enqueue(key: string): void {
    waiting.add(key);
    pump();
  }

  return {
    tell(source, instance, { finding, sinceMs, evidence }) {
      const key = `${source.kind} ${source.vantage} ${instance}`;
      if (known.get(key)?.finding === finding) return;
      seq += 1;
      const observedAtMs = options.clock.now();
      const report = { instance, ...source, to: finding, epoch: options.epoch, seq, observedAtMs, sinceMs, evidence };
      known.set(key, { source, instance, finding, report });
      enqueue(key);
    },
    forget(instance) {
      for (const [key, entry] of known) if (entry.instance === instance) known.delete(key);
    },
    repeat() {
      for (const [key, entry] of known) {
        seq += 1;
        entry.report = { ...entry.report, seq };
        enqueue(key);
      }
    },
    seq: () => seq,
    counts: () => ({ ...counts }),
  };
}
