import { utcOffsetMs } from '../domain/local-time.ts';
import type { PlannedEvent } from '../domain/policy.ts';
import { dayMs } from '../domain/time.ts';

/** A day on which demand is known to differ; the factor is the operator's. */
export type Holiday = { readonly name: string; /** `2026-12-25`. */ readonly date: string; readonly factor: number };

/** Holidays as planned events from midnight to midnight in the hosted VM's zone (a day may have 23 or 25 hours). */
export function holidayEvents(holidays: readonly Holiday[], timeZone: string): PlannedEvent[] {
  return holidays.map(({ name, date, factor }) => {
    const midnight = Date.parse(`${date}T00:00:00Z`);
    if (Number.isNaN(midnight)) throw new RangeError(`holiday ${name}: "${date}" is not a date such as 2026-12-25`);
    const local = (utc: number): number => utc - utcOffsetMs(utc - utcOffsetMs(utc, timeZone), timeZone);
    return { name, from: local(midnight), to: local(midnight + dayMs), factor };
  });
}
