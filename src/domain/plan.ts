import type { Tier, Warmth } from './instance.ts';
import type { Reason } from './reason.ts';
import type { EpochMs } from './time.ts';
import type { TrafficTuning } from './traffic.ts';

/** A probability with its parts. `points` of the parts add up to about `score * 100`. */
export type Risk = {
  /** 0..1; shown as 0-100. Probability of needing a shadow within the lead time. */
  readonly score: number;
  readonly overload: number;
  readonly failure: number;
  readonly parts: readonly { readonly code: string; readonly points: number; readonly text: string }[];
  /** False until calibration has been measured on enough outcomes. */
  readonly calibrated: boolean;
  /** Whose estimates the weights of health findings are, in words; absent when nothing was found. */
  readonly healthWeights?: string;
};

export type RiskBand = 'low' | 'raised' | 'high';

export function riskBand(score: number): RiskBand {
  if (score >= 0.5) return 'high';
  return score >= 0.15 ? 'raised' : 'low';
}

export type WantedShadows = {
  readonly tier: Tier;
  readonly count: number;
  readonly warmth: Warmth;
  readonly reason: Reason;
};

/** What the planner wants kept ready, and why. An immutable value: a workflow carries it out, it does not make one. */
export type StandbyPlan = { readonly wanted: readonly WantedShadows[]; readonly reasons: readonly Reason[] };

/** The result of one evaluation, small enough to be carried in history; the full forecast is in the store. */
export type Evaluation = {
  readonly at: EpochMs;
  /** Demand of the newest complete bucket in queries per second; null when it is missing. */
  readonly demandQps: number | null;
  readonly model: string;
  /** Which model speaks and why, in words, with the numbers that chose it. */
  readonly modelReason?: string;
  /** What was learned of the capacity from CPU against demand, beside what is declared. */
  readonly capacityReason?: string;
  /** Highest p50, p90 and p99 within the lead time, queries per second; null without a forecast. */
  readonly peak: { readonly p50: number; readonly p90: number; readonly p99: number } | null;
  readonly risk: Risk;
  readonly plan: StandbyPlan;
  /** How the workflow chooses who carries traffic; absent before the first evaluation that says so. */
  readonly traffic?: TrafficTuning;
  /** When the next evaluation is due, by risk; jittered by the caller. */
  readonly nextInMs: number;
};
