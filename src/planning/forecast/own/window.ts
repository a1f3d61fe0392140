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
  outages: 'marked' | 'as they were' = 'marked',
): Window {
  const y = Float64Array.from(values, (value) => (Number.isFinite(value) ? Math.max(0, value) : NaN));
  const teaches = new Uint8Array(y.length);
  for (let index = 0; index < y.length; index += 1) teaches[index] = Number.isNaN(y[index]) ? 0 : 1;
  let goneSince = y.length;
  for (const { from, to } of outages === 'marked' ? findOutages(y, perDay) : []) {
    // One that still lasts is how things are now, and is learned from; one that has passed is not what a day looks like.
    if (to >= y.length) {
      goneSince = from;
      continue;
    }
    teaches.fill(0, from, to);
    y.fill(NaN, from, to);
  }
  fillGaps(y, perDay);
  return { y, teaches, first: stepOfWeek(start, stepMs, utcOffsetMs), goneSince };
}

/** Demand below this share of what the time of day usually sees is no demand. */
const outageShare = 0.05;
/** Three steps: shorter dips teach little either way. */
const leastOutageSteps = 3;
/**
 * More days than this, or a third of the window, are not an outage but how the service is: the model has had to live with
 * it. Measured: marking an outage of two days after the event made the forecasts around it worse, of a day better.
 */
const mostOutageDays = 1.5;

/** Demand is back when it has been above this share of the usual for an hour. */
const backShare = 0.3;

/**
 * Runs in which demand all but vanished although this time of day usually has plenty, and last week did not do the same.
 * An outage of the service is not a change of demand: it must not teach once it is over. A run that ends at the end of the
 * window is still going on, or not yet over for an hour.
 */
export function findOutages(y: Float64Array, perDay: number): { from: number; to: number }[] {
  const days = Math.floor(y.length / perDay);
  if (days < 3) return [];
  const usual = new Float64Array(perDay);
  const slot: number[] = [];
  for (let at = 0; at < perDay; at += 1) {
    slot.length = 0;
    for (let index = at; index < y.length; index += perDay) if (!Number.isNaN(y[index])) slot.push(y[index]!);
    slot.sort((left, right) => left - right);
    usual[at] = slot[slot.length >> 1] ?? 0;
  }
  const sorted = usual.slice().sort();
  const plenty = 0.2 * sorted[perDay >> 1]!;
  const gone = (index: number): boolean => {
    const expected = usual[index % perDay]!;
    return expected > plenty && expected > 0 && y[index]! < outageShare * expected;
  };
  const settled = Math.max(2, Math.round(perDay / 24));
  const runs: { from: number; to: number }[] = [];
  let total = 0;
  for (let index = 0; index < y.length; index += 1) {
    if (!gone(index)) continue;
    const until = (start: number): number => {
      let back = 0;
      for (let at = start; at < y.length; at += 1) {
        back = y[at]! >= backShare * usual[at % perDay]! ? back + 1 : 0;
        if (back >= settled) return at + 1 - settled;
      }
      return y.length;
    };
    const to = until(index + 1);
    const before = index - 7 * perDay;
    const asLastWeek = before >= 0 && gone(before) && gone(Math.min(y.length - 1, before + ((to - index) >> 1)));
    if (to - index >= leastOutageSteps && !asLastWeek) {
      runs.push({ from: index, to });
      total += to - index;
    }
    index = to;
  }
  return total > Math.min(mostOutageDays * perDay, y.length / 3) ? [] : runs;
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
