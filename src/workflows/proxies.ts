import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { taskQueues } from '../domain/cluster-messages.ts';

/*
 * One line each says in the Temporal UI what an activity is for: hence a proxy per call, made with its summary.
 * Time-outs are short where somebody waits for an answer: a killed worker is noticed when they end.
 */

/** Moves of traffic: priority before everything else, on a queue of their own. */
export function urgently(summary: string): Pick<Activities['failover'], 'lookAgain' | 'ensureAnswers'> {
  return proxyActivities<Activities['failover']>({
    taskQueue: taskQueues.failover,
    summary,
    priority: { priorityKey: 1 },
    startToCloseTimeout: '5 seconds',
    scheduleToCloseTimeout: '20 seconds',
    retry: {
      initialInterval: '100 milliseconds',
      backoffCoefficient: 2,
      maximumInterval: '1 second',
      maximumAttempts: 4,
    },
  });
}

/** Proof of a fence: may take as long as a node needs to be declared dead. One that is called off has ended. */
export function surely(summary: string): Pick<Activities['failover'], 'ensureFenced'> {
  return proxyActivities<Activities['failover']>({
    taskQueue: taskQueues.failover,
    summary,
    priority: { priorityKey: 1 },
    startToCloseTimeout: '3 minutes',
    scheduleToCloseTimeout: '10 minutes',
    heartbeatTimeout: '10 seconds',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '15 seconds' },
  });
}

/** A shadow that is needed now: one that does not wake in time gives way to the next. A resume takes a moment, a boot two minutes. */
export function waking(summary: string, boots: boolean): Pick<Activities['failover'], 'ensureAwake'> {
  return proxyActivities<Activities['failover']>({
    taskQueue: taskQueues.failover,
    summary,
    priority: { priorityKey: 1 },
    startToCloseTimeout: boots ? '150 seconds' : '30 seconds',
    scheduleToCloseTimeout: boots ? '160 seconds' : '30 seconds',
    heartbeatTimeout: '10 seconds',
    retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '5 seconds' },
  });
}

/** Looks and small writes outside the hot path; the workflow goes on when they do not succeed in a minute. */
export function briefly(summary: string): Omit<Activities['provisioning'], 'ensureShadow' | 'awaitHealthy'> {
  return proxyActivities<Activities['provisioning']>({
    taskQueue: taskQueues.provisioning,
    summary,
    priority: { priorityKey: 3 },
    startToCloseTimeout: '30 seconds',
    scheduleToCloseTimeout: '1 minute',
    retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '10 seconds', maximumAttempts: 4 },
  });
}

/** Clones, boots, shutdowns and deletions: minutes, with heartbeats. @param hopeless - failure classes that no further try mends */
export function patiently(summary: string, ...hopeless: readonly string[]): Activities['provisioning'] {
  return proxyActivities<Activities['provisioning']>({
    taskQueue: taskQueues.provisioning,
    summary,
    priority: { priorityKey: 3 },
    startToCloseTimeout: '20 minutes',
    scheduleToCloseTimeout: '1 hour',
    heartbeatTimeout: '15 seconds',
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: {
      initialInterval: '2 seconds',
      backoffCoefficient: 2,
      maximumInterval: '1 minute',
      maximumAttempts: 10,
      nonRetryableErrorTypes: [...hopeless],
    },
  });
}

/** Forecasts are the first to wait when there is much to do. */
export function evaluating(summary: string): Pick<Activities['forecasting'], 'evaluate'> {
  return proxyActivities<Activities['forecasting']>({
    taskQueue: taskQueues.forecasting,
    summary,
    priority: { priorityKey: 5 },
    startToCloseTimeout: '1 minute',
    scheduleToCloseTimeout: '3 minutes',
    retry: { initialInterval: '2 seconds', maximumAttempts: 3 },
  });
}

/** The projection: tried for five minutes, then again with what is newer by then. */
export function recording(summary: string): Activities['workflows'] {
  return proxyActivities<Activities['workflows']>({
    taskQueue: taskQueues.workflows,
    summary,
    priority: { priorityKey: 4 },
    startToCloseTimeout: '10 seconds',
    scheduleToCloseTimeout: '5 minutes',
    retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '10 seconds' },
  });
}
