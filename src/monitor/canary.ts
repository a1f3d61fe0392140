import type { EpochMs } from '../domain/time.ts';
import type { Prober, ProbeTarget } from '../ports/prober.ts';
import type { Clock } from './clock.ts';

/** Something that is always there: a monitor that cannot see it is blind. */
export type Canary = {
  /** When the last good probe began; Infinity without any canary: then we always believe ourselves. */
  readonly seenAt: () => EpochMs;
  readonly blind: () => boolean;
};

const everyMs = 1_000;
/** As sharp as the detector of instances, or a blind monitor would report failures before it knows that it is blind. */
const missesUntilBlind = 2;

/**
 * Probes the canaries once a second until the signal; one that answers is enough.
 * @param onChange called when sight is lost (true) or regained (false)
 */
export function watchCanary(options: {
  readonly targets: readonly ProbeTarget[];
  readonly prober: Prober;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onChange: (blind: boolean) => void;
}): Canary {
  const { targets, prober, clock, signal } = options;
  if (targets.length === 0) return { seenAt: () => Infinity, blind: () => false };
  const state: { seenAt: EpochMs; misses: number; blind: boolean } = { seenAt: -Infinity, misses: 0, blind: false };

  let callOff: () => void = () => undefined;
  signal.addEventListener('abort', () => callOff(), { once: true });

  async function look(): Promise<void> {
    const at = clock.now();
    callOff = clock.after(everyMs, () => void look());
    const results = await Promise.all(targets.map((target) => prober.probe(target, everyMs, signal)));
    if (signal.aborted) return;
    if (results.some((result) => result.outcome === 'ok')) {
      state.seenAt = Math.max(state.seenAt, at);
      state.misses = 0;
    } else state.misses += 1;
    const blind = state.misses >= missesUntilBlind;
    if (blind === state.blind) return;
    state.blind = blind;
    options.onChange(blind);
  }

  if (!signal.aborted) void look();
  return { seenAt: () => state.seenAt, blind: () => state.blind };
}
