import { describe, expect, test } from '@jest/globals';
import type { DemandSeries } from '../../../src/domain/demand.ts';
import { hourMs } from '../../../src/domain/time.ts';
import { evaluate } from '../../../src/planning/evaluate.ts';
import { ownModels, productModel } from '../../../src/planning/forecast/models.ts';
import type { ModelState, QuantileForecast } from '../../../src/planning/forecast/model.ts';
import { findLevelShift, relevelled } from '../../../src/planning/forecast/own/level-shifts.ts';
import { ownModel } from '../../../src/planning/forecast/own/own.ts';
import { pinball } from '../../../src/planning/forecast/score.ts';
import { seasonalNaive } from '../../../src/planning/forecast/seasonal-naive.ts';
import { dailyDemand, seeded, spec } from './fixtures.ts';

const day = 24;
const model = ownModel();

function fitted(history: DemandSeries, previous?: ModelState): ModelState {
  const state = model.fit(history, previous);
  if ('kind' in state) throw new Error(state.why);
  return state;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('a day that was not as expected', () => {
  const calm = dailyDemand(13, { step: hourMs, noise: 0.15 });
  const known = { ...calm, qps: calm.qps.slice(0, 12 * day) };
  // Fitted yesterday; since then demand is a quarter higher than ever before at that time of day.
  const state = fitted(known);
  const busier = { ...calm, qps: calm.qps.map((value, index) => (index >= 12 * day ? value * 1.25 : value)) };

  test('lifts the forecasts of the next one before the next fit, and only then', () => {
    const usual = mean(model.predict(state, calm, day).values[1]!);
    const lifted = mean(model.predict(state, busier, day).values[1]!);
    expect(lifted / usual).toBeGreaterThan(1.1);
    expect(lifted / usual).toBeLessThan(1.3);
  });

  test('leaves p90 above the demand that goes on as it was', () => {
    const { values } = model.predict(state, busier, day);
    const expected = busier.qps.slice(-day);
    const covered = expected.filter((value, step) => value <= values[2]![step]!).length;
    expect(covered / day).toBeGreaterThanOrEqual(0.75);
  });
});

describe('an outage that still lasts', () => {
  const calm = dailyDemand(13, { step: hourMs });
  const state = fitted({ ...calm, qps: calm.qps.slice(0, 12 * day) });

  test.each([4, 16])('for %d hours is not taken for a new level', (hours) => {
    const gone = { ...calm, qps: calm.qps.map((value, index) => (index >= calm.qps.length - hours ? 0 : value)) };
    const usual = mean(model.predict(state, calm, day).values[1]!.slice(-12));
    const expected = mean(model.predict(state, gone, day).values[1]!.slice(-12));
    expect(expected / usual).toBeGreaterThan(0.75);
  });
});

describe('demand that became many times higher or lower 26 hours ago', () => {
  const truth = dailyDemand(9, { step: hourMs });
  const end = 8 * day;
  const at = end - 26;
  const shifted = (factor: number): DemandSeries => ({
    ...truth,
    qps: truth.qps.map((value, index) => (index >= at ? value * factor : value)),
  });
  const known = (series: DemandSeries): DemandSeries => ({ ...series, qps: series.qps.slice(0, end) });

  test.each([10, 0.1])('x%d is found to the hour, and taken out of the past', (factor) => {
    const found = findLevelShift(known(shifted(factor)));
    expect(found?.at).toBe(truth.start + at * hourMs);
    expect(found!.factor / factor).toBeGreaterThan(0.8);
    expect(found!.factor / factor).toBeLessThan(1.25);
    expect(findLevelShift(relevelled(known(shifted(factor)), [found!]))).toBeUndefined();
  });

  test.each([10, 0.1])('x%d: p90 loses less than seasonal-naive, and p99 stays near the largest demand', (factor) => {
    const series = known(shifted(factor));
    const actual = shifted(factor).qps.slice(end);
    const naive = seasonalNaive('day');
    const loss = ({ values }: QuantileForecast): number =>
      actual.reduce((sum, value, step) => sum + pinball(value, values[2]![step]!, 0.9), 0);
    const state = fitted(series, fitted({ ...series, qps: series.qps.slice(0, -day) }));
    const forecast = model.predict(state, series, day);
    expect(loss(forecast)).toBeLessThan(loss(naive.predict(naive.fit(series) as ModelState, series, day)));
    expect(Math.max(...forecast.values[4]!)).toBeLessThan(1.5 * Math.max(...series.qps));
  });

  test.each([
    ['three hours', 3],
    ['seven of eight days', 7 * day],
  ])('a step for %s is none', (_, hours) => {
    const series = { ...truth, qps: truth.qps.map((value, index) => (index >= end - hours ? value * 10 : value)) };
    expect(findLevelShift(known(series))).toBeUndefined();
  });

  test('nor is what has no pattern', () => {
    const random = seeded(5);
    const bursts = { ...truth, qps: truth.qps.map(() => 5 * 20 ** random()) };
    expect(findLevelShift(known(bursts))).toBeUndefined();
  });
});

describe('a state of an earlier version', () => {
  const history = dailyDemand(6, { step: hourMs });
  const now = history.start + history.qps.length * history.stepMs;

  test('is fitted anew, as if there were none', () => {
    const old: ModelState = { model: 'umbra', version: 3, fittedAt: now, body: { members: {} } };
    expect(model.understands!(old)).toBe(false);
    expect(fitted(history, old)).toEqual(fitted(history));
  });

  test('inside a choice is not read: a simple model speaks until the next fit', () => {
    const auto = productModel();
    const state = auto.fit(history);
    if ('kind' in state) throw new Error(state.why);
    const body = state.body as { states: ModelState[] };
    const old = {
      ...state,
      body: { ...body, states: body.states.map((each) => (each.model === 'umbra' ? { ...each, version: 3 } : each)) },
    };
    const input = { spec, recent: history, models: [auto, ...ownModels()], shadows: [], leadTimeMs: 180_000, now };
    expect(evaluate({ ...input, state }).forecast?.model).toBe('umbra');
    expect(evaluate({ ...input, state: old }).forecast?.model).toMatch(/naive/);
    expect(auto.fit(history, old)).not.toHaveProperty('kind');
  });
});
