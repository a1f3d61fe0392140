import type { Reason } from '../domain/reason.ts';
import type { EpochMs } from '../domain/time.ts';

/** Whether a hosted VM's forecasts are believed, by what came of the last of them. */
export type Drift = {
  readonly kind: 'ok' | 'alarm' | 'off';
  readonly since: EpochMs;
  /** Shares of steps at or below p90 and p99; null before there are any. */
  readonly coverage90: number | null;
  readonly coverage99: number | null;
  readonly steps: number;
  readonly reason?: Reason;
};

/** Structurally the `LearnedCapacity` of planning. */
export type Learned = {
  readonly kind: 'learned' | 'unexplained' | 'too-little';
  readonly capacityQps?: number;
  readonly correlation?: number;
  readonly points: number;
  readonly text: string;
};

/** Structurally the `RiskCalibration` of planning. */
export type Calibration = {
  readonly measured: boolean;
  readonly steps: readonly (readonly [raw: number, calibrated: number])[];
};

/** Structurally the `LearnedWeights` of planning. */
export type HealthWeights = {
  readonly learned: boolean;
  readonly failures: number;
  readonly outcomes: number;
  readonly weights: Readonly<Record<string, number>>;
};

export type Belief = { readonly drift?: Drift; readonly learned?: Learned };

/** What outcomes have taught: which forecasts to believe, how to correct the risk score, what a machine can carry. */
export interface BeliefStore {
  belief(hostedVmId: string): Promise<Belief>;
  beliefs(): Promise<Map<string, Belief>>;
  setDrift(hostedVmId: string, drift: Drift): Promise<void>;
  setLearned(hostedVmId: string, at: EpochMs, learned: Learned): Promise<void>;
  calibration(): Promise<Calibration | undefined>;
  setCalibration(at: EpochMs, calibration: Calibration): Promise<void>;
  healthWeights(): Promise<HealthWeights | undefined>;
  setHealthWeights(at: EpochMs, weights: HealthWeights): Promise<void>;
}
