import { describe, expect, test } from '@jest/globals';
import type { Instance } from '../../../src/domain/instance.ts';
import type { HostedVmView } from '../../../src/domain/view.ts';
import { learnCapacities, sampleCpu } from '../../../src/foresight/capacity-learner.ts';
import type { Learned } from '../../../src/ports/belief-store.ts';
import type { CpuSample } from '../../../src/ports/cpu-samples.ts';
import { dailyDemand, now, seeded, stepMs } from '../planning/fixtures.ts';

const primary = { id: 'shop/0', role: 'primary' } as Instance;
const shadow = { id: 'shop/1', role: 'shadow' } as Instance;
const viewOf = (serving: readonly string[]) =>
  ({ id: 'shop', serving, instances: [primary, shadow] }) as unknown as HostedVmView;

function world(serving: readonly string[], means: { at: number; cpu: number }[] = [], demand = dailyDemand(3)) {
  const samples: CpuSample[] = [];
  const learned = new Map<string, Learned>();
  const deps = {
    registry: { views: () => Promise.resolve([viewOf(serving)]) },
    demand: {
      read: ({ from, to }: { from: number; to: number }) =>
        Promise.resolve({
          start: from,
          stepMs,
          qps: demand.qps.slice((from - demand.start) / stepMs, (to - demand.start) / stepMs),
        }),
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
});
