import { ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import { taskQueues } from '../domain/cluster-messages.ts';
import type { Parts } from './parts.ts';

const scheduleId = 'fleet-forecast';
/** A forecast's own step. */
const cadence = '5 minutes';
const longest = '15 minutes';

export type FleetForecasts = { stop(): Promise<void> };

/** Keeps the schedule of the batch while the fleet is large, and takes it away when it is not. Every worker does; twice changes nothing. */
export function keepFleetForecasts(
  parts: Pick<Parts, 'inventory' | 'log'>,
  client: Client,
  large: () => boolean,
): FleetForecasts {
  const running = { last: Promise.resolve() };
  const keep = (): void => {
    running.last = running.last
      .then(() => (parts.inventory.current() === undefined ? undefined : ensureSchedule(client, large())))
      .catch((error: unknown) =>
        parts.log.warn({ error: String(error) }, 'the schedule of the fleet forecast could not be kept'),
      );
  };
  const unsubscribe = parts.inventory.onChange(keep);
  // Temporal may have been away, or somebody may have deleted it.
  const timer = setInterval(keep, 10 * 60_000);
  keep();
  return {
    stop: async () => {
      clearInterval(timer);
      unsubscribe();
      await running.last;
    },
  };
}

async function ensureSchedule(client: Client, wanted: boolean): Promise<void> {
  if (!wanted) {
    await client.schedule
      .getHandle(scheduleId)
      .delete()
      .catch((error: unknown) => {
        if (!(error instanceof ScheduleNotFoundError)) throw error;
      });
    return;
  }
  await client.schedule
    .create({
      scheduleId,
      spec: { intervals: [{ every: cadence }], jitter: '10 seconds' },
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 minute' },
      action: {
        type: 'startWorkflow',
        workflowType: 'fleetForecast',
        workflowId: scheduleId,
        taskQueue: taskQueues.workflows,
        args: [],
        workflowExecutionTimeout: longest,
      },
      state: { triggerImmediately: true },
    })
    .catch((error: unknown) => {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    });
}
