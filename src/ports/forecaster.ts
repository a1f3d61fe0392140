import type { DemandSeries } from '../domain/demand.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import type { Reason } from '../domain/reason.ts';
import type { EpochMs } from '../domain/time.ts';

/** A fitted model as it is stored: plain JSON. Structurally the `ModelState` of planning. */
export type FittedState = {
  readonly model: string;
  readonly version: number;
  readonly fittedAt: EpochMs;
  readonly body: unknown;
};

export type FitJob = {
  /** `umbra`, `seasonal-naive-day`, `prophet`, `arima`... */
  readonly model: string;
  readonly history: DemandSeries;
  readonly previous?: FittedState | undefined;
  /** Longest horizon the state must answer, in steps; library models answer no further. */
  readonly horizonSteps: number;
  readonly utcOffsetMs?: number;
};

export type FitOutcome =
  | { readonly kind: 'fitted'; readonly state: FittedState; readonly cpuMs: number }
  /** The history is not enough, or the model does not fit it; why, in words. */
  | { readonly kind: 'unfit'; readonly why: string; readonly cpuMs: number };

/** Fits models away from the event loop. The only port through which a fit is asked for, for one VM or for hundreds. */
export interface Forecaster {
  readonly models: readonly string[];
  /** @throws ProviderError transient when the thread died, permanent for an unknown model */
  fit(job: FitJob, signal?: AbortSignal): Promise<FitOutcome>;
  close(): Promise<void>;
}

export type PredictJob = {
  /** JSON of the fitted state as it is stored; undefined before the first fit: then a simple model speaks. */
  readonly state: string | undefined;
  /** Newest demand up to now; NaN where it is missing. */
  readonly recent: DemandSeries;
  readonly horizonMs: number;
  readonly spec: Pick<HostedVmSpec, 'events' | 'timeZone'>;
};

/** Structurally the `SpokenForecast` of planning. */
export type Prediction = {
  readonly forecast: {
    readonly model: string;
    readonly start: EpochMs;
    readonly stepMs: number;
    readonly values: readonly (readonly number[])[];
  } | null;
  readonly reason: Reason;
};

/** Forecasts away from the event loop. The only port through which one is asked for, for one VM or for hundreds. */
export interface Predictor {
  /** @throws ProviderError transient when the thread died */
  predict(job: PredictJob, signal?: AbortSignal): Promise<Prediction>;
  close(): Promise<void>;
}
