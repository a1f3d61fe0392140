import { quantileLevels } from '../../../domain/quantile.ts';
import { weightedQuantiles } from '../quantiles.ts';
import { pinball } from '../score.ts';
import { fittedMembers, memberNames } from './members.ts';
import type { PoolNode } from './pool.ts';
import { fitRidge } from './ridge.ts';
import type { Linear } from './ridge.ts';

/** One way to p90, p95 and p99: around the combination, or around a tree that learned the 0.9 quantile. */
type UpperWay = {
  /** Column of the tree among what `forecastMembers` writes; -1 is the combination. */
  readonly column: number;
  /** Quantiles of (z - centre) / s at the upper levels. */
  readonly offsets: readonly number[];
  /** Share in each upper level; over all ways they add up to 1. */
  readonly shares: readonly number[];
};

/** How one node's six forecasts become a distribution. Plain JSON. */
export type Combination = {
  readonly weights: readonly number[];
  /** log(|e| + floor) on the columns of `scaleColumns`. */
  readonly scale: Linear;
  readonly profile: readonly number[];
  readonly floor: number;
  readonly ceiling: number;
  /** Quantiles of e / s at `quantileLevels`. */
  readonly quantiles: readonly number[];
  readonly upper: readonly UpperWay[];
  /** Weighted mean |z - f| over the pool: the unit of the correction's features. */
  readonly reference: number;
};

/** Levels above the median, and where they begin in `quantileLevels`. */
const upperFrom = 2;
const upperLevels = quantileLevels.slice(upperFrom);
/** Members, and ways to an upper quantile, weigh by (least loss / loss) to this power: near to choosing the best. */
const sharpness = 16;

/** Pseudo-observations that pull a slot's mean log error to the overall mean. */
const profilePrior = 6;
const halfLifeDays = 10;
const scaleWidth = 9;

/** What is known at an origin besides the six forecasts. */
export type OriginFacts = { readonly volatility: number; readonly short: number; readonly day: number };

function combine(weights: readonly number[], members: ArrayLike<number>): number {
  let sum = 0;
  for (let member = 0; member < memberNames.length; member += 1) sum += weights[member]! * members[member]!;
  return sum;
}

function disagreement(members: ArrayLike<number>, forecast: number): number {
  let mean = 0;
  for (let member = 0; member < fittedMembers; member += 1) mean += members[member]! / fittedMembers;
  let square = 0;
  for (let member = 0; member < fittedMembers; member += 1) square += (members[member]! - mean) ** 2;
  return Math.log(Math.sqrt(square / fittedMembers) + 0.001 * Math.abs(forecast) + 1e-9);
}

/** v, short mean, short minus day mean, two daily harmonics of the target, the slot's profile, disagreement. */
function scaleColumns(
  facts: OriginFacts,
  slotOfDay: number,
  perDay: number,
  profile: number,
  spread: number,
  out: Float64Array,
  start: number,
): void {
  const angle = (2 * Math.PI * slotOfDay) / perDay;
  out[start] = facts.volatility;
  out[start + 1] = facts.short;
  out[start + 2] = facts.short - facts.day;
  out[start + 3] = Math.sin(angle);
  out[start + 4] = Math.cos(angle);
  out[start + 5] = Math.sin(2 * angle);
  out[start + 6] = Math.cos(2 * angle);
  out[start + 7] = profile;
  out[start + 8] = spread;
}

/** Slots of the error profile: 20 minutes at 5-minute steps, one hour hourly. */
function profileSlots(perDay: number): number {
  return Math.min(perDay, 72);
}

/** A pool of so many days has seen most of what errors can be. */
const learningDays = 7;

/**
 * Errors of one day resemble each other, so that a quantile of a few days' errors is too narrow: the level that is read off
 * moves outwards, from 0.9 to 0.94 with six days, 0.905 with three weeks.
 */
function levelAfter(level: number, days: number): number {
  const seen = 1 - Math.exp(-days / learningDays);
  return level > 0.5 ? 1 - (1 - level) * seen : level < 0.5 ? level * seen : level;
}

/** Learns weights, error scale and quantiles of one node from its pool of honest errors. @param newest steps since the epoch of the newest known point */
export function fitCombination(pool: PoolNode, perDay: number, first: number, newest: number): Combination {
  const count = pool.at.length;
  const ages = Float64Array.from(pool.at, (at) => 0.5 ** ((newest - at) / (halfLifeDays * perDay)));
  const losses = memberNames.map((_, member) => {
    let sum = 0;
    for (let row = 0; row < count; row += 1)
      sum += ages[row]! * Math.abs(pool.actual[row]! - pool.members[member]![row]!);
    return sum;
  });
  const least = Math.min(...losses);
  const raw = losses.map((loss) => (loss > 0 ? (least / loss) ** sharpness : 1));
  const rawSum = raw.reduce((sum, weight) => sum + weight, 0);
  const weights = raw.map((weight) => weight / rawSum);

  const errors = new Float64Array(count);
  const spreads = new Float64Array(count);
  let weighted = 0;
  let total = 0;
  for (let row = 0; row < count; row += 1) {
    const members = pool.members.map((column) => column[row]!);
    const forecast = combine(weights, members);
    errors[row] = pool.actual[row]! - forecast;
    spreads[row] = disagreement(members, forecast);
    weighted += ages[row]! * Math.abs(errors[row]!);
    total += ages[row]!;
  }
  const sizes = errors.map((error) => Math.abs(error)).sort();
  const floor = Math.max(0.1 * (sizes[count >> 1] ?? 0), 1e-6 * (1 + (sizes.at(-1) ?? 0)));
  const ceiling = (sizes.at(-1) ?? 0) + floor;

  const logs = errors.map((error) => Math.log(Math.abs(error) + floor));
  const slots = profileSlots(perDay);
  const slotOf = (at: number): number => Math.floor((((first + at) % perDay) * slots) / perDay);
  const mean = logs.reduce((sum, value) => sum + value, 0) / Math.max(1, count);
  const sums = new Float64Array(slots);
  const counts = new Float64Array(slots);
  for (let row = 0; row < count; row += 1) {
    sums[slotOf(pool.at[row]!)]! += logs[row]!;
    counts[slotOf(pool.at[row]!)]! += 1;
  }
  const profile = Array.from(sums, (sum, slot) => (sum + profilePrior * mean) / (counts[slot]! + profilePrior));
  const values = new Float64Array(count * scaleWidth);
  for (let row = 0; row < count; row += 1) {
    const at = pool.at[row]!;
    const slot = slotOf(at);
    const others = (sums[slot]! - logs[row]! + profilePrior * mean) / (counts[slot]! - 1 + profilePrior);
    const facts = { volatility: pool.volatility[row]!, short: pool.short[row]!, day: pool.day[row]! };
    scaleColumns(facts, (first + at) % perDay, perDay, others, spreads[row]!, values, row * scaleWidth);
  }
  const scale = fitRidge(
    { count, width: scaleWidth, values, targets: logs, weights: ages },
    0.1 + 10 / Math.max(1, count),
    0,
  );

  const sizesHere = new Float64Array(count);
  const ratios = new Float64Array(count);
  for (let row = 0; row < count; row += 1) {
    const predicted =
      scale.intercept + scale.coefficients.reduce((sum, c, column) => sum + c * values[row * scaleWidth + column]!, 0);
    sizesHere[row] = Math.min(ceiling, Math.max(floor, Math.exp(predicted)));
    ratios[row] = errors[row]! / sizesHere[row]!;
  }
  const days = count > 1 ? (pool.at[count - 1]! - pool.at[0]!) / perDay : 0;
  const levels = quantileLevels.map((level) =>
    level === 0.99 ? Math.min(0.9985, 0.99 + 1 / count) : levelAfter(level, days),
  );
  const quantiles = weightedQuantiles(ratios, ages, ascending(ratios), levels).map((value, index) =>
    quantileLevels[index] === 0.5 ? value / 2 : value,
  );
  const centres = errors.map((error, row) => pool.actual[row]! - error);
  const upper = fitUpper(pool, [centres, ...pool.members.slice(memberNames.length)], sizesHere, ages, levels);
  return {
    weights,
    scale,
    profile,
    floor,
    ceiling,
    quantiles,
    upper,
    reference: Math.max(weighted / Math.max(total, 1e-9), 1e-9),
  };
}

function ascending(values: Float64Array): Uint32Array {
  return Uint32Array.from(values, (_, index) => index).sort((left, right) => values[left]! - values[right]!);
}

/** Each way's offsets from its own honest errors in units of the error scale, and its share by what it would have lost in the pool. */
function fitUpper(
  pool: PoolNode,
  centres: readonly ArrayLike<number>[],
  sizes: Float64Array,
  ages: Float64Array,
  levels: readonly number[],
): UpperWay[] {
  const ways = centres.map((centre, way) => {
    const ratios = sizes.map((size, row) => (pool.actual[row]! - centre[row]!) / size);
    const offsets = weightedQuantiles(ratios, ages, ascending(ratios), levels.slice(upperFrom));
    const losses = upperLevels.map((level, index) => {
      let sum = 0;
      for (let row = 0; row < sizes.length; row += 1) {
        sum += ages[row]! * sizes[row]! * pinball(ratios[row]!, offsets[index]!, level);
      }
      return sum;
    });
    return { column: way === 0 ? -1 : memberNames.length + way - 1, offsets, losses };
  });
  const raw = upperLevels.map((_, index) => {
    const least = Math.min(...ways.map(({ losses }) => losses[index]!));
    return ways.map(({ losses }) => (least > 0 ? (least / losses[index]!) ** sharpness : losses[index] === 0 ? 1 : 0));
  });
  return ways.map(({ column, offsets }, way) => ({
    column,
    offsets,
    shares: raw.map((shares) => shares[way]! / shares.reduce((sum, share) => sum + share, 0)),
  }));
}

/** The distribution on the root scale. @param slotOfDay step of the day of the target in local time */
export function distribute(
  combination: Combination,
  members: ArrayLike<number>,
  facts: OriginFacts,
  slotOfDay: number,
  perDay: number,
): { forecast: number; scale: number; quantiles: number[] } {
  const forecast = combine(combination.weights, members);
  const slot = Math.floor((slotOfDay * combination.profile.length) / perDay);
  const columns = new Float64Array(scaleWidth);
  scaleColumns(facts, slotOfDay, perDay, combination.profile[slot]!, disagreement(members, forecast), columns, 0);
  // No quantile is further from the forecast than a little more than the largest error ever seen.
  const farthest = 1.25 * combination.ceiling;
  let log = combination.scale.intercept;
  combination.scale.coefficients.forEach((coefficient, column) => (log += coefficient * columns[column]!));
  const scale = Math.min(combination.ceiling, Math.max(combination.floor, Math.exp(log)));
  const quantiles = combination.quantiles.map(
    (quantile) => forecast + Math.min(farthest, Math.max(-farthest, scale * quantile)),
  );
  upperLevels.forEach((_, index) => {
    let mixed = 0;
    for (const { column, offsets, shares } of combination.upper) {
      const said = (column < 0 ? forecast : members[column]!) + scale * offsets[index]!;
      mixed += shares[index]! * Math.min(forecast + farthest, said);
    }
    quantiles[upperFrom + index] = mixed;
  });
  return { forecast, scale, quantiles };
}
