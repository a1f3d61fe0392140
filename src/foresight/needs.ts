import type { DemandSeries } from '../domain/demand.ts';
import type { UmbraEvent } from '../domain/event.ts';
import type { Evaluation } from '../domain/plan.ts';
import type { EpochMs } from '../domain/time.ts';
import { renderRisk } from '../planning/risk/score.ts';
import type { JudgedEvaluation, UnjudgedEvaluation } from '../ports/outcome-store.ts';

/** When a shadow was needed, and why. */
export type NeedFound = {
  readonly at: EpochMs;
  readonly text: string;
  readonly by: 'demand' | 'event';
  /** The primary had failed, and was not merely overloaded. */
  readonly failure: boolean;
};

/** An evaluation that was due and did not come keeps no shadow idle longer than this. */
const longestIdleFactor = 2;

/**
 * Every moment at which a shadow began to be needed: demand passed capacity, or the serving instance was found failed or
 * overloaded. Demand that stays above capacity is one need; a step that is missing ends nothing and begins nothing.
 */
export function needsIn(
  demand: DemandSeries,
  capacityQps: number,
  events: readonly Pick<UmbraEvent, 'at' | 'reason' | 'kind'>[],
): NeedFound[] {
  const needs: NeedFound[] = events.map(({ at, reason, kind }) => ({
    ...{ at, text: reason.text, by: 'event' },
    failure: kind === 'failed-detected',
  }));
  let above = false;
  demand.qps.forEach((qps, index) => {
    if (!Number.isFinite(qps)) return;
    if (qps > capacityQps && !above) {
      const at = demand.start + index * demand.stepMs;
      const text = `demand of ${number(qps)} q/s passed the ${number(capacityQps)} q/s that serve`;
      needs.push({ at, text, by: 'demand', failure: false });
    }
    above = qps > capacityQps;
  });
  return needs.sort((left, right) => left.at - right.at);
}

/**
 * What came of one evaluation. Demand that was above capacity all along is a need from the first step on.
 */
export function judgeEvaluation(
  evaluation: UnjudgedEvaluation,
  demand: DemandSeries,
  needs: readonly NeedFound[],
): JudgedEvaluation {
  const { hostedVmId, at, leadTimeMs, capacityQps, readyShadows, nextAt } = evaluation;
  const { risk, nextInMs } = evaluation.evaluation;
  const until = at + leadTimeMs;
  const steps = demand.qps.flatMap((qps, index) => {
    const start = demand.start + index * demand.stepMs;
    return Number.isFinite(qps) && start + demand.stepMs > at && start < until ? [{ start, qps }] : [];
  });
  const begun = needs.filter((need) => need.at <= until);
  const inside = begun.find((need) => need.at > at);
  const lasting = steps.some(({ qps }) => qps > capacityQps) ? begun.findLast(({ by }) => by === 'demand') : undefined;
  const need = inside ?? lasting;
  const idleMs = Math.max(0, Math.min((nextAt ?? at + nextInMs) - at, longestIdleFactor * nextInMs));
  return {
    hostedVmId,
    at,
    raw: 1 - (1 - risk.overload) * (1 - risk.failure),
    score: risk.score,
    needed: need !== undefined ? true : steps.length > 0 ? false : null,
    needAt: need?.at ?? null,
    need: need?.text ?? null,
    known: knownThen(evaluation.evaluation),
    readyShadows,
    idleMs: need === undefined ? readyShadows * idleMs : 0,
    failedAt: begun.find(({ failure, at: when }) => failure && when > at)?.at ?? null,
    expectedFailures: evaluation.expectedFailures ?? null,
    covariates: evaluation.covariates ?? null,
  };
}

/** `risk 4: demand p99 stays at 78 % of capacity (3); p90 98 q/s by umbra`. */
function knownThen({ risk, peak, model }: Evaluation): string {
  return `risk ${renderRisk(risk)}${peak === null ? '; no forecast' : `; p90 ${number(peak.p90)} q/s by ${model}`}`;
}

function number(value: number): string {
  return String(Number(value.toPrecision(3)));
}
