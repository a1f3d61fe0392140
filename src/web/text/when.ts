import { dayMs, formatDuration, hourMs, minuteMs, secondMs } from '../../domain/time.ts';
import type { EpochMs } from '../../domain/time.ts';

/** `8 s ago`, `in 3 h`, `now`; one unit, as much as an eye takes in. Beyond a day see `formatMoment`. */
export function formatRelative(at: EpochMs, now: EpochMs): string {
  const distance = Math.abs(at - now);
  if (distance < secondMs) return 'now';
  const words = oneUnit(distance);
  return at > now ? `in ${words}` : `${words} ago`;
}

/** What is left until a deadline: `17 h 20 m`, `over` when it has passed. */
export function formatLeft(until: EpochMs, now: EpochMs): string {
  return until <= now
    ? 'over'
    : formatDuration(until - now)
        .replace(/(\d)([a-z])/g, '$1 $2')
        .replace(/([a-z])(\d)/g, '$1 $2');
}

/** As `formatLeft` in one unit, rounded: `17 h`. */
export function formatLeftShort(until: EpochMs, now: EpochMs): string {
  const left = until - now;
  if (left <= 0) return 'nothing';
  if (left >= 2 * dayMs) return `${Math.round(left / dayMs)} d`;
  if (left >= 100 * minuteMs) return `${Math.round(left / hourMs)} h`;
  return left >= minuteMs ? `${Math.round(left / minuteMs)} min` : `${Math.ceil(left / secondMs)} s`;
}

/** Relative under a day, the local moment beyond it. */
export function formatWhen(at: EpochMs, now: EpochMs): string {
  return Math.abs(at - now) < dayMs ? formatRelative(at, now) : formatMoment(at);
}

/** Local date and time to the minute: `22 Nov, 14:05`. */
export function formatMoment(at: EpochMs): string {
  return new Intl.DateTimeFormat(undefined, {
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(at);
}

/** Local time to the second, for timelines: `14:05:09`. */
export function formatClock(at: EpochMs): string {
  return new Intl.DateTimeFormat(undefined, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(at);
}

/** For the hover: `2026-11-22 14:05:09 UTC`. */
export function formatUtc(at: EpochMs): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

function oneUnit(ms: number): string {
  if (ms < minuteMs) return `${Math.floor(ms / secondMs)} s`;
  if (ms < hourMs) return `${Math.floor(ms / minuteMs)} min`;
  if (ms < dayMs) return `${Math.floor(ms / hourMs)} h`;
  return `${Math.floor(ms / dayMs)} d`;
}
