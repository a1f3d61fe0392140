import { distribute } from './combination.ts';
import type { Combination } from './combination.ts';
import { firstOrigin } from './lags.ts';
import { columnCount, forecastMembers, originMeans } from './members.ts';
import type { Members, Scales, Window } from './members.ts';
import { atLevel } from '../../../domain/quantile.ts';

/** How the forecasts of the last day were off, as it tells on the ones made now. */
export type LastDay = {
  /** Moves every quantile, in units of the error scale. */
  readonly bias: number;
  /** Stretches what lies above the forecast; 1 or more. */
  readonly width: number;
};

/** Looks of the last day, evenly spaced. */
const looks = 24;
/** Fewer errors than this say nothing. */
const leastErrors = 24;
/** Of the last day's median error so much is expected to go on. */
const biasShare = 0.6;
/** A day that left p90 far behind is not the measure of the next: it may widen it so much. */
const mostWidth = 4;

/**
 * What the fitted state would have said of the last day, beside what came. Fits happen once a day and learn from weeks; this is how
 * a service that became busier yesterday is met today. Hourly the last day's own p90 is the measure of the next; at 5 minutes,
 * where a day holds more than one mood, only a quarter of it (on the log scale): both measured.
 */
export function lastDayOf(
  members: Members,
  combinations: readonly Combination[],
  window: Window,
  scales: Scales,
  volatility: Float64Array,
): LastDay {
  const { shape, nodes } = members;
  const { perDay } = shape;
  const fine = perDay >= 96;
  const end = window.y.length;
  const stride = Math.max(1, Math.round(perDay / looks));
  const least = Math.max(firstOrigin(shape), perDay + 1);
  const out = new Float64Array(columnCount(perDay));
  const errors: number[] = [];
  const shares: number[] = [];
  const judged = judgedNodes(nodes, perDay);
  for (let back = 0; back < looks; back += 1) {
    const target = end - 1 - back * stride;
    // An outage that still lasts is no new level: demand comes back as it was.
    if (target < 0 || target >= window.goneSince || window.teaches[target] === 0) continue;
    for (const node of judged) {
      const h = nodes[node]!;
      const t = target - h;
      if (t < least) continue;
      forecastMembers(members, scales, t, h, out);
      const facts = { volatility: volatility[t]!, ...originMeans(scales, shape, t) };
      const said = distribute(combinations[node]!, out, facts, (window.first + target) % perDay, perDay);
      const error = scales.root.z[target]! - said.forecast;
      errors.push(error / said.scale);
      const above = atLevel(said.quantiles, 0.9) - said.forecast;
      if (above > 0) shares.push(error / above);
    }
  }
  if (errors.length < leastErrors || shares.length < leastErrors) return { bias: 0, width: 1 };
  errors.sort((left, right) => left - right);
  shares.sort((left, right) => left - right);
  const reached = shares[Math.floor(0.9 * (shares.length - 1))]!;
  return {
    bias: biasShare * errors[errors.length >> 1]!,
    width: Math.min(mostWidth, Math.max(1, reached)) ** (fine ? 0.25 : 1),
  };
}

/** Hourly all nodes within a day; at 5 minutes the ones next to 2 h and 6 h, which is what a tick can afford. */
function judgedNodes(nodes: readonly number[], perDay: number): number[] {
  const within = (steps: number): number =>
    Math.max(
      0,
      nodes.findLastIndex((node) => node <= steps),
    );
  if (perDay >= 96) return [...new Set([within(perDay / 12), within(perDay / 4)])];
  return nodes.flatMap((node, index) => (node <= perDay ? [index] : []));
}
