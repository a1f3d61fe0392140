import type { Instance } from '../domain/instance.ts';
import { dayMs, minuteMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';
import { learnCapacity } from '../planning/capacity.ts';
import type { BeliefStore } from '../ports/belief-store.ts';
import type { CpuSampleStore } from '../ports/cpu-samples.ts';
import type { DemandStore } from '../ports/demand-store.ts';
import type { Registry } from '../ports/registry.ts';
import { guardInTurns } from './guarding.ts';
import { readEvidence, stepMs } from './history.ts';

/** Two weeks: older load may be that of an older version of the service. */
const learnFromMs = 14 * dayMs;

/** Below this share of what was counted, what was counted is not known to be real. */
const believedShare = 0.95;

export type CapacityDeps = {
  readonly registry: Pick<Registry, 'views'>;
  readonly demand: Pick<DemandStore, 'readMeasures'>;
  readonly samples: CpuSampleStore;
  readonly beliefs: Pick<BeliefStore, 'setLearned'>;
  /** 0..1 of the guest's vCPUs now; undefined where it is not known. */
  readonly cpuOf: (instance: Instance) => Promise<number | undefined>;
};

/** Notes the CPU of every primary that serves alone: only then is all demand its own. */
export async function sampleCpu(deps: CapacityDeps, now: EpochMs): Promise<number> {
  const views = await deps.registry.views();
  const alone = views.flatMap(({ id, serving, instances }) => {
    const primary = instances.find(({ role }) => role === 'primary');
    return primary !== undefined && serving.length === 1 && serving[0] === primary.id ? [{ id, primary }] : [];
  });
  const samples = await Promise.all(
    alone.map(async ({ id, primary }) => {
      const cpu = await deps.cpuOf(primary);
      return cpu === undefined ? [] : [{ hostedVmId: id, at: now, cpu }];
    }),
  );
  await deps.samples.add(samples.flat());
  return samples.flat().length;
}

/** Learns what each machine can carry from its CPU against its demand, in steps of five minutes. */
export async function learnCapacities(deps: CapacityDeps, ids: readonly string[], now: EpochMs): Promise<void> {
  await deps.samples.tidy(now - learnFromMs);
  for (const hostedVmId of ids) {
    const means = await deps.samples.means(hostedVmId, now - learnFromMs, stepMs);
    const [first, last] = [means[0], means.at(-1)];
    if (first === undefined || last === undefined) continue;
    const evidence = await readEvidence(deps, { hostedVmId, from: first.at, to: last.at + stepMs, stepMs });
    const { start, qps: counted } = evidence.deduplicated;
    const believed = (await guardInTurns(evidence)).series.qps;
    // A flood of questions is no load on the machine, which would seem to carry anything: such moments teach nothing.
    const qps = counted.map((each, i) => ((believed[i] ?? NaN) < each * believedShare ? NaN : each));
    const points = means.map(({ at, cpu }) => ({ cpu, qps: qps[(at - start) / stepMs] ?? NaN }));
    await deps.beliefs.setLearned(hostedVmId, now, learnCapacity(points));
  }
}

/** Once an hour is often enough: a line through two weeks moves slowly. */
export const learnEveryMs = 60 * minuteMs;
