import { describe, expect, test } from '@jest/globals';
import type { DemandSeries } from '../../../src/domain/demand.ts';
import { minuteMs } from '../../../src/domain/time.ts';
import { judgeEvaluation, needsIn } from '../../../src/foresight/needs.ts';
import type { UnjudgedEvaluation } from '../../../src/ports/outcome-store.ts';
import { now } from '../planning/fixtures.ts';

const minutes = (qps: readonly number[], start = now): DemandSeries => ({ start, stepMs: minuteMs, qps });

function evaluation(change: Partial<UnjudgedEvaluation> = {}, overload = 0.2): UnjudgedEvaluation {
  return {
    hostedVmId: 'shop',
    at: now,
    leadTimeMs: 5 * minuteMs,
    capacityQps: 100,
    readyShadows: 1,
    nextAt: now + 5 * minuteMs,
    evaluation: {
      at: now,
      demandQps: 80,
      model: 'umbra',
      peak: { p50: 85, p90: 96.4, p99: 120 },
      risk: {
        score: 0.1,
        overload,
        failure: 0.5,
        parts: [{ code: 'overload', points: 10, text: 'demand p99 passes capacity at 12:03' }],
        calibrated: true,
      },
      plan: { wanted: [], reasons: [] },
      nextInMs: 5 * minuteMs,
    },
    ...change,
  };
}

const failedAt = (at: number) => ({
  at,
  kind: 'failed-detected',
  reason: { code: 'found-failed', text: 'shop failed at 3 of 3' },
});

describe('a shadow was needed', () => {
  test('once, however long demand stays above capacity, and a missing step ends nothing', () => {
    const needs = needsIn(minutes([90, 120, NaN, 130, 90, 101]), 100, []);
    expect(needs.map(({ at }) => at - now)).toEqual([minuteMs, 5 * minuteMs]);
    expect(needs[0]!.text).toBe('demand of 120 q/s passed the 100 q/s that serve');
  });

  test('when the serving instance was found failed, in the order it happened', () => {
    const needs = needsIn(minutes([90, 90, 120]), 100, [failedAt(now + minuteMs)]);
    expect(needs.map(({ by }) => by)).toEqual(['event', 'demand']);
  });
});

describe('an evaluation is judged by its lead time', () => {
  const judged = (qps: readonly number[], events: readonly ReturnType<typeof failedAt>[] = [], from = now) => {
    const demand = minutes(qps, from);
    return judgeEvaluation(evaluation(), demand, needsIn(demand, 100, events));
  };

  test('nothing happened: not needed, and the ready shadow idled', () => {
    const outcome = judged([90, 90, 90, 90, 90]);
    expect(outcome).toMatchObject({ needed: false, needAt: null, idleMs: 5 * minuteMs });
    // As computed from its parts, not as corrected: a correction must not learn from itself.
    expect(outcome.raw).toBeCloseTo(1 - 0.8 * 0.5);
    expect(outcome.known).toBe('risk 10: demand p99 passes capacity at 12:03 (10); p90 96.4 q/s by umbra');
  });

  test('demand passed capacity within it: needed, and nobody idled', () => {
    expect(judged([90, 90, 120, 90, 90])).toMatchObject({ needed: true, needAt: now + 2 * minuteMs, idleMs: 0 });
  });

  test('demand had passed capacity before and stays there: the same need', () => {
    const outcome = judged([90, 120, 120, 120, 120, 120], [], now - 2 * minuteMs);
    expect(outcome).toMatchObject({ needed: true, needAt: now - minuteMs });
  });

  test('a failure after it counts for a later one', () => {
    expect(judged([90, 90, 90, 90, 90, 90], [failedAt(now + 6 * minuteMs)]).needed).toBe(false);
    expect(judged([90, 90, 90, 90, 90, 90], [failedAt(now + 4 * minuteMs)]).needed).toBe(true);
  });

  test('demand was missing all along: it is not known, unless a failure was told', () => {
    expect(judged([NaN, NaN, NaN, NaN, NaN]).needed).toBeNull();
    expect(judged([NaN, NaN, NaN, NaN, NaN], [failedAt(now + minuteMs)]).needed).toBe(true);
  });

  test('an evaluation that never came keeps no shadow idle for ever', () => {
    const demand = minutes([90]);
    const late = evaluation({ nextAt: now + 600 * minuteMs });
    expect(judgeEvaluation(late, demand, []).idleMs).toBe(10 * minuteMs);
  });
});
