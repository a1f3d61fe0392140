import type { DemandSeries } from '../domain/demand.ts';
import type { Reason } from '../domain/reason.ts';
import { minuteMs } from '../domain/time.ts';

/** How fast demand from sources that nobody knows yet may raise what is planned for. */
export type SpawnPace = {
  readonly windowMs: number;
  /** 1.2: by a fifth a window. */
  readonly factor: number;
  /** From nothing, a factor leads nowhere: this much more a window is always allowed, in queries per second. */
  readonly floorQps: number;
};

/** `dns.md` 6: a fifth a window. A new source is established after three minutes, so a real crowd is believed by then. */
export const defaultPace: SpawnPace = { windowMs: minuteMs, factor: 1.2, floorQps: 0.5 };

export type GuardedDemand = {
  /** What decisions may use. Never above what was counted. */
  readonly series: DemandSeries;
  /** Queries per second of the newest step that were not believed; 0 when all were. */
  readonly heldBackQps: number;
  /** Why something was held back; undefined when nothing was. */
  readonly reason: Reason | undefined;
};

/**
 * Demand that decisions may use: all of it from established sources, and of the rest no more than the pace allows.
 * A spoofed flood of new addresses so raises demand by a fifth a minute at most and by nothing that stays;
 * a crowd of real resolvers becomes established while it is paced.
 *
 * The first step is believed: there is nothing to compare it with.
 *
 * @param total deduplicated demand, any step; NaN is missing and changes nothing
 * @param established its part from established sources, on the same grid
 */
export function guardDemand(
  total: DemandSeries,
  established: DemandSeries,
  pace: SpawnPace = defaultPace,
): GuardedDemand {
  const windows = total.stepMs / pace.windowMs;
  const growth = pace.factor ** windows;
  const floor = pace.floorQps * windows;
  const offset = Math.round((total.start - established.start) / total.stepMs);
  let believed: number | undefined;
  let heldBack = 0;
  const qps = total.qps.map((counted, i) => {
    if (!Number.isFinite(counted)) return NaN;
    const known = established.qps[i + offset] ?? NaN;
    const paced = believed === undefined ? counted : Math.max(believed * growth, believed + floor);
    const allowed = Math.min(counted, Math.max(paced, Number.isFinite(known) ? known : 0));
    heldBack = counted - allowed;
    believed = allowed;
    return allowed;
  });
  const series = { start: total.start, stepMs: total.stepMs, qps };
  if (heldBack < 1e-9 || believed === undefined) return { series, heldBackQps: 0, reason: undefined };
  return { series, heldBackQps: heldBack, reason: reasonFor(believed, heldBack, pace) };
}

function reasonFor(believed: number, heldBack: number, pace: SpawnPace): Reason {
  const percent = Math.round((pace.factor - 1) * 100);
  return {
    code: 'unestablished-demand',
    text: `${heldBack.toFixed(1)} q/s come from sources nobody knows yet; planned for ${believed.toFixed(1)} q/s, at most ${percent} % more a minute`,
    facts: { believedQps: believed, heldBackQps: heldBack },
  };
}
