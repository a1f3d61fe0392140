import type { DemandSeries } from '../../domain/demand.ts';
import { dayMs } from '../../domain/time.ts';
import type { EpochMs } from '../../domain/time.ts';

/** Steps in a day at this width: 288 at 5 minutes, 24 hourly. */
export function stepsPerDay(stepMs: number): number {
  return Math.max(1, Math.round(dayMs / stepMs));
}

/** End of the series: the start of the first step that is not known yet. */
export function endOf(series: DemandSeries): EpochMs {
  return series.start + series.qps.length * series.stepMs;
}

/** The newest `steps` steps. */
export function newest(series: DemandSeries, steps: number): DemandSeries {
  const from = Math.max(0, series.qps.length - steps);
  return { start: series.start + from * series.stepMs, stepMs: series.stepMs, qps: series.qps.slice(from) };
}

/** What was known before step `origin`: nothing at or after it. */
export function before(series: DemandSeries, origin: number, steps = origin): DemandSeries {
  const from = Math.max(0, origin - steps);
  return { start: series.start + from * series.stepMs, stepMs: series.stepMs, qps: series.qps.slice(from, origin) };
}

/** Newest finite value, looking back as far as needed; undefined when all is missing. */
export function lastKnown(values: readonly number[]): number | undefined {
  return values.findLast((value) => Number.isFinite(value));
}

/** Steps that hold a finite value. */
export function knownSteps(values: readonly number[]): number {
  let count = 0;
  for (const value of values) if (Number.isFinite(value)) count += 1;
  return count;
}
