import { describe, expect, test } from '@jest/globals';
import type { DemandSeries } from '../../../src/domain/demand.ts';
import { hourMs } from '../../../src/domain/time.ts';
import { evaluate } from '../../../src/planning/evaluate.ts';
import { ownModels, productModel } from '../../../src/planning/forecast/models.ts';
import type { ModelState } from '../../../src/planning/forecast/model.ts';
import { ownModel } from '../../../src/planning/forecast/own/own.ts';
import { dailyDemand, spec } from './fixtures.ts';

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

test('no quantile is far above the largest demand known, even after a tenfold day', () => {
  const calm = dailyDemand(8, { step: hourMs });
  const lifted = { ...calm, qps: calm.qps.map((value, index) => (index >= 7 * day ? value * 10 : value)) };
  const largest = Math.max(...lifted.qps);
  for (const each of [model, productModel()]) {
    const state = each.fit(lifted);
    if ('kind' in state) throw new Error(state.why);
    expect(Math.max(...each.predict(state, lifted, day).values[4]!)).toBeLessThan(3 * largest);
  }
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
