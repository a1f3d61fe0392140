import {
  firstOrigin,
  lagCount,
  lagShape,
  makeScale,
  rowWidth,
  shortMeanColumn,
  writeRow,
  yesterdayColumn,
} from './lags.ts';
import type { LagShape, Scale } from './lags.ts';
import { fitRidge, linearAt } from './ridge.ts';
import type { Linear, Rows } from './ridge.ts';
import { boostedAt, fitBoosted } from './trees.ts';
import type { Boosted } from './trees.ts';

/**
 * The members in the order in which their forecasts are given. A: ridge on the root scale; B: A with boosted residuals;
 * C: ridge on the log scale; D: ridge on plain demand; E: fast ridge; F: boosting alone; G: median of the same time on
 * the last days; H: the same time yesterday; I: the newest value. G to I matter while history is too short for the others, and
 * where demand has no pattern.
 */
export const memberNames = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I'] as const;

/** The correction was trained on these. */
export const correctedMembers = 8;

/** How many of them speak of how uncertain the step is: the plain ones would only add their own noise. */
export const fittedMembers = 6;

/**
 * Trees that learn the 0.9 quantile itself, asked beside the members: on the residuals of A, and hourly also on z[tau] - d1. At 5
 * minutes the second adds nothing that its cost is worth.
 */
export function upperCount(perDay: number): number {
  return perDay >= 96 ? 1 : 2;
}

/** Columns that `forecastMembers` writes: the members, then the trees for 0.9. */
export function columnCount(perDay: number): number {
  return memberNames.length + upperCount(perDay);
}

/** Forecasts are capped on the member's own scale, `high` above and `low` below. */
type Cap = { readonly low: number; readonly high: number };

/** Six fitted members over all nodes. Plain JSON. */
export type Members = {
  readonly shape: LagShape;
  readonly nodes: readonly number[];
  /** Offset of the log scale: log(y / s0 + 1). */
  readonly s0: number;
  readonly ridgeRoot: readonly Linear[];
  readonly ridgeLog: readonly Linear[];
  readonly ridgePlain: readonly Linear[];
  readonly ridgeFast: readonly Linear[];
  readonly boostedResidual: Boosted;
  readonly boostedAlone: Boosted;
  /** For 0.9: on A's residuals; hourly also alone. */
  readonly upper: readonly Boosted[];
  readonly capRoot: Cap;
  readonly capLog: Cap;
  readonly capPlain: Cap;
};

/** Demand with missing steps filled for the lags, and the mask of steps that may teach. */
export type Window = {
  readonly y: Float64Array;
  readonly teaches: Uint8Array;
  /** Step of the week of element 0 in local time; the week begins on Thursday, as the epoch does. */
  readonly first: number;
  /** Where an outage began that still lasts; the end when none does. */
  readonly goneSince: number;
};

/** The three scales members live on. */
export type Scales = { readonly root: Scale; readonly log: Scale; readonly plain: Scale };

export function makeScales({ y, first }: Pick<Window, 'y' | 'first'>, shape: LagShape, s0: number): Scales {
  return {
    root: makeScale(
      y.map((value) => Math.sqrt(value)),
      first,
      shape.smooth,
    ),
    log: makeScale(
      y.map((value) => Math.log(value / s0 + 1)),
      first,
      shape.smooth,
    ),
    plain: makeScale(y, first, shape.smooth),
  };
}

/** Origins whose target and lags are known and may teach, newest kept, evenly strided to at most `most`. Newest first. */
function originsFor(window: Window, shape: LagShape, h: number, most: number): number[] {
  const last = window.y.length - 1 - h;
  const least = firstOrigin(shape);
  const stride = Math.max(1, Math.ceil((last - least + 1) / most));
  const origins: number[] = [];
  for (let t = last; t >= least; t -= stride) {
    if (window.teaches[t] === 1 && window.teaches[t + h] === 1) origins.push(t);
  }
  return origins;
}

function rowsFor(scale: Scale, shape: LagShape, origins: readonly number[], h: number, halfLifeDays: number): Rows {
  const width = rowWidth(shape);
  const values = new Float64Array(origins.length * width);
  const targets = new Float64Array(origins.length);
  const weights = new Float64Array(origins.length);
  const newest = scale.z.length - 1;
  origins.forEach((t, index) => {
    writeRow(scale, shape, t, h, values, index * width);
    targets[index] = scale.z[t + h]!;
    weights[index] = 0.5 ** ((newest - t) / (halfLifeDays * shape.perDay));
  });
  return { count: origins.length, width, values, targets, weights };
}

/** Up to `most` evenly strided entries, the first kept. */
function thin<T>(entries: readonly T[], most: number): T[] {
  const stride = Math.max(1, Math.ceil(entries.length / most));
  return entries.filter((_, index) => index % stride === 0);
}

function capOf(z: Float64Array): Cap {
  let low = Infinity;
  let high = -Infinity;
  for (const value of z) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low: Math.max(0, low - (high - low) / 2), high: high + (high - low) / 2 };
}

const upperBoost = { level: 0.9, trees: 100, leaves: 12, rate: 0.07 };

/** Fits all six members on a window (the last 28 days at 5 minutes, 84 hourly). */
export function fitMembers(window: Window, nodes: readonly number[], perDay: number, seed: number): Members {
  const shape = lagShape(perDay, window.y.length);
  const sorted = window.y.slice().sort();
  const s0 = Math.max(0.1 * sorted[sorted.length >> 1]!, 1e-3 * sorted.at(-1)!, 1e-9);
  const scales = makeScales(window, shape, s0);
  const ridgeRoot: Linear[] = [];
  const ridgeLog: Linear[] = [];
  const ridgePlain: Linear[] = [];
  const ridgeFast: Linear[] = [];
  const residual = new Collector();
  const alone = new Collector();
  const upperAlone = new Collector();
  for (const h of nodes) {
    const origins = originsFor(window, shape, h, 2_000);
    const few = originsFor(window, shape, h, 1_300);
    const rows = rowsFor(scales.root, shape, origins, h, 10);
    const linear = fitRidge(rows, 0.01);
    ridgeRoot.push(linear);
    ridgeLog.push(fitRidge(rowsFor(scales.log, shape, few, h, 10), 0.01));
    ridgePlain.push(fitRidge(rowsFor(scales.plain, shape, few, h, 10), 0.01));
    ridgeFast.push(fitRidge(rowsFor(scales.root, shape, few, h, 3), 0.03));
    const places = origins.map((t, index) => ({ t, index }));
    for (const { t, index } of thin(places, 1_200)) {
      const start = index * rows.width;
      const forecast = linearAt(linear, rows.values, start);
      if (upperCount(perDay) > 1) {
        upperAlone.add(
          aloneFeatures(rows.values, start, shape, window.first + t + h, h),
          rows.targets[index]! - rows.values[start + yesterdayColumn]!,
          Math.sqrt(rows.weights[index]!),
        );
      }
      residual.add(
        residualFeatures(rows.values, start, shape, window.first + t + h, h, forecast),
        rows.targets[index]! - forecast,
        rows.weights[index]!,
      );
    }
    for (const { t, index } of thin(places, 800)) {
      const start = index * rows.width;
      alone.add(
        aloneFeatures(rows.values, start, shape, window.first + t + h, h),
        rows.targets[index]! - rows.values[start + yesterdayColumn]!,
        Math.sqrt(rows.weights[index]!),
      );
    }
  }
  const boost = { leastRows: 60, bins: 48, rowShare: 0.7, columnShare: 0.8, level: 0.5 };
  return {
    shape,
    nodes,
    s0,
    ridgeRoot,
    ridgeLog,
    ridgePlain,
    ridgeFast,
    boostedResidual: fitBoosted(residual.table(), {
      ...boost,
      trees: 80,
      leaves: 12,
      rate: 0.07,
      seed,
      startAtQuantile: false,
    }),
    boostedAlone: fitBoosted(alone.table(), {
      ...boost,
      trees: 90,
      leaves: 15,
      rate: 0.08,
      seed: seed + 1,
      startAtQuantile: true,
    }),
    upper: [residual, upperAlone]
      .slice(0, upperCount(perDay))
      .map((collector, index) =>
        fitBoosted(collector.table(), { ...boost, ...upperBoost, seed: seed + 2 + index, startAtQuantile: true }),
      ),
    capRoot: capOf(scales.root.z),
    capLog: capOf(scales.log.z),
    capPlain: capOf(scales.plain.z),
  };
}

/** Rows of a table as they come; turned into columns at the end. */
class Collector {
  readonly #rows: number[][] = [];
  readonly #targets: number[] = [];
  readonly #weights: number[] = [];

  add(row: number[], target: number, weight: number): void {
    this.#rows.push(row);
    this.#targets.push(target);
    this.#weights.push(weight);
  }

  table(): { columns: Float64Array[]; targets: Float64Array; weights: Float64Array } {
    const width = this.#rows[0]?.length ?? 0;
    const columns = Array.from({ length: width }, (_, column) => Float64Array.from(this.#rows, (row) => row[column]!));
    return { columns, targets: Float64Array.from(this.#targets), weights: Float64Array.from(this.#weights) };
  }
}

/** Each lag minus z[t]; z[t]; the linear forecast minus z[t]; slot of day; day of week; h. */
function residualFeatures(
  row: Float64Array,
  start: number,
  shape: LagShape,
  stepOfWeek: number,
  h: number,
  forecast: number,
): number[] {
  const now = row[start]!;
  const features: number[] = [];
  for (let column = 1; column < lagCount(shape); column += 1) features.push(row[start + column]! - now);
  features.push(now, forecast - now, stepOfWeek % shape.perDay, Math.floor(stepOfWeek / shape.perDay) % 7, h);
  return features;
}

/** Each lag minus d1; d1; slot of day; day of week; h; z[t] minus the short mean. */
function aloneFeatures(row: Float64Array, start: number, shape: LagShape, stepOfWeek: number, h: number): number[] {
  const yesterday = row[start + yesterdayColumn]!;
  const features: number[] = [];
  for (let column = 0; column < lagCount(shape); column += 1) {
    if (column !== yesterdayColumn) features.push(row[start + column]! - yesterday);
  }
  features.push(yesterday, stepOfWeek % shape.perDay, Math.floor(stepOfWeek / shape.perDay) % 7, h);
  features.push(row[start]! - row[start + shortMeanColumn]!);
  return features;
}

/** A step between two nodes: both neighbours and how far it is towards the right one. */
export type Between = { readonly left: number; readonly right: number; readonly share: number };

/** Where step `h` lies among the nodes; beyond the last one it takes the last. */
export function between(nodes: readonly number[], h: number): Between {
  let right = 0;
  while (right < nodes.length - 1 && nodes[right]! < h) right += 1;
  const left = Math.max(0, right - 1);
  const gap = nodes[right]! - nodes[left]!;
  return { left, right, share: gap > 0 ? Math.min(1, (h - nodes[left]!) / gap) : 1 };
}

function linearBetween(models: readonly Linear[], { left, right, share }: Between, row: Float64Array): number {
  const high = linearAt(models[right]!, row);
  if (share === 1) return high;
  const low = linearAt(models[left]!, row);
  return low + (high - low) * share;
}

/**
 * The six forecasts of step `t + h` at origin `t`, on the root scale, in the order of `memberNames`. Between nodes the
 * neighbours' models are asked about the step itself, and their answers interpolated: so the daily pattern keeps its curve.
 * After them come the trees for 0.9 (`upperCount`). `row` is left holding the columns on the root scale.
 */
export function forecastMembers(
  members: Members,
  scales: Scales,
  t: number,
  h: number,
  out: Float64Array,
  row: Float64Array = new Float64Array(rowWidth(members.shape)),
): void {
  const { shape, s0 } = members;
  const place = between(members.nodes, h);
  // Demand that has risen beyond anything in the window lifts the cap with it.
  const clip = (value: number, cap: Cap, now: number): number =>
    Math.min(Math.max(cap.high, now), Math.max(Math.min(cap.low, now), value));
  const nowRoot = scales.root.z[t]!;
  writeRow(scales.log, shape, t, h, row, 0);
  const log = clip(linearBetween(members.ridgeLog, place, row), members.capLog, scales.log.z[t]!);
  writeRow(scales.plain, shape, t, h, row, 0);
  const plain = clip(linearBetween(members.ridgePlain, place, row), members.capPlain, scales.plain.z[t]!);
  writeRow(scales.root, shape, t, h, row, 0);
  const linear = linearBetween(members.ridgeRoot, place, row);
  const stepOfWeek = scales.root.first + t + h;
  const forResidual = residualFeatures(row, 0, shape, stepOfWeek, h, linear);
  const forAlone = aloneFeatures(row, 0, shape, stepOfWeek, h);
  const corrected = linear + boostedAt(members.boostedResidual, forResidual);
  const alone = row[yesterdayColumn]! + boostedAt(members.boostedAlone, forAlone);
  out[0] = clip(linear, members.capRoot, nowRoot);
  out[1] = clip(corrected, members.capRoot, nowRoot);
  out[2] = Math.sqrt(Math.max(0, s0 * (Math.exp(log) - 1)));
  out[3] = Math.sqrt(Math.max(0, plain));
  out[4] = clip(linearBetween(members.ridgeFast, place, row), members.capRoot, nowRoot);
  out[5] = clip(alone, members.capRoot, nowRoot);
  out[6] = medianOfDays(scales.root, shape, t, h);
  out[7] = row[yesterdayColumn]!;
  out[8] = nowRoot;
  const [onResidual, onYesterday] = members.upper;
  out[9] = linear + boostedAt(onResidual!, forResidual);
  if (onYesterday !== undefined) out[10] = row[yesterdayColumn]! + boostedAt(onYesterday, forAlone);
}

/** Median over the last seven days (as far as known) of the smoothed value at the target's time of day. */
function medianOfDays({ smoothed }: Scale, { perDay, smooth }: LagShape, t: number, h: number): number {
  const days: number[] = [];
  for (let at = t + h - Math.ceil((h + smooth) / perDay) * perDay; at >= 0 && days.length < 7; at -= perDay) {
    days.push(smoothed[at]!);
  }
  if (days.length === 0) return smoothed[t]!;
  days.sort((left, right) => left - right);
  const middle = days.length >> 1;
  return days.length % 2 === 1 ? days[middle]! : (days[middle - 1]! + days[middle]!) / 2;
}

/** What the scale of errors is regressed on at an origin: the short and day means on the root scale. */
export function originMeans({ root }: Scales, shape: LagShape, t: number): { short: number; day: number } {
  let short = 0;
  for (let back = 0; back < shape.short; back += 1) short += root.z[Math.max(0, t - back)]!;
  const from = Math.max(0, t + 1 - shape.perDay);
  return { short: short / shape.short, day: (root.prefix[t + 1]! - root.prefix[from]!) / (t + 1 - from) };
}
