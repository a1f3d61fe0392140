import type { DemandSeries } from '../domain/demand.ts';
import type { Evaluation } from '../domain/plan.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import type { Reason } from '../domain/reason.ts';
import { hourMs, minuteMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';
import { plainTuning } from '../domain/traffic.ts';
import { endOf } from './forecast/history.ts';
import type { ForecastModel, ModelState, QuantileForecast } from './forecast/model.ts';
import { forecastDemand } from './forecast/speak.ts';
import type { SpokenForecast } from './forecast/speak.ts';
import type { RiskCalibration } from './risk/calibration.ts';
import type { FailureHistory, FailurePrior } from './risk/failure.ts';
import type { HealthFactors } from './risk/health-factors.ts';
import type { LearnedWeights } from './risk/health-weights.ts';
import { peakQuantiles, stepsUntil } from './risk/overload.ts';
import { assessRisk } from './risk/score.ts';
import { planStandby } from './standby.ts';
import type { ShadowView } from './standby.ts';
import { atLevel } from '../domain/quantile.ts';

/** Everything one evaluation of one hosted VM looks at. */
export type EvaluationInput = {
  readonly spec: HostedVmSpec;
  /** Newest demand in 5-minute steps up to now, NaN where missing; may be empty. */
  readonly recent: DemandSeries;
  /** Demand of the newest minute, where it is known: a flash crowd does not wait for a step of 5 minutes to end. */
  readonly demandQps?: number | undefined;
  /** The forecast as `forecastDemand` has made it, here or elsewhere; made on the way unless given. */
  readonly spoken?: SpokenForecast | undefined;
  /** The chosen model's fitted state; undefined before the first fit. */
  readonly state?: ModelState | undefined;
  /** Models whose states can be met; `state.model` names one. */
  readonly models?: readonly ForecastModel[] | undefined;
  /** Forecasts are switched off after too many misses: only the reactive path decides. */
  readonly forecastOff?: Reason | undefined;
  readonly failures?: FailureHistory | undefined;
  readonly prior?: FailurePrior | undefined;
  readonly health?: HealthFactors | undefined;
  readonly healthWeights?: Pick<LearnedWeights, 'learned' | 'failures' | 'weights'> | undefined;
  readonly calibration?: RiskCalibration | undefined;
  /** What serves now carries this together; undefined: one instance of the declared capacity. */
  readonly servingQps?: number | undefined;
  readonly judgeOverloadByCpu?: boolean | undefined;
  readonly shadows: readonly ShadowView[];
  /** Measured p95 of provisioning plus warm-up. */
  readonly leadTimeMs: number;
  readonly now: EpochMs;
  /** Steps to forecast; 6 h unless told. */
  readonly horizonMs?: number | undefined;
};

export type EvaluationResult = {
  readonly evaluation: Evaluation;
  readonly forecast: QuantileForecast | null;
  /** Which model spoke and why this one. */
  readonly reason: Reason;
};

/** A step counts as demand now only while it is younger than this. */
const staleAfterMs = 15 * minuteMs;

/** Forecast, risk and standby plan of one hosted VM in one pure step. Works with no history at all: then only demand now decides. */
export function evaluate(input: EvaluationInput): EvaluationResult {
  const { spec, recent, now, leadTimeMs } = input;
  const capacityQps = input.servingQps ?? spec.capacityQps;
  const demandQps = input.demandQps ?? demandNow(recent, now);
  const spoken =
    input.forecastOff === undefined
      ? (input.spoken ?? forecastDemand(input))
      : { forecast: null, reason: input.forecastOff };
  const forecast = stillAhead(spoken.forecast, now);
  const risk = assessRisk({ ...input, forecast, capacityQps, demandQps, timeZone: spec.timeZone });
  const plan = planStandby(
    { ...input, risk, demandQps, capacityQps, tierQps: spec.capacityQps, forecast, timeZone: spec.timeZone },
    spec.policy,
    now,
  );
  const peaks = forecast === null ? undefined : peakQuantiles(forecast, stepsUntil(forecast, now + leadTimeMs));
  const evaluation: Evaluation = {
    at: now,
    demandQps,
    model: forecast?.model ?? 'none',
    peak:
      peaks === undefined ? null : { p50: atLevel(peaks, 0.5), p90: atLevel(peaks, 0.9), p99: atLevel(peaks, 0.99) },
    risk,
    plan,
    traffic: plainTuning,
    nextInMs: nextEvaluation(input, { capacityQps, demandQps, forecast, score: risk.score }),
  };
  return { evaluation, forecast, reason: spoken.reason };
}

/** Without the steps that are over: a forecast that was made some minutes ago begins in the past. */
function stillAhead(forecast: QuantileForecast | null, now: EpochMs): QuantileForecast | null {
  const over = forecast === null ? 0 : Math.floor((now - forecast.start) / forecast.stepMs);
  if (forecast === null || over <= 0) return forecast;
  if (over >= forecast.values[0]!.length) return null;
  const { start, stepMs, values } = forecast;
  return { ...forecast, start: start + over * stepMs, values: values.map((path) => path.slice(over)) };
}

/** The newest known step, unless it is stale. */
function demandNow(recent: DemandSeries, now: EpochMs): number | null {
  const index = recent.qps.findLastIndex((value) => Number.isFinite(value));
  if (index < 0) return null;
  const end = endOf(recent) - (recent.qps.length - 1 - index) * recent.stepMs;
  return now - end > staleAfterMs ? null : recent.qps[index]!;
}

/** Minutes when hot, up to an hour when calm, and never later than the start a predicted need asks for. */
function nextEvaluation(
  { spec, leadTimeMs, now }: EvaluationInput,
  {
    capacityQps,
    demandQps,
    forecast,
    score,
  }: {
    readonly capacityQps: number;
    readonly demandQps: number | null;
    readonly forecast: QuantileForecast | null;
    readonly score: number;
  },
): number {
  const { share, quantile } = spec.policy.volumeThreshold;
  // A crowd that no model foresaw is as hot as a foreseen one: its next hour is in nobody's past.
  const crowded = demandQps !== null && demandQps >= share * capacityQps;
  const hot = crowded || score >= spec.policy.riskThreshold / 2;
  const byRisk = hot ? 5 * minuteMs : score >= 0.02 ? 15 * minuteMs : hourMs;
  if (forecast === null) return Math.min(byRisk, 5 * minuteMs);
  const step = atLevel(forecast.values, quantile).findIndex((value) => value >= share * capacityQps);
  if (step < 0) return byRisk;
  const start = forecast.start + step * forecast.stepMs - leadTimeMs - 5 * minuteMs;
  return Math.max(minuteMs, Math.min(byRisk, Math.max(5 * minuteMs, start - now)));
}
