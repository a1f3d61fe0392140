import type { Prober } from '../ports/prober.ts';
import type { Clock } from './clock.ts';
import { judge, policyOf, unknownSince, worst } from './detector.ts';
import type { DetectorState, Finding, Sight } from './detector.ts';
import type { MonitoredInstance } from './monitored.ts';
import { fractionOf } from '../domain/text-hash.ts';

export type Watch = {
  /** Forgets what was seen; what it was before still decides how fast it recovers. */
  lose(evidence: string): void;
  stop(): void;
};

/**
 * A probe that is silent for this share of the interval lets the next one start. A refused connection tells at once, a
 * silent one after its time-out: with 1 s probes and 3 failures both are found at most 3.2 s after the failure
 * (refused: 1 + 1 + 1 s; silent: 1 + 0.6 + 0.6 + a time-out of 1 s).
 */
const nextWhenSilent = 0.6;

/** A verdict this late is about our own process, not about the instance. */
const stalledMs = 300;

/** Spreads the starts over the interval, the same after every restart. */
function phase(text: string, intervalMs: number): number {
  return Math.floor(fractionOf(text) * intervalMs);
}

/** Probes one instance with all its checks until stopped. No probe waits for another. */
export function watchInstance(
  monitored: MonitoredInstance,
  options: {
    readonly vantage: string;
    readonly prober: Prober;
    readonly clock: Clock;
    readonly sight: () => Sight;
    /** Called after every probe with the finding of all checks together. */
    readonly onFinding: (finding: Finding) => void;
  },
): Watch {
  const { prober, clock } = options;
  const stop = new AbortController();
  const states: DetectorState[] = monitored.checks.map(() => unknownSince(clock.now()));
  let generation = 0;

  monitored.checks.forEach((check, i) => {
    const policy = policyOf(check);
    const timeoutMs = Math.min(check.timeoutMs, check.intervalMs);
    let newestAt = -Infinity;
    let callOffEarly: () => void = () => undefined;
    let callOffNext = clock.after(phase(`${options.vantage} ${monitored.instance} ${i}`, check.intervalMs), launch);
    stop.signal.addEventListener('abort', () => {
      callOffNext();
      callOffEarly();
    });

    function launch(): void {
      callOffNext();
      callOffEarly();
      if (stop.signal.aborted) return;
      const at = clock.now();
      newestAt = at;
      const begun = generation;
      callOffNext = clock.after(check.intervalMs, launch);
      const callOff = clock.after(check.intervalMs * nextWhenSilent, () => hurry(0));
      callOffEarly = callOff;
      const target = { address: monitored.address, check, host: monitored.host };
      void prober.probe(target, timeoutMs, stop.signal).then((result) => {
        callOff();
        if (stop.signal.aborted || begun !== generation) return;
        if (result.latencyMs > timeoutMs + stalledMs) return;
        states[i] = judge(states[i]!, policy, { at, ...result }, options.sight());
        if (result.outcome === 'silent' && at === newestAt) hurry(at + check.intervalMs * nextWhenSilent - clock.now());
        options.onFinding(worst(states));
      });
    }

    /** The next probe early, as long as there is something to find out. */
    function hurry(inMs: number): void {
      if (inMs < 0 || stop.signal.aborted || states[i]?.finding === 'failed') return;
      callOffNext();
      callOffNext = clock.after(inMs, launch);
    }
  });

  return {
    lose(evidence) {
      generation += 1;
      states.forEach((state, i) => {
        const before = state.finding === 'unknown' ? state.before : state.finding;
        states[i] = unknownSince(clock.now(), before, evidence);
      });
      options.onFinding(worst(states));
    },
    stop: () => stop.abort(),
  };
}
