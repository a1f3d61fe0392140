/** What the columns of a row are made from: steps a day, how many days and weeks of lags, where in the week step 0 lies. */
export type LagShape = {
  /** Steps a day: 288 at 5 minutes, 24 hourly. */
  readonly perDay: number;
  /** Weeks of lags, 0..3, by how much history there is. */
  readonly weeks: number;
  readonly days: number;
  /** Half-width of the smoothing window: 2 at 5 minutes, 0 hourly. */
  readonly smooth: number;
  /** Short means over this many steps: 12 and 36, hourly 3 and 6. */
  readonly short: number;
  readonly middle: number;
};

/** Weeks and days of lags for `count` known points. */
export function lagShape(perDay: number, count: number): LagShape {
  const week = 7 * perDay;
  const weeks =
    count >= 4 * week + 7 * perDay ? 3 : count >= 3 * week + 4 * perDay ? 2 : count >= week + 4 * perDay ? 1 : 0;
  const days = weeks > 0 ? 6 : Math.min(6, Math.max(1, Math.floor(count / perDay) - 5));
  const fine = perDay >= 96;
  return { perDay, weeks, days, smooth: fine ? 2 : 0, short: fine ? 12 : 3, middle: fine ? 36 : 6 };
}

/** Demand on one scale with what the columns need. `first` is the step-of-week index of element 0, in local time. */
export type Scale = {
  readonly z: Float64Array;
  readonly smoothed: Float64Array;
  /** prefix[i] = sum of z[0..i). */
  readonly prefix: Float64Array;
  readonly first: number;
};

export function makeScale(z: Float64Array, first: number, smooth: number): Scale {
  const prefix = new Float64Array(z.length + 1);
  for (let index = 0; index < z.length; index += 1) prefix[index + 1] = prefix[index]! + z[index]!;
  const smoothed = new Float64Array(z.length);
  for (let index = 0; index < z.length; index += 1) {
    const from = Math.max(0, index - smooth);
    const to = Math.min(z.length, index + smooth + 1);
    smoothed[index] = (prefix[to]! - prefix[from]!) / (to - from);
  }
  return { z, smoothed, prefix, first };
}

/** Mean of the last `steps` values up to and with `t`. */
export function meanBack({ prefix }: Scale, t: number, steps: number): number {
  const from = Math.max(0, t + 1 - steps);
  return (prefix[t + 1]! - prefix[from]!) / (t + 1 - from);
}

/** First origin at which every lag exists. */
export function firstOrigin({ perDay, weeks, days, smooth }: LagShape): number {
  return Math.max(days * perDay, weeks * 7 * perDay) + smooth;
}

/** Columns without the constant: lags first, then harmonics. */
export function lagCount(shape: LagShape): number {
  return 8 + (shape.weeks > 0 ? 5 : 0) + (shape.weeks > 1 ? 2 : 0);
}

export function rowWidth(shape: LagShape): number {
  return lagCount(shape) + 6 + (shape.weeks > 0 ? 4 : 0);
}

/** Column of d1, the smoothed value one day before the target. */
export const yesterdayColumn = 5;
export const shortMeanColumn = 2;

/** Saturday and Sunday, for a step of the week that begins on Thursday (as the epoch does). */
function isWeekend(stepOfWeek: number, perDay: number): boolean {
  const day = Math.floor(stepOfWeek / perDay) % 7;
  return day === 2 || day === 3;
}

/**
 * Writes the row x(t, h): what is known at origin `t` about step `t + h`. Nothing after `t` is read.
 * Order: z[t], z[t-1], short mean, middle mean, day mean, d1, mean of the days at the target, mean of the days at t;
 * with weeks: week before target, week before t, day before t, same-kind means at target and t; with more weeks: means over
 * weeks at target and t; then harmonics of the target.
 */
export function writeRow(scale: Scale, shape: LagShape, t: number, h: number, row: Float64Array, start: number): void {
  const { z, smoothed, first } = scale;
  const { perDay, weeks, days, smooth } = shape;
  const week = 7 * perDay;
  const target = t + h;
  const known = (index: number): number => {
    if (index + smooth <= t) return smoothed[index]!;
    let sum = 0;
    let count = 0;
    for (let at = Math.max(0, index - smooth); at <= t; at += 1) {
      sum += z[at]!;
      count += 1;
    }
    return count > 0 ? sum / count : z[t]!;
  };
  const firstDay = Math.max(1, Math.ceil(h / perDay));
  const lastDay = Math.max(firstDay, days);
  let column = start;
  row[column++] = z[t]!;
  row[column++] = z[Math.max(0, t - 1)]!;
  row[column++] = meanBack(scale, t, shape.short);
  row[column++] = meanBack(scale, t, shape.middle);
  row[column++] = meanBack(scale, t, perDay);
  row[column++] = known(target - firstDay * perDay);
  let atTarget = 0;
  let atOrigin = 0;
  for (let day = firstDay; day <= lastDay; day += 1) atTarget += known(Math.max(0, target - day * perDay));
  for (let day = 1; day <= days; day += 1) atOrigin += known(t - day * perDay);
  row[column++] = atTarget / (lastDay - firstDay + 1);
  row[column++] = atOrigin / days;
  if (weeks > 0) {
    const weekTarget = known(target - week);
    const weekOrigin = known(t - week);
    row[column++] = weekTarget;
    row[column++] = weekOrigin;
    row[column++] = known(t - perDay);
    row[column++] = sameKindMean(first, perDay, target, firstDay, lastDay, known, weekTarget);
    row[column++] = sameKindMean(first, perDay, t, 1, days, known, weekOrigin);
    if (weeks > 1) {
      let sumTarget = 0;
      let sumOrigin = 0;
      for (let back = 1; back <= weeks; back += 1) {
        sumTarget += known(target - back * week);
        sumOrigin += known(t - back * week);
      }
      row[column++] = sumTarget / weeks;
      row[column++] = sumOrigin / weeks;
    }
  }
  const daily = (2 * Math.PI * ((first + target) % perDay)) / perDay;
  for (let harmonic = 1; harmonic <= 3; harmonic += 1) {
    row[column++] = Math.sin(harmonic * daily);
    row[column++] = Math.cos(harmonic * daily);
  }
  if (weeks > 0) {
    const weekly = (2 * Math.PI * ((first + target) % week)) / week;
    for (let harmonic = 1; harmonic <= 2; harmonic += 1) {
      row[column++] = Math.sin(harmonic * weekly);
      row[column++] = Math.cos(harmonic * weekly);
    }
  }
}

/** Mean of those of the days that are weekday or weekend as `index` is, and of the same time last week. */
function sameKindMean(
  first: number,
  perDay: number,
  index: number,
  firstDay: number,
  lastDay: number,
  known: (index: number) => number,
  lastWeek: number,
): number {
  const kind = isWeekend(first + index, perDay);
  let sum = lastWeek;
  let count = 1;
  for (let day = firstDay; day <= lastDay; day += 1) {
    const at = index - day * perDay;
    if (at < 0 || isWeekend(first + at + 7 * perDay, perDay) !== kind) continue;
    sum += known(at);
    count += 1;
  }
  return sum / count;
}
