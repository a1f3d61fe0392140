import type { DemandSeries } from '../../../domain/demand.ts';
import type { EpochMs } from '../../../domain/time.ts';
import { newest, stepsPerDay } from '../history.ts';

/** From `at` on demand is `factor` times what it was before. */
export type LevelShift = { readonly at: EpochMs; readonly factor: number };

/** A change of less than this is left to the members, which follow it in a day. */
const leastFactor = 3;
/** It must have lasted half a day, or it may be an incident; six days later it has become the history. */
const leastDays = 0.5;
const mostDays = 6;
/** What is usual is read off this many days. */
const usualDays = 14;
/** Days that must be known from before it. */
const leastDaysBefore = 4;
/** Before and after it demand keeps to its usual pattern within this factor, nine steps of ten: nothing else is a clear step. */
const steady = 2;
const keptShare = 0.9;

/**
 * The level shift that demand is still at, when there is a clear one: a new customer, a moved service, a split one. Before it demand kept to its
 * daily pattern, since it keeps to the same pattern many times higher or lower.
 */
export function findLevelShift(history: DemandSeries): LevelShift | undefined {
  const perDay = stepsPerDay(history.stepMs);
  const { qps, start, stepMs } = newest(history, usualDays * perDay);
  if (qps.length < (leastDaysBefore + leastDays) * perDay) return undefined;
  const usual = Array.from({ length: perDay }, (_, slot) => {
    const values: number[] = [];
    for (let at = slot; at < qps.length; at += perDay) if (Number.isFinite(qps[at])) values.push(qps[at]!);
    return median(values);
  });
  const ratios = qps.map((value, at) => {
    const expected = usual[at % perDay]!;
    return expected > 0 && value > 0 ? Math.log(value / expected) : NaN;
  });
  const hour = Math.max(1, Math.round(perDay / 24));
  const limit = Math.log(steady);
  const away = (from: number, to: number): number => {
    const middle = median(ratios.slice(Math.max(0, from), to).filter((ratio) => Number.isFinite(ratio)));
    return Math.abs(middle) > limit ? Math.sign(middle) : 0;
  };
  const side = away(qps.length - hour, qps.length);
  if (side === 0) return undefined;
  let from = qps.length - hour;
  while (from > 0 && away(from - hour, from) === side) from -= hour;
  // The hour in which it came is looked at step by step.
  for (let at = from - hour; at < from; at += 1) {
    if (at > 0 && ratios[at]! * side > limit) {
      from = at;
      break;
    }
  }
  const days = (qps.length - from) / perDay;
  if (days < leastDays || days > mostDays || from < Math.max(leastDaysBefore, days + 1) * perDay) return undefined;
  const after = ratios.slice(from);
  const factor = median(after.filter((ratio) => Number.isFinite(ratio)));
  if (Math.abs(factor) < Math.log(leastFactor)) return undefined;
  const share = (part: readonly number[], level: number): number =>
    part.filter((ratio) => Math.abs(ratio - level) < limit).length / part.length;
  if (share(after, factor) < keptShare || share(ratios.slice(0, from), 0) < keptShare) return undefined;
  return { at: start + from * stepMs, factor: Math.exp(factor) };
}

/** The past as it would have been at the level of now. */
export function relevelled(series: DemandSeries, shifts: readonly LevelShift[]): DemandSeries {
  if (!shifts.some(({ at }) => at > series.start)) return series;
  const qps = series.qps.map((value, index) => {
    const at = series.start + index * series.stepMs;
    return shifts.reduce((scaled, shift) => (at < shift.at ? scaled * shift.factor : scaled), value);
  });
  return { ...series, qps };
}

function median(values: number[]): number {
  if (values.length === 0) return 0;
  values.sort((left, right) => left - right);
  return values[values.length >> 1]!;
}
