import { describe, expect, test } from '@jest/globals';
import type { DemandSeries } from '../../../src/domain/demand.ts';
import type { UmbraEvent } from '../../../src/domain/event.ts';
import type { Instance } from '../../../src/domain/instance.ts';
import { dayMs, minuteMs } from '../../../src/domain/time.ts';
import { createEvaluator } from '../../../src/foresight/evaluator.ts';
import { predict } from '../../../src/planning/forecast/speak.ts';
import { seasonalNaive } from '../../../src/planning/forecast/seasonal-naive.ts';
import type { Belief } from '../../../src/ports/belief-store.ts';
import type { ChosenModel, StoredForecast } from '../../../src/ports/forecast-store.ts';
import type { HealthFactors } from '../../../src/planning/risk/health-factors.ts';
import { dailyDemand, now, spec } from '../planning/fixtures.ts';

const demand = dailyDemand(9, { level: 45 });
const state = seasonalNaive('day').fit(demand);
if ('kind' in state) throw new Error(state.why);
const chosen: ChosenModel = {
  hostedVmId: 'shop',
  state,
  chosenAt: now,
  reason: { code: 'model-chosen', text: 'seasonal-naive-day: loss 0.90 of naive on this demand' },
};

/** Evaluates `shop` once, with what has been learned of it. */
async function evaluated(belief: Belief, health: HealthFactors = {}, events: UmbraEvent[] = [], everyMs?: number) {
  const saved: (StoredForecast | null)[] = [];
  const none = () => Promise.resolve([]);
  const evaluator = createEvaluator({
    demand: {
      readMeasures: ({ measures, from, to, stepMs }) => {
        // Everybody is known: the spawn guard believes all of it.
        const at = (index: number): number =>
          demand.qps[Math.floor((from + index * stepMs - demand.start) / demand.stepMs)] ?? NaN;
        const qps = Array.from({ length: Math.round((to - from) / stepMs) }, (_, index) => at(index));
        const of = (measure: string): DemandSeries => ({
          start: from,
          stepMs,
          qps: measure === 'nxdomain' || measure === 'topSource' ? qps.map(() => 0) : qps,
        });
        return Promise.resolve(
          Object.fromEntries(measures.map((each) => [each, of(each)])) as Record<
            (typeof measures)[number],
            DemandSeries
          >,
        );
      },
    },
    registry: {
      events: ({ kinds }) => Promise.resolve(events.filter(({ kind }) => kinds?.includes(kind))),
      views: none,
    },
    forecasts: {
      stateText: () => Promise.resolve({ chosenAt: now, text: JSON.stringify(state) }),
      choice: () =>
        Promise.resolve({ hostedVmId: 'shop', model: chosen.state.model, chosenAt: now, reason: chosen.reason }),
      save: (_id, _evaluation, forecast) => Promise.resolve(void saved.push(forecast)),
      newest: () => Promise.resolve(undefined),
    },
    predictor: { predict: (job) => Promise.resolve(predict(job)) },
    isLarge: () => false,
    beliefs: {
      belief: () => Promise.resolve(belief),
      calibration: () => Promise.resolve(undefined),
      healthWeights: () => Promise.resolve(undefined),
    },
    healthOf: () => Promise.resolve(health),
    everyMs,
  });
  const instances = [{ id: 'shop/0', role: 'primary', cluster: 'lab' } as Instance];
  const evaluation = await evaluator.evaluate({ spec, instances, serving: ['shop/0'], failoversAt: [], now });
  return { evaluation, saved };
}

const since = { since: now, coverage90: 0.7, coverage99: 0.9, steps: 288 };

describe('an evaluation of a running hosted VM', () => {
  test('comes again as the configuration says, whatever the risk', async () => {
    const { evaluation } = await evaluated({}, {}, [], 30_000);
    expect(evaluation.nextInMs).toBe(30_000);
    expect((await evaluated({})).evaluation.nextInMs).not.toBe(30_000);
  });

  test('uses the model that was chosen, and says why in words', async () => {
    const { evaluation, saved } = await evaluated({});
    expect(evaluation).toMatchObject({ model: 'seasonal-naive-day', modelReason: chosen.reason.text });
    expect(saved[0]).toMatchObject({ hostedVmId: 'shop', at: now, stepMs: 5 * minuteMs });
    expect(saved[0]!.values.map((path) => path.length)).toEqual([576, 576, 576, 576, 576]);
  });

  test('says the doubt when p90 has not held what it promises', async () => {
    const reason = { code: 'coverage-drift', text: 'p90 covered 70 % of the last 288 steps; 80-97 % is believed' };
    const { evaluation } = await evaluated({ drift: { kind: 'alarm', ...since, reason } });
    expect(evaluation.modelReason).toBe(`${chosen.reason.text}; ${reason.text}`);
    expect(evaluation.model).toBe('seasonal-naive-day');
  });

  test('plans without a forecast that was switched off, and goes on comparing it with what comes', async () => {
    const reason = {
      code: 'forecast-off',
      text: 'demand was above p99 for 12 steps in a row; forecasts are off and demand now decides',
    };
    const { evaluation, saved } = await evaluated({ drift: { kind: 'off', ...since, reason } });
    expect(evaluation).toMatchObject({ model: 'none', peak: null, modelReason: reason.text });
    expect(evaluation.demandQps).toBeGreaterThan(0);
    expect(saved[0]).toMatchObject({ model: 'seasonal-naive-day' });
  });

  test('tells learned beside declared capacity, and judges overload on CPU where demand does not explain it', async () => {
    const learned = {
      kind: 'learned',
      capacityQps: 140,
      correlation: 0.93,
      points: 900,
      text: '140 q/s at 85 % CPU (r = 0.93)',
    } as const;
    expect((await evaluated({ learned })).evaluation.capacityReason).toBe(`declared 100 q/s; ${learned.text}`);
    const unexplained = {
      kind: 'unexplained',
      correlation: 0.1,
      points: 900,
      text: 'DNS demand does not explain this VM',
    } as const;
    const { evaluation } = await evaluated({ learned: unexplained }, { cpu: 0.97 });
    expect(evaluation.risk.parts[0]).toMatchObject({ code: 'cpu', text: 'CPU at 97 %' });
    expect(evaluation.risk.score).toBeGreaterThan(0.9);
  });

  test('tells how often the node of the primary failed this month, by events and imports of any hosted VM', async () => {
    const failed = (kind: string, daysAgo: number, facts: Record<string, string>): UmbraEvent => ({
      ...{ id: `${kind}${daysAgo}`, at: now - daysAgo * dayMs, hostedVmId: 'blog', kind, actor: 'workflow', facts },
      reason: { code: 'found-failed', text: '' },
    });
    const events = [
      failed('failed-detected', 3, { node: 'pve2', cluster: 'lab' }),
      failed('failed-detected', 4, {}),
      failed('failure-imported', 9, { node: 'pve2' }),
    ];
    const texts = async (node: string) =>
      (await evaluated({}, { node }, events)).evaluation.risk.parts.map(({ text }) => text);
    expect(await texts('pve2')).toContain('node pve2 failed twice this month');
    expect((await texts('pve1')).join()).not.toContain('pve1');
  });
});
