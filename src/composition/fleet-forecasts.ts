import { ScheduleOverlapPolicy } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import type { Loop } from '../background/loop.ts';
import { taskQueues } from '../domain/cluster-messages.ts';
import type { Parts } from './parts.ts';
import { ensureNoSchedule, ensureSchedule, keepSchedules } from './schedules.ts';

const scheduleId = 'fleet-forecast';
/** A forecast's own step. */
const cadence = '5 minutes';
const longest = '15 minutes';

/** Keeps the schedule of the batch while the fleet is large, and takes it away when it is not. */
export function keepFleetForecasts(
  parts: Pick<Parts, 'inventory' | 'log'>,
  client: Client,
  large: () => boolean,
): Pick<Loop, 'stop'> {
  return keepSchedules(parts, 'the schedule of the fleet forecast', async () => {
    if (!large()) return ensureNoSchedule(client, scheduleId);
    return ensureSchedule(client, {
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
    });
  });
}
