import type { Client } from '@temporalio/client';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { NativeConnection } from '@temporalio/worker';
import { Worker } from '@temporalio/worker';
import type { WatchShard } from '../activities/monitoring.ts';
import { createMonitorActivities } from '../activities/monitoring.ts';
import { healthShardWorkflowId, taskQueues } from '../domain/cluster-messages.ts';
import { workflowTypes } from '../domain/hosted-vm/messages.ts';
import { runTogether } from './running.ts';
import type { Running } from './running.ts';
import { translateFailures } from './translate-failures.ts';

export type MonitorOptions = {
  readonly connection: NativeConnection;
  readonly client: Client;
  readonly namespace: string;
  /** `north`, `south`...: the place this process looks from. */
  readonly vantage: string;
  /** Parts of the fleet; 500 to 1,000 instances each. 1 unless told. */
  readonly shards?: number;
  readonly watch: WatchShard;
};

/** Watches the fleet from one vantage point, until `stop`. Starts the shards' workflows when they do not run yet. */
export async function startMonitor(options: MonitorOptions): Promise<Running> {
  const { connection, client, namespace, vantage, shards = 1, watch } = options;
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: taskQueues.monitor(vantage),
    activities: createMonitorActivities(watch),
    interceptors: { activity: [translateFailures] },
    // Each holds its slot for hours; one to spare for an attempt that overlaps its predecessor.
    maxConcurrentActivityTaskExecutions: shards + 1,
    // A beat that is throttled for longer would look like a dead monitor.
    maxHeartbeatThrottleInterval: '2 seconds',
    shutdownGraceTime: '500 milliseconds',
    shutdownForceTime: '2 seconds',
  });
  const running = runTogether([worker]);
  for (let shard = 0; shard < shards; shard += 1) {
    try {
      await client.workflow.start(workflowTypes.healthShard, {
        workflowId: healthShardWorkflowId(vantage, shard),
        taskQueue: taskQueues.workflows,
        args: [{ vantage, shard, of: shards }],
        staticSummary: `${vantage} watches part ${shard + 1} of ${shards}`,
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  }
  return running;
}
