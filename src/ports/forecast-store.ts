import type { Evaluation } from '../domain/plan.ts';
import type { EpochMs } from '../domain/time.ts';
import type { FittedState } from './forecaster.ts';

/** A forecast as it was made, in full: what plots show and what calibration is measured on. */
export type StoredForecast = {
  readonly hostedVmId: string;
  /** When it was made. */
  readonly at: EpochMs;
  readonly model: string;
  readonly start: EpochMs;
  readonly stepMs: number;
  /** `values[q][h]`, quantiles in the order of `quantileLevels`. */
  readonly values: readonly (readonly number[])[];
};

/** Which model speaks for a hosted VM, why, and its fitted state. */
export type ChosenModel = {
  readonly hostedVmId: string;
  readonly state: FittedState;
  readonly chosenAt: EpochMs;
  /** Code, sentence and the numbers of the backtest that chose it. */
  readonly reason: {
    readonly code: string;
    readonly text: string;
    readonly facts?: Readonly<Record<string, number | string | boolean>>;
  };
};

/** Fitted models and what they said. */
export interface ForecastStore {
  chosen(hostedVmId: string): Promise<ChosenModel | undefined>;
  choose(chosen: ChosenModel): Promise<void>;
  /** Stores forecast and evaluation; a repeat of the same (hosted VM, at) is harmless. `forecast` is null when there is none. */
  save(hostedVmId: string, evaluation: Evaluation, forecast: StoredForecast | null): Promise<void>;
  newest(hostedVmId: string): Promise<StoredForecast | undefined>;
}
