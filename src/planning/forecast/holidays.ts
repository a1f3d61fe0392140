import type { PlannedEvent } from '../../domain/policy.ts';
import { dayMs } from '../../domain/time.ts';
import type { DemandSeries } from '../../domain/demand.ts';
import { eventFactor } from './events.ts';

/** A day on which demand is known to differ; the factor is the operator's. */
export type Holiday = { readonly name: string; /** `2026-12-25`. */ readonly date: string; readonly factor: number };

/** UTC offset of a zone at an instant, in ms. @throws RangeError for an unknown zone */
export function utcOffsetMs(at: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }).formatToParts(new Date(at));
  const part = (type: string): number => Number(parts.find((one) => one.type === type)?.value ?? 0);
  const local = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  return local - Math.floor(at / 1000) * 1000;
}

/** Holidays as planned events from midnight to midnight in the hosted VM's zone (a day may have 23 or 25 hours). */
export function holidayEvents(holidays: readonly Holiday[], timeZone: string): PlannedEvent[] {
  return holidays.map(({ name, date, factor }) => {
    const midnight = Date.parse(`${date}T00:00:00Z`);
    if (Number.isNaN(midnight)) throw new RangeError(`holiday ${name}: "${date}" is not a date such as 2026-12-25`);
    const local = (utc: number): number => utc - utcOffsetMs(utc - utcOffsetMs(utc, timeZone), timeZone);
    return { name, from: local(midnight), to: local(midnight + dayMs), factor };
  });
}

/** Takes known events out of the past, so that last month's sale does not teach the next ordinary day. */
export function withoutEvents(series: DemandSeries, events: readonly PlannedEvent[]): DemandSeries {
  if (events.length === 0) return series;
  const qps = series.qps.map((value, index) => {
    const factor = eventFactor(events, series.start + index * series.stepMs);
    return factor > 0 ? value / factor : NaN;
  });
  return { ...series, qps };
}
