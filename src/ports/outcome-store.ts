import type { Evaluation } from '../domain/plan.ts';
import type { EpochMs } from '../domain/time.ts';
import type { Circumstances } from './forecast-store.ts';

/** An evaluation whose lead time has passed, with what was true when it was made. */
export type UnjudgedEvaluation = Circumstances & {
  readonly hostedVmId: string;
  readonly at: EpochMs;
  readonly evaluation: Evaluation;
  /** When the next one was made; null while this is the newest. */
  readonly nextAt: EpochMs | null;
};

/** What came of an evaluation's risk. */
export type JudgedEvaluation = {
  readonly hostedVmId: string;
  readonly at: EpochMs;
  /** 0..1 as computed, before correction. */
  readonly raw: number;
  /** 0..1 as it was shown. */
  readonly score: number;
  /** Null when it cannot be known: demand was missing all along. */
  readonly needed: boolean | null;
  /** When the need began and what it was; null without a need. */
  readonly needAt: EpochMs | null;
  readonly need: string | null;
  /** What the evaluation knew, in words. */
  readonly known: string;
  readonly readyShadows: number;
  /** Shadows kept ready times how long, until the next evaluation. */
  readonly idleMs: number;
  /** When the primary was found failed within the lead time; null when it was not. */
  readonly failedAt: EpochMs | null;
  readonly expectedFailures: number | null;
  readonly covariates: Readonly<Record<string, number>> | null;
};

/** What weights of health findings are learned from. */
export type FindingOutcome = {
  readonly hostedVmId: string;
  readonly failedAt: EpochMs | null;
  readonly expected: number;
  readonly covariates: Readonly<Record<string, number>>;
};

/** What was said of one step, and what came. */
export type StepOutcome = {
  readonly hostedVmId: string;
  /** Start of the step. */
  readonly at: EpochMs;
  readonly model: string;
  readonly issuedAt: EpochMs;
  readonly actual: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
};

/** Several evaluations may see one need coming; it is told once, with what the last one knew. */
export type Need = {
  readonly hostedVmId: string;
  readonly at: EpochMs;
  readonly text: string;
  readonly known: string;
  readonly score: number;
  readonly readyShadows: number;
};

export type ModelCoverage = {
  readonly model: string;
  readonly steps: number;
  readonly coverage90: number;
  readonly coverage99: number;
};

/** What was said compared with what came: of risks and of forecasts. */
export interface OutcomeStore {
  /** Evaluations of at most `until - lead time` that have not been judged, oldest first. */
  unjudged(until: EpochMs, limit: number): Promise<UnjudgedEvaluation[]>;
  /** A repeat is harmless. */
  judge(judged: readonly JudgedEvaluation[]): Promise<void>;
  /** The newest known outcomes of the fleet. */
  risks(limit: number): Promise<{ readonly raw: number; readonly score: number; readonly needed: boolean }[]>;
  /** The newest outcomes whose findings are known. */
  findings(limit: number): Promise<FindingOutcome[]>;
  /** Steps in `from..to` not yet compared, with what a forecast made at least `aheadMs` before said of them. */
  uncompared(
    hostedVmIds: readonly string[],
    steps: { readonly from: EpochMs; readonly to: EpochMs; readonly stepMs: number; readonly aheadMs: number },
  ): Promise<Omit<StepOutcome, 'actual'>[]>;
  /** A repeat is harmless. */
  compare(outcomes: readonly StepOutcome[]): Promise<void>;
  /** The newest `limit` steps of each, ascending by time. */
  steps(hostedVmIds: readonly string[], limit: number): Promise<Map<string, StepOutcome[]>>;
  /** Needs since then, newest first. */
  needs(since: EpochMs): Promise<Need[]>;
  coverage(since: EpochMs): Promise<ModelCoverage[]>;
  /** Milliseconds shadows were kept ready since then. */
  idleMs(since: EpochMs): Promise<number>;
  /** Forgets what is older. */
  tidy(before: EpochMs): Promise<void>;
}
