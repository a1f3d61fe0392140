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

/** Code, sentence and the numbers of the backtest that chose a model. */
export type ChoiceReason = {
  readonly code: string;
  readonly text: string;
  readonly facts?: Readonly<Record<string, number | string | boolean>>;
};

/** Which model speaks for a hosted VM, why, and its fitted state. */
export type ChosenModel = {
  readonly hostedVmId: string;
  readonly state: FittedState;
  /** The model that speaks, where `state` holds several candidates; `state.model` unless given. */
  readonly speaks?: string;
  readonly chosenAt: EpochMs;
  readonly reason: ChoiceReason;
};

/** What is known of a choice without its state of half a megabyte. */
export type Choice = {
  readonly hostedVmId: string;
  readonly model: string;
  readonly chosenAt: EpochMs;
  readonly reason: ChoiceReason;
};

/** What was true at an evaluation and cannot be told from it later; its outcome is judged by it. */
export type Circumstances = {
  readonly leadTimeMs: number;
  readonly capacityQps: number;
  /** Shadows that could have taken over at once. */
  readonly readyShadows: number;
  /** Failures expected in the lead time before findings count; with `covariates` what weights are learned from. */
  readonly expectedFailures?: number;
  /** Sizes of the health findings, by code. */
  readonly covariates?: Readonly<Record<string, number>>;
};

/** Fitted models and what they said. */
export interface ForecastStore {
  chosen(hostedVmId: string): Promise<ChosenModel | undefined>;
  /** The state alone, as JSON: reading it is left to the thread that uses it. */
  stateText(hostedVmId: string): Promise<{ readonly chosenAt: EpochMs; readonly text: string } | undefined>;
  /** As `chosen`, without the state. */
  choice(hostedVmId: string): Promise<Choice | undefined>;
  choices(): Promise<Choice[]>;
  /** The newest choice stays: one made before it is ignored. */
  choose(chosen: ChosenModel): Promise<void>;
  /** Stores forecast and evaluation; a repeat of the same (hosted VM, at) is harmless. `forecast` is null when there is none. */
  save(
    hostedVmId: string,
    evaluation: Evaluation,
    forecast: StoredForecast | null,
    circumstances?: Circumstances,
  ): Promise<void>;
  /** Forecasts of a batch; those of the same hosted VMs made before `keepSince` are forgotten. A repeat is harmless. */
  saveMany(forecasts: readonly StoredForecast[], keepSince: EpochMs): Promise<void>;
  newest(hostedVmId: string): Promise<StoredForecast | undefined>;
}
