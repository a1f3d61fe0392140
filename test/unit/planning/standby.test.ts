import { describe, expect, test } from '@jest/globals';
import { hourMs, minuteMs } from '../../../src/domain/time.ts';
import { chooseTiers, planStandby } from '../../../src/planning/standby.ts';
import type { ShadowView, StandbyObservation } from '../../../src/planning/standby.ts';
import { flatForecast, now, policy, stepMs } from './fixtures.ts';

const risk = { score: 0.01, overload: 0, failure: 0.01, parts: [], calibrated: false };
const calm: StandbyObservation = {
  risk,
  demandQps: 20,
  capacityQps: 100,
  tierQps: 100,
  forecast: flatForecast([10, 20, 30, 35, 45]),
  leadTimeMs: 3 * minuteMs,
  shadows: [],
  timeZone: 'UTC',
};
const warm = (since: number): ShadowView => ({ tier: 1, state: 'warm', warmth: 'hot', since });

/** A forecast whose p90 rises to 90 at `step`. */
const rising = (step: number) => {
  const flat = flatForecast([10, 20, 30, 35, 45]);
  return {
    ...flat,
    values: flat.values.map((path, level) => path.map((value, at) => (at >= step && level >= 2 ? 90 + level : value))),
  };
};

describe('a standby plan', () => {
  test('wants nothing while all is calm, and says why', () => {
    const plan = planStandby(calm, policy, now);
    expect(plan.wanted).toEqual([]);
    expect(plan.reasons[0]?.code).toBe('within-capacity');
  });

  test.each([
    { what: 'demand now', observation: { ...calm, demandQps: 85 }, code: 'demand-now' },
    { what: 'risk', observation: { ...calm, risk: { ...risk, score: 0.4 } }, code: 'risk' },
    { what: 'predicted volume', observation: { ...calm, forecast: rising(1) }, code: 'volume' },
  ])('wants a shadow for $what', ({ observation, code }) => {
    const { wanted } = planStandby(observation, policy, now);
    expect(wanted).toHaveLength(1);
    expect(wanted[0]?.reason.code).toBe(code);
  });

  test('waits until the earliest need minus the lead time', () => {
    const later = planStandby({ ...calm, forecast: rising(24) }, policy, now);
    expect(later.wanted).toEqual([]);
    expect(later.reasons[0]).toMatchObject({
      code: 'volume-later',
      text: expect.stringContaining('start at 13:52') as unknown,
    });
    const due = planStandby({ ...calm, forecast: rising(24) }, policy, now + 24 * stepMs - 8 * minuteMs);
    expect(due.wanted).toHaveLength(1);
  });

  test('takes the smallest tier that carries p90, and several when none does', () => {
    expect(chooseTiers(40, calm, [2, 0.5, 1], 3)).toEqual({ tier: 0.5, count: 1 });
    expect(chooseTiers(95, calm, [0.5, 1, 2], 3)).toEqual({ tier: 1, count: 1 });
    expect(chooseTiers(520, calm, [0.5, 1, 2], 5)).toEqual({ tier: 2, count: 3 });
    expect(chooseTiers(5_000, calm, [0.5, 1, 2], 3)).toEqual({ tier: 2, count: 3 });
  });

  test('sizes by demand now when that is above the forecast', () => {
    expect(planStandby({ ...calm, demandQps: 150 }, policy, now).wanted[0]).toMatchObject({ tier: 2, count: 1 });
  });

  test('demand is judged against what serves, shadows are sized by what one carries', () => {
    const onHalf = { ...calm, capacityQps: 50, demandQps: 45 };
    expect(planStandby(onHalf, policy, now).wanted[0]).toMatchObject({ tier: 0.5, reason: { code: 'demand-now' } });
    expect(planStandby({ ...calm, capacityQps: 200, demandQps: 120 }, policy, now).wanted).toEqual([]);
  });

  test('never calls a stopped shadow capacity', () => {
    expect(planStandby({ ...calm, demandQps: 85 }, { ...policy, warmth: 'stopped' }, now).wanted[0]?.warmth).toBe(
      'hot',
    );
    expect(planStandby({ ...calm, demandQps: 85 }, { ...policy, warmth: 'paused' }, now).wanted[0]?.warmth).toBe(
      'paused',
    );
  });

  test('keeps the minimum and respects the maximum', () => {
    expect(planStandby(calm, { ...policy, minShadows: 2 }, now).wanted[0]).toMatchObject({
      count: 2,
      reason: { code: 'min-shadows' },
    });
    const limited = planStandby({ ...calm, demandQps: 900 }, { ...policy, maxShadows: 1 }, now);
    expect(limited.wanted[0]?.count).toBe(1);
    expect(planStandby({ ...calm, demandQps: 900 }, { ...policy, maxShadows: 0 }, now).wanted).toEqual([]);
  });

  describe('lets a shadow go only when all agree', () => {
    const kept = { ...calm, shadows: [warm(now - 3 * hourMs)] };
    test.each([
      { what: 'demand is missing', observation: { ...kept, demandQps: null }, code: 'demand-missing' },
      { what: 'demand is not low enough yet', observation: { ...kept, demandQps: 70 }, code: 'demand-near' },
      {
        what: 'risk is not low enough yet',
        observation: { ...kept, risk: { ...risk, score: 0.25 } },
        code: 'risk-near',
      },
      {
        what: 'it is younger than the dwell time',
        observation: { ...kept, shadows: [warm(now - 10 * minuteMs)] },
        code: 'dwell',
      },
      {
        what: 'p50 still reaches it',
        observation: { ...kept, forecast: flatForecast([60, 70, 75, 77, 79]) },
        code: 'forecast-near',
      },
      { what: 'it is needed again soon', observation: { ...kept, forecast: rising(8) }, code: 'needed-soon' },
    ])('stays while $what', ({ observation, code }) => {
      const { wanted } = planStandby(observation, policy, now);
      expect(wanted[0]?.reason.code).toBe(code);
    });

    test('goes when demand, risk and p50 are low and its dwell is over', () => {
      expect(planStandby(kept, policy, now).wanted).toEqual([]);
    });
  });
});
