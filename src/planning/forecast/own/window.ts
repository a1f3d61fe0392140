import { knownSteps } from '../history.ts';
import type { Window } from './members.ts';

const weekMs = 7 * 86_400_000;

/** Step of the week (from Thursday, as the epoch) of an instant, in local time. */
export function stepOfWeek(at: number, stepMs: number, utcOffsetMs: number): number {
  return Math.floor(((((at + utcOffsetMs) % weekMs) + weekMs) % weekMs) / stepMs);
}

/**
 * Makes a series fit for lags: negatives become 0, missing steps are filled (short gaps by a line; long ones by the same
 * time a day before, moved so that its ends meet), and neither teach. Outages do not teach and are filled likewise.
 */
export function prepareWindow(
  values: readonly number[],
  start: number,
  stepMs: number,
  perDay: number,
  utcOffsetMs: number,
): Window {
  const y = Float64Array.from(values, (value) => (Number.isFinite(value) ? Math.max(0, value) : NaN));
  const teaches = new Uint8Array(y.length);
  for (let index = 0; index < y.length; index += 1) teaches[index] = Number.isNaN(y[index]) ? 0 : 1;
  fillGaps(y, perDay);
  return { y, teaches, first: stepOfWeek(start, stepMs, utcOffsetMs) };
}

/** Gaps up to this many steps are bridged by a line. */
const shortGap = 6;

export function fillGaps(y: Float64Array, perDay: number): void {
  if (knownSteps(y as unknown as number[]) === 0) {
    y.fill(0);
    return;
  }
  let index = 0;
  while (index < y.length) {
    if (!Number.isNaN(y[index])) {
      index += 1;
      continue;
    }
    let end = index;
    while (end < y.length && Number.isNaN(y[end])) end += 1;
    fillOne(y, index, end, perDay);
    index = end;
  }
}

function fillOne(y: Float64Array, from: number, to: number, perDay: number): void {
  const left = from > 0 ? y[from - 1]! : undefined;
  const right = to < y.length ? y[to]! : undefined;
  const length = to - from;
  const yesterday = (at: number): number => y[at - perDay]!;
  const seasonal = length > shortGap && from - 1 - perDay >= 0;
  for (let at = from; at < to; at += 1) {
    const share = (at - from + 1) / (length + 1);
    if (seasonal) {
      const offsetLeft = y[from - 1]! - yesterday(from - 1);
      // An open gap forgets its last offset within a few hours: the pattern is the better guess then.
      const fade = right === undefined ? Math.exp(-(at - from + 1) / (perDay / 8)) : 1 - share;
      const offsetRight = right === undefined ? 0 : right - (to - perDay < from ? y[to - perDay]! : right);
      y[at] = Math.max(0, yesterday(at) + offsetLeft * fade + (right === undefined ? 0 : offsetRight * share));
    } else if (left === undefined) y[at] = right ?? 0;
    else if (right === undefined) y[at] = left;
    else y[at] = left + (right - left) * share;
  }
}
