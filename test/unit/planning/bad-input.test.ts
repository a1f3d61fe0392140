import { describe, expect, test } from '@jest/globals';
import type { DemandSeries } from '../../../src/domain/demand.ts';
import { ownModels, productModel } from '../../../src/planning/forecast/models.ts';
import { ownModel } from '../../../src/planning/forecast/own/own.ts';
import { hourMs } from '../../../src/domain/time.ts';
import { evaluate } from '../../../src/planning/evaluate.ts';
import { dailyDemand, isPresentable, seeded, spec } from './fixtures.ts';

// Hourly steps: the same code in a twelfth of the time.
const day = 24;
const wave = dailyDemand(7, { step: hourMs });
const shaped = (change: (value: number, index: number) => number): DemandSeries => ({
  ...wave,
  qps: wave.qps.map(change),
});
const random = seeded(3);

/** What comes in, and how large a forecast of it may be. */
const inputs: { name: string; series: DemandSeries; most: number }[] = [
  { name: 'constant', series: shaped(() => 50), most: 51 },
  { name: 'all zero', series: shaped(() => 0), most: 1e-3 },
  { name: 'negative', series: shaped((value) => -value), most: 10 },
  { name: 'a third NaN', series: shaped((value) => (random() < 0.33 ? NaN : value)), most: 200 },
  {
    name: 'NaN for the last six hours',
    series: shaped((value, index) => (index >= wave.qps.length - day / 4 ? NaN : value)),
    most: 200,
  },
  {
    name: 'NaN for a whole day',
    series: shaped((value, index) => (index > 4 * day && index < 5 * day + 1 ? NaN : value)),
    most: 200,
  },
  { name: 'infinite once', series: shaped((value, index) => (index === 100 ? Infinity : value)), most: 200 },
  { name: 'tiny', series: shaped((value) => value * 1e-9), most: 2e-7 },
  { name: 'huge', series: shaped((value) => value * 2e10), most: 4e12 },
  { name: 'one spike of a million', series: shaped((value, index) => (index === 100 ? 1e6 : value)), most: 2.5e6 },
  {
    name: 'ten times higher since yesterday',
    series: shaped((value, index) => (index >= wave.qps.length - day ? value * 10 : value)),
    most: 6_000,
  },
  {
    name: 'ten times lower since six hours',
    series: shaped((value, index) => (index >= wave.qps.length - day / 4 ? value / 10 : value)),
    most: 500,
  },
];

describe.each(inputs)('demand that is $name', ({ series, most }) => {
  test.each([...ownModels(), productModel()].map((model) => ({ name: model.name, model })))(
    '$name stays finite, ordered and in range',
    ({ model }) => {
      const fitted = model.fit(series);
      if ('kind' in fitted) {
        expect(fitted.why.length).toBeGreaterThan(10);
        return;
      }
      const forecast = model.predict(JSON.parse(JSON.stringify(fitted)) as typeof fitted, series, day);
      expect(isPresentable(forecast)).toBe(true);
      expect(Math.max(...forecast.values[4]!)).toBeLessThanOrEqual(most);
    },
  );

  test('evaluates to a risk between 0 and 1 and a plan with a reason', () => {
    const { evaluation } = evaluate({
      spec,
      recent: series,
      models: ownModels(),
      shadows: [],
      leadTimeMs: 180_000,
      now: series.start + series.qps.length * series.stepMs,
    });
    expect(evaluation.risk.score).toBeGreaterThanOrEqual(0);
    expect(evaluation.risk.score).toBeLessThanOrEqual(1);
    expect(evaluation.plan.reasons.length).toBeGreaterThan(0);
  });
});

describe('our own model', () => {
  test('has followed a level that became tenfold a day ago', () => {
    const calm = dailyDemand(12, { step: hourMs });
    const lifted = { ...calm, qps: calm.qps.map((value, index) => (index >= 11 * day ? value * 10 : value)) };
    const model = ownModel();
    const state = model.fit(lifted);
    if ('kind' in state) throw new Error(state.why);
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(model.predict(state, lifted, day).values[1]!)).toBeGreaterThan(3 * mean(calm.qps));
  });

  test('is not ruined by an outage that has passed', () => {
    const truth = dailyDemand(15, { noise: 0.15, step: hourMs });
    const known = { ...truth, qps: truth.qps.slice(0, -day) };
    const at = known.qps.length;
    const dark = {
      ...known,
      qps: known.qps.map((value, index) => (index > at - 4 * day && index < at - 3 * day + 6 ? 0 : value)),
    };
    const actual = truth.qps.slice(-day);
    const model = ownModel();
    const errorOf = (history: DemandSeries): number => {
      const state = model.fit(history);
      if ('kind' in state) throw new Error(state.why);
      const { values } = model.predict(state, history, day);
      return values[1]!.reduce((sum, value, step) => sum + Math.abs(value - actual[step]!), 0);
    };
    expect(errorOf(dark)).toBeLessThan(1.5 * errorOf(known));
  }, 60_000);

  test('answers the same when asked twice, and from the newest day alone', () => {
    const history = dailyDemand(12, { step: hourMs });
    const model = ownModel();
    const state = model.fit(history);
    if ('kind' in state) throw new Error(state.why);
    const whole = model.predict(state, history, day);
    expect(model.predict(state, history, day)).toEqual(whole);
    expect(model.fit(history)).toEqual(state);
    const lately = { ...history, start: history.start + 11 * 86_400_000, qps: history.qps.slice(-day) };
    const again = model.predict(state, lately, day);
    again.values[2]!.forEach((value, step) => expect(Math.abs(value / whole.values[2]![step]! - 1)).toBeLessThan(0.01));
  });
});
