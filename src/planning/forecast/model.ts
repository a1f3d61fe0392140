import type { DemandSeries } from '../../domain/demand.ts';
import type { EpochMs } from '../../domain/time.ts';

/** Predicted demand: `values[q][h]` is quantile `quantileLevels[q]` of step h+1 after the origin. All finite, >= 0, not crossing. */
export type QuantileForecast = {
  readonly model: string;
  /** Start of the first predicted step. */
  readonly start: EpochMs;
  readonly stepMs: number;
  readonly values: readonly (readonly number[])[];
};

/** A fitted model: plain JSON, stored between ticks; `fittedAt` is the end of the history it saw. */
export type ModelState = {
  readonly model: string;
  readonly version: number;
  readonly fittedAt: EpochMs;
  readonly body: unknown;
};

export type Unfit = { readonly kind: 'unfit'; readonly why: string };

/**
 * One way of forecasting. Pure and deterministic: no clock, no unseeded randomness; equal steps; NaN is missing.
 * `fit` may cost a second (worker thread); `predict` is milliseconds.
 */
export interface ForecastModel {
  readonly name: string;
  /** Steps of history it wants at this step width, newest last. */
  historySteps(stepMs: number): { readonly least: number; readonly useful: number };
  /** @returns the state, or why this history is not enough */
  fit(history: DemandSeries, previous?: ModelState): ModelState | Unfit;
  /** Whether it can read a stored state; one of an earlier version's shape is fitted anew. Absent: it reads all its own. */
  understands?(state: ModelState): boolean;
  /** @param recent the newest buckets up to the origin; as many as `historySteps(...).useful` at most are read */
  predict(state: ModelState, recent: DemandSeries, horizonSteps: number): QuantileForecast;
}
