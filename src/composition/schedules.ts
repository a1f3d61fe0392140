import { ScheduleAlreadyRunning, ScheduleNotFoundError } from '@temporalio/client';
import type { Client, ScheduleOptions } from '@temporalio/client';
import { startLoop } from '../background/loop.ts';
import type { Loop } from '../background/loop.ts';
import type { Inventory } from '../domain/inventory.ts';
import { minuteMs } from '../domain/time.ts';
import type { Parts } from './parts.ts';

/** Temporal may have been away, or somebody may have deleted a schedule. */
const lookAgainMs = 10 * minuteMs;

/**
 * Brings Temporal's schedules to what the inventory asks for: now, at each of its changes, and from time to time. Every
 * worker does; twice changes nothing.
 * @param what named in the log when they could not be kept
 */
export function keepSchedules(
  { inventory, log }: Pick<Parts, 'inventory' | 'log'>,
  what: string,
  ensure: (inventory: Inventory) => Promise<void>,
): Pick<Loop, 'stop'> {
  const loop = startLoop({
    everyMs: lookAgainMs,
    round: async () => {
      const current = inventory.current();
      if (current !== undefined) await ensure(current.inventory);
    },
    failed: (error) => log.warn({ error: String(error) }, `${what} could not be kept`),
  });
  const unsubscribe = inventory.onChange(() => loop.wake());
  return {
    stop: async () => {
      unsubscribe();
      await loop.stop();
    },
  };
}

/** There already is success. */
export async function ensureSchedule(client: Client, options: ScheduleOptions): Promise<void> {
  await client.schedule.create(options).catch((error: unknown) => {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
  });
}

/** Gone already is success. */
export async function ensureNoSchedule(client: Client, scheduleId: string): Promise<void> {
  await client.schedule
    .getHandle(scheduleId)
    .delete()
    .catch((error: unknown) => {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
    });
}
