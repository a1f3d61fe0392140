import type { NativeConnection, WorkflowBundleOption } from '@temporalio/worker';
import { Worker } from '@temporalio/worker';
import type { ActivityDeps } from '../activities/deps.ts';
import { createActivities } from '../activities/index.ts';
import { taskQueues } from '../domain/cluster-messages.ts';
import { bundleWorkflows } from './bundle.ts';
import { runTogether } from './running.ts';
import type { Running } from './running.ts';
import { ensureSearchAttributes } from './search-attributes.ts';
import { translateFailures } from './translate-failures.ts';

export type WorkerQueue = 'workflows' | 'failover' | 'provisioning' | 'forecasting';

export type WorkerOptions = {
  readonly connection: NativeConnection;
  readonly namespace: string;
  /** All of them unless told. */
  readonly queues?: readonly WorkerQueue[];
  /** Bundled once per process unless given. */
  readonly workflowBundle?: WorkflowBundleOption;
  readonly identity?: string;
  /** Activities of other subjects (cluster, sweep): run on the provisioning queue. */
  readonly more?: Readonly<Record<string, (...args: never[]) => Promise<unknown>>>;
  /** Workflows kept in memory on each of the two queues: 220-280 KiB each. 600 unless told. */
  readonly maxCachedWorkflows?: number;
};

/** A workflow whose worker died is moved to another this soon. The SDK's 10 s would be most of a failover. */
const stickyQueueScheduleToStartTimeout = '3 seconds';
/** Long enough for a DNS update or a probe to end by itself. */
const shutdownGraceTime = '2 seconds';
const shutdownForceTime = '4 seconds';

/** Each has a thread of its own for its workflows: while many hosted VMs move, the guests' workflows are not in front of them. */
const queuesOfWorkflows: ReadonlySet<WorkerQueue> = new Set(['workflows', 'failover']);

/** Activities at once, by queue. Clones are limited by the cluster's own queue, forecasts by the processor. */
const slots: Readonly<Record<WorkerQueue, number>> = {
  workflows: 20,
  failover: 100,
  provisioning: 100,
  forecasting: 4,
};

/** Runs the workflows and their activities in this process, until `stop`. */
export async function startWorker(deps: ActivityDeps, options: WorkerOptions): Promise<Running> {
  const { connection, namespace, queues = ['workflows', 'failover', 'provisioning', 'forecasting'] } = options;
  await ensureSearchAttributes(connection, namespace);
  const activities = createActivities(deps);
  const workflowBundle = queues.some((queue) => queuesOfWorkflows.has(queue))
    ? (options.workflowBundle ?? (await bundleWorkflows()))
    : undefined;
  const workers: Worker[] = [];
  for (const queue of queues) {
    workers.push(
      await Worker.create({
        connection,
        namespace,
        taskQueue: taskQueues[queue],
        activities: { ...activities[queue], ...(queue === 'provisioning' ? options.more : {}) },
        interceptors: { activity: [translateFailures] },
        maxConcurrentActivityTaskExecutions: slots[queue],
        shutdownGraceTime,
        shutdownForceTime,
        ...(options.identity === undefined ? {} : { identity: `${options.identity}/${queue}` }),
        ...(queuesOfWorkflows.has(queue) && workflowBundle !== undefined
          ? {
              workflowBundle,
              maxCachedWorkflows: options.maxCachedWorkflows ?? 600,
              stickyQueueScheduleToStartTimeout,
            }
          : {}),
      }),
    );
  }
  return runTogether(workers);
}
