import type { Risk } from '../../domain/plan.ts';
import { dayMs } from '../../domain/time.ts';
import type { EpochMs } from '../../domain/time.ts';
import type { QuantileForecast } from '../forecast/model.ts';
import { recalibrate } from './calibration.ts';
import type { RiskCalibration } from './calibration.ts';
import { failureRate, startingPrior } from './failure.ts';
import type { FailureHistory, FailurePrior } from './failure.ts';
import { healthTerms } from './health-factors.ts';
import { leastFailures } from './health-weights.ts';
import type { LearnedWeights } from './health-weights.ts';
import type { HealthFactors } from './health-factors.ts';
import { exceedance, firstPassing, peakQuantiles, stepsUntil } from './overload.ts';
import { atLevel } from '../../domain/quantile.ts';

export type RiskQuestion = {
  /** Null: no forecast; overload is then judged on demand now. */
  readonly forecast: QuantileForecast | null;
  /** Queries per second at which the serving capacity saturates. */
  readonly capacityQps: number;
  /** Newest known demand; null when missing. */
  readonly demandQps: number | null;
  /** Measured p95 of provisioning plus warm-up. */
  readonly leadTimeMs: number;
  readonly failures?: FailureHistory | undefined;
  readonly prior?: FailurePrior | undefined;
  readonly health?: HealthFactors | undefined;
  /** What the fleet has learned of health findings; undefined: nothing is known of it. */
  readonly healthWeights?: Pick<LearnedWeights, 'learned' | 'failures' | 'weights'> | undefined;
  readonly calibration?: RiskCalibration | undefined;
  /** Mean excess above p99 seen in past errors, queries per second. */
  readonly tailScale?: number | undefined;
  /** DNS demand does not explain this VM's load: overload is judged on its CPU. */
  readonly judgeOverloadByCpu?: boolean | undefined;
  /** IANA zone for the times in the texts. */
  readonly timeZone: string;
  readonly now: EpochMs;
};

type Part = Risk['parts'][number];

/**
 * The probability that this hosted VM needs a shadow within the lead time: of demand above capacity (from the
 * maximum of the forecast's quantile paths) or of the primary failing (Gamma-Poisson rate times health factors).
 * The parts share the points in proportion to the log of the probability of *not* needing one.
 */
export function assessRisk(question: RiskQuestion): Risk {
  const { now, leadTimeMs } = question;
  const overload = overloadPart(question);
  const rate = failureRate(question.failures, question.prior ?? startingPrior, now);
  const terms = healthTerms(question.health ?? {}, question.healthWeights?.weights);
  const logFactor = terms.reduce((sum, term) => sum + term.logFactor, 0);
  const failure = 1 - Math.exp(-rate.perMs * leadTimeMs * Math.exp(logFactor));
  const raw = 1 - (1 - overload.probability) * (1 - failure);
  const score = recalibrate(question.calibration, raw);

  const overloadHazard = -Math.log1p(-Math.min(overload.probability, 1 - 1e-9));
  const failureHazard = -Math.log1p(-Math.min(failure, 1 - 1e-9));
  const perHazard = overloadHazard + failureHazard > 0 ? (score * 100) / (overloadHazard + failureHazard) : 0;
  // The rate itself weighs as one natural log unit, so that a single small factor does not take all the credit.
  const perLog = (failureHazard * perHazard) / (1 + logFactor);
  const parts: Part[] = [
    { code: overload.code, points: overloadHazard * perHazard, text: overload.text },
    { code: 'failure-rate', points: perLog, text: rateText(question, rate.perMs) },
    ...terms.map(({ code, text, logFactor: log }) => ({ code, text, points: log * perLog })),
  ];
  return {
    score,
    overload: overload.probability,
    failure,
    parts: parts
      .map((part) => ({ ...part, points: Number(part.points.toFixed(1)) }))
      // A health finding is worth reading even where a short lead time makes it worth no points.
      .filter(({ code, points }) => points > 0 || terms.some((term) => term.code === code))
      .sort((left, right) => right.points - left.points),
    calibrated: question.calibration?.measured ?? false,
    ...(terms.length === 0 ? {} : { healthWeights: weightsText(question.healthWeights) }),
  };
}

/** Whose estimates the weights of health findings are. */
export function weightsText(weights: RiskQuestion['healthWeights']): string {
  const { learned = false, failures = 0 } = weights ?? {};
  if (learned) return `health findings weigh as learned from ${failures} failures of this fleet`;
  return `health findings weigh as published estimates do, until ${leastFailures} failures of this fleet are known (${failures} so far)`;
}

/** `62: demand p99 passes capacity at 18:40 (41), node pve2 failed 2 times this month (21)`. */
export function renderRisk(risk: Risk): string {
  const parts = risk.parts
    .filter(({ points }) => points >= 0.5)
    .map(({ text, points }) => `${text} (${Math.round(points)})`);
  return `${Math.round(risk.score * 100)}${parts.length > 0 ? `: ${parts.join(', ')}` : ''}`;
}

function overloadPart(question: RiskQuestion): { probability: number; code: string; text: string } {
  const { forecast, capacityQps, demandQps, now, leadTimeMs, timeZone } = question;
  const cpu = question.health?.cpu;
  if (question.judgeOverloadByCpu === true && cpu !== undefined) {
    // Without a forecast of CPU: logistic around saturation at 85 %, one tenth of CPU to go from even to one in twenty.
    const probability = 1 / (1 + Math.exp(-(cpu - 0.85) * 30));
    return { probability, code: 'cpu', text: `CPU at ${Math.round(cpu * 100)} %` };
  }
  const saturated = demandQps !== null && demandQps > capacityQps;
  if (forecast === null) {
    if (demandQps === null) return { probability: 0, code: 'overload', text: 'demand is not known' };
    const share = Math.round((100 * demandQps) / capacityQps);
    return { probability: saturated ? 1 : 0, code: 'demand-now', text: `demand is ${share} % of capacity now` };
  }
  if (saturated) {
    const share = Math.round((100 * demandQps) / capacityQps);
    return { probability: 1, code: 'demand-now', text: `demand is ${share} % of capacity now` };
  }
  const peaks = peakQuantiles(forecast, stepsUntil(forecast, now + leadTimeMs));
  const probability = exceedance(peaks, capacityQps, question.tailScale);
  for (const [level, name] of [
    [0.5, 'p50'],
    [0.9, 'p90'],
    [0.99, 'p99'],
  ] as const) {
    const at = firstPassing(forecast, level, capacityQps);
    if (at !== undefined) {
      return { probability, code: 'overload', text: `demand ${name} passes capacity at ${clockTime(at, timeZone)}` };
    }
  }
  return {
    probability,
    code: 'overload',
    text: `demand p99 stays at ${Math.round((100 * atLevel(peaks, 0.99)) / capacityQps)} % of capacity`,
  };
}

function rateText({ failures, now }: RiskQuestion, perMs: number): string {
  const lately = failures?.at.filter((at) => at > now - 30 * dayMs && at <= now).length ?? 0;
  if (lately > 0) return `failed ${lately === 1 ? 'once' : `${lately} times`} in 30 days`;
  return `fails about once in ${Math.max(1, Math.round(1 / (perMs * dayMs)))} days`;
}

/** `18:40` in the hosted VM's time zone. */
export function clockTime(at: EpochMs, timeZone: string): string {
  return new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone }).format(new Date(at));
}
