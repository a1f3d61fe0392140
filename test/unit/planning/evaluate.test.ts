import { describe, expect, test } from '@jest/globals';
import { hourMs, minuteMs } from '../../../src/domain/time.ts';
import { evaluate } from '../../../src/planning/evaluate.ts';
import { naive, seasonalNaive } from '../../../src/planning/forecast/seasonal-naive.ts';
import { dailyDemand, isPresentable, now, spec, stepMs } from './fixtures.ts';

const base = { spec, models: [naive, seasonalNaive('day')], shadows: [], leadTimeMs: 3 * minuteMs, now };

describe('an evaluation', () => {
  test('without any history only watches, and says so', () => {
    const { evaluation, forecast, reason } = evaluate({ ...base, recent: { start: now, stepMs, qps: [] } });
    expect(forecast).toBeNull();
    expect(reason.code).toBe('no-forecast');
    expect(evaluation.demandQps).toBeNull();
    expect(evaluation.plan.wanted).toEqual([]);
    expect(evaluation.plan.reasons[0]?.code).toBe('no-demand-known');
  });

  test('wants a shadow at once when demand is above the threshold, with ten minutes of history', () => {
    const recent = { start: now - 2 * stepMs, stepMs, qps: [40, 95] };
    const { evaluation } = evaluate({ ...base, recent });
    expect(evaluation.plan.wanted).toMatchObject([
      { tier: 1, count: 1, warmth: 'hot', reason: { code: 'demand-now' } },
    ]);
    expect(evaluation.nextInMs).toBeLessThanOrEqual(5 * minuteMs);
  });

  test('is made again within minutes while demand is above the threshold, whatever the forecast says, and within the hour when calm', () => {
    const recent = dailyDemand(15, { level: 30 });
    expect(evaluate({ ...base, recent }).evaluation.nextInMs).toBe(hourMs);
    expect(evaluate({ ...base, recent, demandQps: 81 }).evaluation.nextInMs).toBe(5 * minuteMs);
    expect(evaluate({ ...base, recent, demandQps: 81, servingQps: 200 }).evaluation.nextInMs).toBe(hourMs);
  });

  test('does not take old demand for demand now', () => {
    const recent = { start: now - 3 * hourMs, stepMs, qps: [95, 95, ...new Array<number>(34).fill(NaN)] };
    expect(evaluate({ ...base, recent }).evaluation.demandQps).toBeNull();
  });

  test('climbs the ladder: naive at two hours, daily at two days, weekly at fourteen', () => {
    const modelAfter = (days: number): string => evaluate({ ...base, recent: dailyDemand(days) }).evaluation.model;
    expect(modelAfter(1 / 24)).toBe('none');
    expect(modelAfter(0.1)).toBe('naive');
    expect(modelAfter(2.1)).toBe('seasonal-naive-day');
    expect(modelAfter(15)).toBe('seasonal-naive-week');
  });

  test('multiplies the forecast by planned events', () => {
    const recent = dailyDemand(5, { level: 30 });
    const plain = evaluate({ ...base, recent });
    const events = [{ name: 'sale', from: now, to: now + 2 * hourMs, factor: 3 }];
    const sale = evaluate({ ...base, spec: { ...spec, events }, recent });
    expect(sale.forecast!.values[2]![0]).toBeCloseTo(3 * plain.forecast!.values[2]![0]!, 6);
    expect(sale.forecast!.values[2]![30]).toBe(plain.forecast!.values[2]![30]);
    expect(sale.evaluation.risk.score).toBeGreaterThan(plain.evaluation.risk.score);
    expect(isPresentable(sale.forecast!)).toBe(true);
  });

  test('does not multiply twice what is already there: an event under way is taken out of the past first', () => {
    const quiet = dailyDemand(5, { level: 30 });
    const events = [{ name: 'sale', from: now - 2 * hourMs, to: now + 2 * hourMs, factor: 3 }];
    const busy = {
      ...quiet,
      qps: quiet.qps.map((value, index) => (index >= quiet.qps.length - 24 ? 3 * value : value)),
    };
    for (const model of [naive, seasonalNaive('day')]) {
      const state = model.fit(quiet);
      if ('kind' in state) throw new Error(state.why);
      const plain = evaluate({ ...base, recent: quiet, state });
      const sale = evaluate({ ...base, spec: { ...spec, events }, recent: busy, state });
      expect(sale.forecast!.values[1]![0]).toBeCloseTo(3 * plain.forecast!.values[1]![0]!, 6);
      // Demand now is what it is.
      expect(sale.evaluation.demandQps).toBeCloseTo(3 * plain.evaluation.demandQps!, 6);
    }
  });

  test('uses the fitted model it is given', () => {
    const recent = dailyDemand(5);
    const state = naive.fit(recent);
    if ('kind' in state) throw new Error(state.why);
    expect(evaluate({ ...base, recent, state }).evaluation.model).toBe('naive');
  });

  test('is switched off after too many misses and still reacts', () => {
    const recent = dailyDemand(5, { level: 90 });
    const { forecast, evaluation } = evaluate({
      ...base,
      recent,
      forecastOff: { code: 'forecast-off', text: 'missed 12 times' },
    });
    expect(forecast).toBeNull();
    expect(evaluation.plan.wanted[0]?.reason.code).toBe('demand-now');
  });
});
