import type { Prober, ProbeTarget } from '../ports/prober.ts';
import type { Clock } from './clock.ts';
import { clearSight } from './detector.ts';
import type { Sight } from './detector.ts';

/** Something that is always there: a monitor that cannot see it is blind. */
export type Canary = {
  readonly sight: () => Sight;
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
  if (targets.length === 0) return { sight: () => clearSight, blind: () => false };
  const state: { sight: Sight; misses: number; blind: boolean } = {
    sight: { at: -Infinity, latencyMs: 0 },
    misses: 0,
    blind: false,
  };

  let callOff: () => void = () => undefined;
  signal.addEventListener('abort', () => callOff(), { once: true });

  async function look(): Promise<void> {
    const at = clock.now();
    callOff = clock.after(everyMs, () => void look());
    const results = await Promise.all(targets.map((target) => prober.probe(target, everyMs, signal)));
    if (signal.aborted) return;
    const good = results.filter((result) => result.outcome === 'ok');
    if (good.length > 0) {
      // Results of two rounds may arrive in the wrong order.
      if (at > state.sight.at) state.sight = { at, latencyMs: Math.min(...good.map((result) => result.latencyMs)) };
      state.misses = 0;
    } else state.misses += 1;
    const blind = state.misses >= missesUntilBlind;
    if (blind === state.blind) return;
    state.blind = blind;
    options.onChange(blind);
  }

  if (!signal.aborted) void look();
  return { sight: () => state.sight, blind: () => state.blind };
}
