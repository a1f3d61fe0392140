import { getExternalWorkflowHandle, proxyActivities, sleep } from '@temporalio/workflow';
import type { SweepActivities } from '../activities/sweep.ts';
import { clusterSignals } from '../domain/cluster/signals.ts';
import type { SweepReport } from '../domain/cluster/sweep.ts';
import { sweepSentence } from '../domain/cluster/sweep.ts';
import { clusterWorkflowId, taskQueues } from '../domain/cluster-messages.ts';
import { secondMs } from '../domain/time.ts';
import { reasonOf } from './trouble.ts';

export type SweepInput = { readonly cluster: string };

const act = proxyActivities<SweepActivities>({
  taskQueue: taskQueues.provisioning,
  priority: { priorityKey: 5 },
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '2 seconds', maximumAttempts: 3 },
});

/** Whoever is just being told of an instance has heard of it by then. */
const secondLookMs = 30 * secondMs;

/**
 * One sweep of one cluster, run by a schedule every few minutes: what carries our marker is adopted, what does not is
 * reported, and nothing is retired that two looks apart do not both show to be ours and nobody's.
 * @returns one line of what was done
 */
export async function sweep({ cluster }: SweepInput): Promise<string> {
  const startedAt = Date.now();
  const first = await act.compareCluster({ cluster });
  await correctLeases(first);
  const orphans = first.orphans.length === 0 ? [] : await stillOrphans(first);
  for (const orphan of orphans) {
    await act.ensureOrphanSettled({ cluster, orphan, now: Date.now() });
  }
  await act.reportSweep({ ...first, orphans });
  return sweepSentence({ ...first, orphans }, Date.now() - startedAt);
}

async function stillOrphans(first: SweepReport): Promise<SweepReport['orphans']> {
  await sleep(secondLookMs, { summary: 'looks again before anything is retired' });
  const second = await act.compareCluster({ cluster: first.cluster });
  return second.orphans.filter((one) => first.orphans.some((before) => before.vmid === one.vmid));
}

async function correctLeases({ cluster, adopt, release }: SweepReport): Promise<void> {
  const bookkeeping = getExternalWorkflowHandle(clusterWorkflowId(cluster));
  try {
    for (const lease of adopt) await bookkeeping.signal(clusterSignals.adoptLease, lease);
    for (const news of release) await bookkeeping.signal(clusterSignals.releaseLease, news);
  } catch (error) {
    // The bookkeeping of a cluster that was just removed: the next sweep will not be.
    reasonOf(error, `telling the bookkeeping of ${cluster}`);
  }
}
