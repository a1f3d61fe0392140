import { continueAsNew, isCancellation, proxyActivities, setCurrentDetails, sleep } from '@temporalio/workflow';
import type { MonitorActivities } from '../activities/monitoring.ts';
import { taskQueues } from '../domain/cluster-messages.ts';
import { secondMs } from '../domain/time.ts';

export type HealthShardInput = { readonly vantage: string; readonly shard: number; readonly of: number };

/** A shard that cannot be run at all is tried again after this. */
const againMs = 5 * secondMs;

/**
 * One vantage point's watch over its part of the fleet, for ever: a single long activity that probes and signals
 * changes only. When its process dies, the heartbeat time-out moves it to another one.
 */
export async function healthShard(input: HealthShardInput): Promise<void> {
  const { vantage, shard, of } = input;
  setCurrentDetails(`Vantage point **${vantage}** watches part ${shard + 1} of ${of}.`);
  const { monitorShard } = proxyActivities<MonitorActivities>({
    taskQueue: taskQueues.monitor(vantage),
    summary: `${vantage} watches part ${shard + 1} of ${of}`,
    startToCloseTimeout: '6 hours',
    heartbeatTimeout: '10 seconds',
    retry: { initialInterval: '500 milliseconds', backoffCoefficient: 1.5, maximumInterval: '5 seconds' },
  });
  try {
    await monitorShard(input);
  } catch (error) {
    if (isCancellation(error)) throw error;
    await sleep(againMs, { summary: 'the watch ended badly: begins again' });
  }
  await continueAsNew<typeof healthShard>(input);
}
