import { dayMs, hourMs, minuteMs } from '../domain/time.ts';
import { fractionOf } from '../domain/text-hash.ts';
import type { EpochMs } from '../domain/time.ts';

/** Two fits of one hosted VM are at least this far apart once its history is long. */
const leastGapMs = 6 * hourMs;
/** A young history teaches something new every half hour at most. */
const youngestGapMs = 30 * minuteMs;
/** From here on another day changes little: the daily turn is enough. */
const settledAfterMs = 9 * dayMs;

/** A place in the day of its own for each hosted VM, so that a fleet's fits are spread over the day. */
export function turnOfDayMs(hostedVmId: string): number {
  return Math.floor(fractionOf(hostedVmId) * dayMs);
}

/**
 * When a hosted VM is fitted again: daily at its own time; sooner while its history is young, because a daily
 * pattern becomes visible after two days and a weekly one after eight.
 * @param knownMs how much of its history is known
 */
export function nextFitAt(hostedVmId: string, now: EpochMs, knownMs: number): EpochMs {
  const today = Math.floor(now / dayMs) * dayMs + turnOfDayMs(hostedVmId);
  const turn =
    today >= now + leastGapMs ? today : today + dayMs >= now + leastGapMs ? today + dayMs : today + 2 * dayMs;
  if (knownMs >= settledAfterMs) return turn;
  return Math.min(turn, now + Math.max(youngestGapMs, knownMs / 4));
}
