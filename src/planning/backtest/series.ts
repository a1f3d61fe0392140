import type { DemandSeries } from '../../domain/demand.ts';
import { dayMs, hourMs, minuteMs } from '../../domain/time.ts';

/** A regular series read from a file, and what had to be mended on the way, in words. */
export type ReadSeries = { readonly series: DemandSeries; readonly notes: readonly string[] };

/** Thrown for a file that cannot be a demand series; the message names the line and what was expected. */
export class SeriesError extends Error {
  override readonly name = 'SeriesError';
}

/** Longest regular series that is built: a stray date a century away must not fill the memory. */
const mostSteps = 5_000_000;

/** Reads `2026-01-01T00:00:00Z`, `2026-01-01 00:00:00` (taken as UTC), or seconds or milliseconds since the epoch. */
function parseTimestamp(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) {
    const number = Number(text);
    return number > 1e11 ? number : number * 1000;
  }
  const plain = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$/.test(text);
  return Date.parse(plain ? `${text.replace(' ', 'T')}${text.length > 10 ? 'Z' : ''}` : text);
}

const missing = new Set(['', 'nan', 'null', 'na', 'none']);

/**
 * Reads `timestamp,value` with or without a header into a regular series.
 * Unsorted rows are sorted; of rows with the same time the last wins; gaps become NaN; negatives become NaN; rows off the
 * grid go to the step they fall in. Each mending is told in `notes`.
 * @throws SeriesError when there are no two rows, a row cannot be read, or the times make no grid
 */
export function parseSeries(text: string): ReadSeries {
  const rows: { at: number; value: number }[] = [];
  const notes: string[] = [];
  text.split(/\r?\n/).forEach((line, index) => {
    const trimmed = line.trim();
    if (trimmed === '') return;
    const [stamp = '', value = ''] = trimmed.split(/[,;\t]/).map((cell) => cell.trim().replace(/^"|"$/g, ''));
    const at = parseTimestamp(stamp);
    const isMissing = missing.has(value.toLowerCase());
    const number = isMissing ? NaN : Number(value);
    if (Number.isNaN(at) || (!isMissing && Number.isNaN(number))) {
      if (rows.length === 0 && index === 0) return;
      throw new SeriesError(`line ${index + 1}: "${trimmed.slice(0, 60)}" is not timestamp,value`);
    }
    rows.push({ at, value: Number.isFinite(number) ? number : NaN });
  });
  if (rows.length < 2) throw new SeriesError(`${rows.length} rows of timestamp,value were found; two are the least`);
  if (!rows.some(({ value }) => Number.isFinite(value))) {
    throw new SeriesError(`none of the ${rows.length} rows holds a value; each line is timestamp,value`);
  }
  if (rows.some(({ at }, index) => index > 0 && at < rows[index - 1]!.at)) {
    rows.sort((left, right) => left.at - right.at);
    notes.push('rows were not in order of time and were sorted');
  }
  return { ...onGrid(rows, notes), notes };
}

function onGrid(rows: readonly { at: number; value: number }[], notes: string[]): { series: DemandSeries } {
  const distances = rows
    .slice(1)
    .map(({ at }, index) => at - rows[index]!.at)
    .filter((distance) => distance > 0)
    .sort((left, right) => left - right);
  const stepMs = distances[distances.length >> 1];
  if (stepMs === undefined) throw new SeriesError('all rows have the same time');
  const start = rows[0]!.at;
  const count = Math.floor((rows.at(-1)!.at - start) / stepMs) + 1;
  if (count > mostSteps) {
    throw new SeriesError(
      `from ${iso(start)} to ${iso(rows.at(-1)!.at)} there are ${count} steps of ${stepMs / 1000} s; ${mostSteps} are the most`,
    );
  }
  const qps = new Array<number>(count).fill(NaN);
  const taken = new Uint8Array(count);
  let duplicates = 0;
  let offGrid = 0;
  let negatives = 0;
  for (const { at, value } of rows) {
    const place = (at - start) / stepMs;
    const index = Math.floor(place + 1e-6);
    if (Math.abs(place - Math.round(place)) > 1e-6) offGrid += 1;
    if (taken[index] === 1) duplicates += 1;
    taken[index] = 1;
    if (value < 0) negatives += 1;
    qps[index] = value < 0 ? NaN : value;
  }
  const gaps = count - taken.reduce((sum, value) => sum + value, 0);
  if (duplicates > 0) notes.push(`${duplicates} steps had several rows; the last one counts`);
  if (offGrid > rows.length / 2) notes.push('two clocks seem to be mixed: most rows are off the grid of the first');
  else if (offGrid > 0) notes.push(`${offGrid} rows were off the grid and went to the step they fall in`);
  if (negatives > 0) notes.push(`${negatives} negative values are taken as missing`);
  if (gaps > 0) notes.push(`${gaps} of ${count} steps are missing`);
  return { series: { start, stepMs, qps } };
}

/**
 * Sums a series to wider steps, from its first step on: wide step i holds the narrow steps i x factor and those after it, so that
 * anyone who sums the rows of a file gets the same indices. A wide step with more than half of its narrow steps missing is
 * missing; otherwise what is missing is taken as the mean of the rest.
 */
export function summed(series: DemandSeries, stepMs: number): DemandSeries {
  const factor = Math.round(stepMs / series.stepMs);
  if (factor <= 1) return series;
  const qps: number[] = [];
  for (let at = 0; at + factor <= series.qps.length; at += factor) {
    let sum = 0;
    let known = 0;
    for (let index = at; index < at + factor; index += 1) {
      const value = series.qps[index]!;
      if (!Number.isFinite(value)) continue;
      sum += value;
      known += 1;
    }
    qps.push(known * 2 >= factor ? (sum * factor) / known : NaN);
  }
  return { start: series.start, stepMs, qps };
}

const iso = (at: number): string => new Date(at).toISOString();

/**
 * Rolling origins of the reference: over the last quarter (below hourly at most the last 14 days), every
 * max(12, ceil((T - H) / 84)) steps, hourly max(13, ceil((T - H) / 40)).
 * @param wanted how many instead, evenly spread over the same part
 * @returns 0-based indices of the first unknown step, ascending
 */
export function rollingOrigins(series: DemandSeries, horizonSteps: number, wanted?: number): number[] {
  const count = series.qps.length;
  const hourly = series.stepMs >= hourMs;
  const fortnight = Math.floor((14 * dayMs) / series.stepMs);
  const span = hourly ? Math.floor(count / 4) : Math.min(Math.floor(count / 4), fortnight);
  const first = count - span;
  const room = span - horizonSteps;
  if (room < 0) return [];
  const every =
    wanted === undefined
      ? Math.max(hourly ? 13 : 12, Math.ceil(room / (hourly ? 40 : 84)))
      : Math.max(1, Math.floor(room / Math.max(1, wanted - 1)));
  const origins: number[] = [];
  for (let origin = first; origin + horizonSteps <= count; origin += every) origins.push(origin);
  return wanted === undefined ? origins : origins.slice(0, wanted);
}

/** Steps the reference scores apart: 15 min, 1 h, 6 h at 5 minutes; 24 h hourly; always the whole horizon. */
export function scoredHorizons(stepMs: number, horizonSteps: number): number[] {
  const steps = [15 * minuteMs, hourMs, 6 * hourMs, dayMs].map((ms) => Math.round(ms / stepMs));
  return [...new Set([...steps.filter((step) => step > 1 && step < horizonSteps), horizonSteps])];
}
