import { describe, expect, test } from '@jest/globals';
import type { DemandSeries } from '../../../src/domain/demand.ts';
import type { Instance } from '../../../src/domain/instance.ts';
import type { HostedVmView } from '../../../src/domain/view.ts';
import { learnCapacities, sampleCpu } from '../../../src/foresight/capacity-learner.ts';
import type { Learned } from '../../../src/ports/belief-store.ts';
import type { CpuSample } from '../../../src/ports/cpu-samples.ts';
import type { DemandMeasure } from '../../../src/ports/demand-store.ts';
import { dailyDemand, now, seeded, stepMs } from '../planning/fixtures.ts';

const primary = { id: 'shop/0', role: 'primary' } as Instance;
const shadow = { id: 'shop/1', role: 'shadow' } as Instance;
const viewOf = (serving: readonly string[]) =>
  ({ id: 'shop', serving, instances: [primary, shadow] }) as unknown as HostedVmView;

/** @param floods share of each step that comes from sources nobody knows, on top of `demand`; 0 where it is real */
function world(
  serving: readonly string[],
  means: { at: number; cpu: number }[] = [],
  demand = dailyDemand(3),
  floods: (step: number) => number = () => 0,
) {
  const samples: CpuSample[] = [];
  const learned = new Map<string, Learned>();
  const deps = {
    registry: { views: () => Promise.resolve([viewOf(serving)]) },
    demand: {
      readMeasures: <M extends DemandMeasure>({
        from,
        to,
        measures,
      }: {
        readonly from: number;
        readonly to: number;
        readonly measures: readonly M[];
      }) => {
        const first = (from - demand.start) / stepMs;
        const real = demand.qps.slice(first, (to - demand.start) / stepMs);
        const counted = real.map((qps, i) => qps + floods(first + i));
        const of = (measure: M): readonly number[] =>
          measure === 'established'
            ? real
            : measure === 'deduplicated' || measure === 'answers'
              ? counted
              : real.map(() => 0);
        const all = measures.map((measure) => [measure, { start: from, stepMs, qps: of(measure) }]);
        return Promise.resolve(Object.fromEntries(all) as Record<M, DemandSeries>);
      },
    },
    samples: {
      add: (more: readonly CpuSample[]) => Promise.resolve(void samples.push(...more)),
      means: () => Promise.resolve(means),
      tidy: () => Promise.resolve(),
    },
    beliefs: { setLearned: (id: string, _at: number, what: Learned) => Promise.resolve(void learned.set(id, what)) },
    cpuOf: () => Promise.resolve(0.4),
  };
  return { deps, samples, learned };
}

describe('what a machine can carry', () => {
  test('is learned from the CPU of a primary that serves alone, for only then is all demand its own', async () => {
    const alone = world(['shop/0']);
    expect(await sampleCpu(alone.deps, now)).toBe(1);
    expect(alone.samples).toEqual([{ hostedVmId: 'shop', at: now, cpu: 0.4 }]);
    for (const serving of [['shop/0', 'shop/1'], ['shop/1'], []]) {
      const shared = world(serving);
      expect(await sampleCpu(shared.deps, now)).toBe(0);
      expect(shared.samples).toEqual([]);
    }
  });

  test.each([
    // CPU of 5 % at rest and one per cent more for each 2 q/s: 85 % at 160 q/s.
    [
      'and says at which demand it is full, with the correlation',
      (qps: number) => 0.05 + qps / 200,
      'learned',
      /^1[56]\d q\/s at 85 % CPU, .*r = (1|0\.9)/,
    ],
    [
      'and does not believe demand that does not explain the load',
      () => 0.5,
      'unexplained',
      /does not explain .*judged on CPU/,
    ],
  ] as const)('%s', async (_name, cpuAt, kind, text) => {
    const demand = dailyDemand(3);
    const random = seeded(5);
    const means = demand.qps.map((qps, index) => ({
      at: demand.start + index * stepMs,
      cpu: cpuAt(qps) + 0.02 * (random() - 0.5),
    }));
    const { deps, learned } = world(['shop/0'], means, demand);
    await learnCapacities(deps, ['shop'], now);
    expect(learned.get('shop')).toMatchObject({ kind, points: 3 * 288, text: expect.stringMatching(text) as unknown });
  });

  test('is not learned from floods: questions that nobody knows load no machine, which would seem to carry anything', async () => {
    const demand = dailyDemand(3);
    const means = demand.qps.map((qps, index) => ({ at: demand.start + index * stepMs, cpu: 0.05 + qps / 200 }));
    // Two hours of every day 2,000 q/s more, at the same CPU.
    const flood = (step: number): number => (step % 288 >= 60 && step % 288 < 84 ? 2_000 : 0);
    const { deps, learned } = world(['shop/0'], means, demand, flood);
    await learnCapacities(deps, ['shop'], now);
    const found = learned.get('shop');
    if (found?.kind !== 'learned') throw new Error(`${found?.kind ?? 'nothing'} instead of learned`);
    expect(found.capacityQps).toBeCloseTo(160, 0);
    expect(found.points).toBe(3 * (288 - 24));
  });
});
