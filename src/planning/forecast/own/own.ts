import type { DemandSeries } from '../../../domain/demand.ts';
import { hourMs } from '../../../domain/time.ts';
import { before, endOf, knownSteps, newest, stepsPerDay } from '../history.ts';
import { quantileLevels } from '../../../domain/quantile.ts';
import type { ForecastModel, ModelState, QuantileForecast, Unfit } from '../model.ts';
import { tidyQuantiles } from '../quantiles.ts';
import { distribute, fitCombination } from './combination.ts';
import type { Combination } from './combination.ts';
import { corrected } from './correction.ts';
import type { CorrectionInput } from './correction.ts';
import { shippedCorrection } from './correction-trees.ts';
import { lastDayOf } from './last-day.ts';
import { firstOrigin, lagShape, rowWidth } from './lags.ts';
import type { LagShape } from './lags.ts';
import { findLevelShift, relevelled } from './level-shifts.ts';
import type { LevelShift } from './level-shifts.ts';
import { between, columnCount, fitMembers, forecastMembers, makeScales, originMeans } from './members.ts';
import type { Members, Scales, Window } from './members.ts';
import { packPool, unpackPool } from './packing.ts';
import type { PackedPoolNode } from './packing.ts';
import { emptyPoolNode, trimmed } from './pool.ts';
import type { PoolNode } from './pool.ts';
import { prepareWindow } from './window.ts';

export type OwnOptions = {
  /** Offset of the VM's local time from UTC, for slots of the day and weekends. */
  readonly utcOffsetMs?: number;
  /** Longest horizon that will be asked for, in steps; 72 at 5 minutes, 24 hourly. */
  readonly horizonSteps?: number;
  /** False leaves out the pre-trained correction ("R1" alone), to measure what it adds. */
  readonly correction?: boolean;
};

/** The correction was trained up to six hours ahead. */
const correctedSteps = 72;

/** Everything fitted; plain JSON. */
type Body = {
  readonly stepMs: number;
  /** Everything here was learned at the level after these: the past before them is scaled. */
  readonly shifts: readonly LevelShift[];
  readonly members: Members;
  readonly combinations: readonly Combination[];
  readonly pool: readonly PackedPoolNode[];
  /** What the lags need of the past, so that a tick reads only the newest steps. */
  readonly kept: { readonly start: number; readonly qps: readonly (number | null)[] };
};

/** Days of history that members are fitted on, days of honest errors kept, and days replayed at the start. */
function spansInDays(stepMs: number): { window: number; pool: number; replay: number } {
  return stepMs >= hourMs ? { window: 84, pool: 28, replay: 21 } : { window: 28, pool: 21, replay: 14 };
}

/** Fitted by a version with another shape of state: it is not read but fitted anew. */
const stateVersion = 5;

/** What a forecast reads of the past: the lags of the oldest origin of the last day, whose forecasts are looked at again. */
function pastSteps(shape: LagShape): number {
  return firstOrigin(shape) + 2 * shape.perDay + 24;
}

/** Steps ahead that have a model each; the steps between are interpolated. */
export function nodesFor(stepMs: number, horizonSteps: number): number[] {
  const all =
    stepMs >= hourMs ? [1, 2, 3, 6, 12, 18, 24, 36, 48, 72] : [1, 3, 6, 12, 24, 48, 72, 144, 216, 288, 432, 576];
  const nodes = all.filter((node) => node < horizonSteps);
  return [...nodes, horizonSteps];
}

/** Every fourth target is kept at 5 minutes, each hourly. */
function poolStride(perDay: number): number {
  return perDay >= 96 ? Math.round(perDay / 72) : 1;
}

/**
 * Umbra's own model ("R1"): six members (ridges on root, log and plain demand, a fast one, boosted residuals, boosted alone)
 * per step ahead, combined by their honest past errors, with an error scale regressed on what is known at the
 * origin and scaled empirical quantiles. Method: docs/foresight.md.
 */
export function ownModel(options: OwnOptions = {}): ForecastModel {
  const { utcOffsetMs = 0 } = options;
  return {
    name: 'umbra',
    historySteps: (stepMs) => ({
      least: 3 * stepsPerDay(stepMs),
      useful: spansInDays(stepMs).window * stepsPerDay(stepMs),
    }),

    fit(asItWas: DemandSeries, previous?: ModelState): ModelState | Unfit {
      const shifts = shiftsOf(asItWas, previous);
      const history = relevelled(asItWas, shifts);
      const { stepMs } = history;
      const perDay = stepsPerDay(stepMs);
      const least = 3 * perDay;
      if (history.qps.length < least || knownSteps(history.qps) < least * 0.75) {
        const days = (knownSteps(history.qps) / perDay).toFixed(1);
        return { kind: 'unfit', why: `umbra needs 3 days of history, ${days} days are known` };
      }
      const spans = spansInDays(stepMs);
      const nodes = nodesFor(stepMs, options.horizonSteps ?? (stepMs >= hourMs ? 24 : 72));
      const fitAt = (end: number): Members => {
        const window = windowBefore(history, end, spans.window * perDay, perDay, utcOffsetMs);
        return fitMembers(window, nodes, perDay, Math.floor((history.start + end * stepMs) / stepMs) % 1_000_003);
      };
      const count = history.qps.length;
      let pool: PoolNode[] = nodes.map(() => emptyPoolNode(perDay));
      const carried = carriedFrom(previous, history, nodes, shifts);
      if (carried !== undefined) {
        pool = carried.body.pool.map(unpackPool);
        collectErrors(pool, carried.body.members, history, carried.at, count, perDay, utcOffsetMs);
      } else {
        // Fits on less than four days are so poor that their errors mislead; a short history has no choice.
        const reserve = Math.min(4 * perDay, Math.max(2 * perDay, count - 2 * perDay));
        const replays = Math.min(spans.replay, Math.floor((count - reserve) / perDay));
        for (let back = replays; back >= 1; back -= 1) {
          const at = count - back * perDay;
          collectErrors(pool, fitAt(at), history, at, at + perDay, perDay, utcOffsetMs);
        }
      }
      const newestAt = Math.floor(history.start / stepMs) + count - 1;
      pool = pool.map((node) => trimmed(node, newestAt - spans.pool * perDay));
      if (pool.some((node) => node.at.length < 12)) {
        return { kind: 'unfit', why: 'umbra has too few honest errors: most of the last days are missing' };
      }
      const offset = Math.floor(utcOffsetMs / stepMs) + 7 * perDay;
      const combinations = pool.map((node) => fitCombination(node, perDay, offset, newestAt));
      const members = fitAt(count);
      const kept = newest(history, pastSteps(members.shape));
      const body: Body = {
        stepMs,
        shifts,
        members,
        combinations,
        pool: pool.map(packPool),
        kept: {
          start: kept.start,
          qps: kept.qps.map((value) => (Number.isFinite(value) ? Number(value.toPrecision(7)) : null)),
        },
      };
      return { model: 'umbra', version: stateVersion, fittedAt: endOf(history), body };
    },

    understands: ({ version }) => version === stateVersion,

    predict(state: ModelState, recent: DemandSeries, horizonSteps: number): QuantileForecast {
      const body = state.body as Body;
      const series = joined(body.kept, relevelled(recent, body.shifts), pastSteps(body.members.shape));
      return predictFrom(body, series, horizonSteps, options);
    },
  };
}

/** On the root scale: demand half as large again as the largest. */
const mostAbove = Math.sqrt(1.5);

/** One step as the correction sees it, with the quantiles before it. */
export type ExplainedStep = CorrectionInput;

/** What stands behind the forecast of some steps: for training the correction, and for showing. */
export function explainSteps(
  state: ModelState,
  recent: DemandSeries,
  steps: readonly number[],
  utcOffsetMs = 0,
): ExplainedStep[] {
  const body = state.body as Body;
  const series = joined(body.kept, relevelled(recent, body.shifts), pastSteps(body.members.shape));
  return [...stepInputs(body, series, steps, utcOffsetMs)];
}

/** Each step's distribution on the root scale, before the correction. */
function* stepInputs(
  { members, combinations, stepMs }: Body,
  series: DemandSeries,
  steps: readonly number[],
  utcOffsetMs: number,
): Generator<CorrectionInput> {
  const { shape } = members;
  const { perDay } = shape;
  const window = prepareWindow(series.qps, series.start, stepMs, perDay, utcOffsetMs);
  const scales = makeScales(window, shape, members.s0);
  const t = series.qps.length - 1;
  const recentVolatility = volatilities(scales, perDay, t - 12 * perDay, t);
  const volatility = recentVolatility[t]!;
  const facts = { volatility, ...originMeans(scales, shape, t) };
  const { bias, width } = lastDayOf(members, combinations, window, scales, recentVolatility);
  // Nothing is expected far above the largest demand known, unless the members themselves expect it.
  const largest = scales.root.z.reduce((most, value) => Math.max(most, value), 0);
  for (const h of steps) {
    const { left, right, share } = between(members.nodes, h);
    const out = new Float64Array(columnCount(perDay));
    const row = new Float64Array(rowWidth(shape));
    forecastMembers(members, scales, t, h, out, row);
    const slotOfDay = (window.first + t + h) % perDay;
    const high = distribute(combinations[right]!, out, facts, slotOfDay, perDay);
    const low = share < 1 ? distribute(combinations[left]!, out, facts, slotOfDay, perDay) : high;
    const mixed = (one: number, other: number): number => one + (other - one) * share;
    const forecast = mixed(low.forecast, high.forecast);
    const scale = mixed(low.scale, high.scale);
    const most = mostAbove * Math.max(largest, forecast);
    const quantiles = high.quantiles.map((value, level) => {
      const quantile = mixed(low.quantiles[level]!, value);
      const above = quantileLevels[level]! > 0.5 ? Math.max(0, quantile - forecast) : 0;
      return Math.min(most, quantile + (width - 1) * above + bias * scale);
    });
    yield {
      row,
      shape,
      members: out,
      forecast,
      scale,
      quantiles,
      reference: mixed(combinations[left]!.reference, combinations[right]!.reference),
      volatility,
      h,
      slotOfDay,
      perDay,
    };
  }
}

function predictFrom(body: Body, series: DemandSeries, horizonSteps: number, options: OwnOptions): QuantileForecast {
  const { utcOffsetMs = 0 } = options;
  const values = quantileLevels.map(() => new Array<number>(horizonSteps).fill(0));
  const steps = Array.from({ length: horizonSteps }, (_, step) => step + 1);
  for (const input of stepInputs(body, series, steps, utcOffsetMs)) {
    const applies = options.correction !== false && input.perDay >= 96 && input.h <= correctedSteps;
    const roots = applies ? corrected(shippedCorrection, input) : input.quantiles;
    const here = roots.map((root) => Math.max(0, root) ** 2);
    tidyQuantiles(here, input.forecast ** 2).forEach((value, level) => (values[level]![input.h - 1] = value));
  }
  return { model: 'umbra', start: endOf(series), stepMs: body.stepMs, values };
}

function windowBefore(history: DemandSeries, end: number, steps: number, perDay: number, utcOffsetMs: number): Window {
  const part = before(history, end, Math.min(end, steps));
  return prepareWindow(part.qps, part.start, part.stepMs, perDay, utcOffsetMs);
}

/** Log of an EWMA of |dz[t] - 0.5 dz[t-P]| on the root scale, for t in `from..to`. */
function volatilities({ root }: Scales, perDay: number, from: number, to: number): Float64Array {
  const alpha = perDay >= 96 ? 1 / 24 : 1 / 12;
  const { z } = root;
  const out = new Float64Array(z.length);
  let level = NaN;
  for (let t = Math.max(perDay + 1, from); t <= to; t += 1) {
    const change = Math.abs(z[t]! - z[t - 1]! - 0.5 * (z[t - perDay]! - z[t - perDay - 1]!));
    level = Number.isNaN(level) ? change : level + alpha * (change - level);
    out[t] = Math.log(level + 1e-6);
  }
  return out;
}

/** Lets `members`, fitted on steps before `fittedTo`, forecast the targets in `fittedTo..to`, and stores what they said. */
function collectErrors(
  pool: readonly PoolNode[],
  members: Members,
  history: DemandSeries,
  fittedTo: number,
  to: number,
  perDay: number,
  utcOffsetMs: number,
): void {
  const steps = firstOrigin(members.shape) + members.nodes.at(-1)! + 2 * perDay + (to - fittedTo);
  const part = before(history, to, Math.min(to, steps));
  const window = prepareWindow(part.qps, part.start, part.stepMs, perDay, utcOffsetMs);
  const scales = makeScales(window, members.shape, members.s0);
  const shift = to - part.qps.length;
  const volatility = volatilities(scales, perDay, 0, part.qps.length - 1);
  const least = firstOrigin(members.shape);
  const out = new Float64Array(columnCount(perDay));
  const epochSteps = Math.floor(part.start / part.stepMs);
  const stride = poolStride(perDay);
  for (let target = fittedTo - shift; target < part.qps.length; target += 1) {
    if ((epochSteps + target) % stride !== 0 || window.teaches[target] === 0) continue;
    members.nodes.forEach((h, node) => {
      const t = target - h;
      if (t < Math.max(least, perDay + 1) || window.teaches[t] === 0) return;
      forecastMembers(members, scales, t, h, out);
      const means = originMeans(scales, members.shape, t);
      const rows = pool[node]!;
      rows.at.push(epochSteps + target);
      rows.actual.push(scales.root.z[target]!);
      for (let member = 0; member < out.length; member += 1) rows.members[member]!.push(out[member]!);
      rows.volatility.push(volatility[t]!);
      rows.short.push(means.short);
      rows.day.push(means.day);
    });
  }
}

/** The previous state, when its pool may go on: same steps and nodes, and no more than three days old. */
function carriedFrom(
  previous: ModelState | undefined,
  history: DemandSeries,
  nodes: readonly number[],
  shifts: readonly LevelShift[],
): { body: Body; at: number } | undefined {
  if (previous?.model !== 'umbra' || previous.version !== stateVersion) return undefined;
  const body = previous.body as Body;
  const at = Math.round((previous.fittedAt - history.start) / history.stepMs);
  const perDay = stepsPerDay(history.stepMs);
  const fits = body.stepMs === history.stepMs && body.members.nodes.join() === nodes.join();
  if (shifts.some(({ at }) => body.shifts.every((each) => each.at !== at))) return undefined;
  const shapeNow = lagShape(perDay, history.qps.length);
  if (!fits || at < firstOrigin(body.members.shape) || at > history.qps.length || history.qps.length - at > 3 * perDay)
    return undefined;
  return shapeNow.perDay === body.members.shape.perDay ? { body, at } : undefined;
}

/** Shifts inside the history: those known from the last fit, and one more when there is one. Its errors before it are of another level then. */
function shiftsOf(history: DemandSeries, previous: ModelState | undefined): LevelShift[] {
  const read = previous?.model === 'umbra' && previous.version === stateVersion;
  const known = read ? (previous.body as Body).shifts.filter(({ at }) => at > history.start) : [];
  const found = findLevelShift(relevelled(history, known));
  return found === undefined ? [...known] : [...known, found];
}

/** The kept past followed by the recent steps; recent wins where they overlap. */
function joined(kept: Body['kept'], recent: DemandSeries, need: number): DemandSeries {
  if (recent.qps.length >= need) return newest(recent, need + 12);
  const gap = Math.round((recent.start - kept.start) / recent.stepMs);
  if (gap < 0) return recent;
  const past: number[] = kept.qps.slice(0, gap).map((value) => value ?? NaN);
  while (past.length < gap) past.push(NaN);
  return newest({ start: kept.start, stepMs: recent.stepMs, qps: [...past, ...recent.qps] }, need + 12);
}
