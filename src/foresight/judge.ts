import { bucketMs } from '../domain/demand.ts';
import type { DemandSeries } from '../domain/demand.ts';
import type { UmbraEvent } from '../domain/event.ts';
import { dayMs, hourMs, minuteMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';
import { assessDrift, driftLimits } from '../planning/forecast/drift.ts';
import { priorWeights } from '../planning/risk/health-factors.ts';
import { learnWeights } from '../planning/risk/health-weights.ts';
import type { LearnedWeights } from '../planning/risk/health-weights.ts';
import { calibrationFrom } from '../planning/risk/calibration.ts';
import type { BeliefStore, Drift } from '../ports/belief-store.ts';
import type { DemandStore } from '../ports/demand-store.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { FitLedger } from '../ports/fit-ledger.ts';
import type {
  FindingOutcome,
  JudgedEvaluation,
  OutcomeStore,
  StepOutcome,
  UnjudgedEvaluation,
} from '../ports/outcome-store.ts';
import type { Registry } from '../ports/registry.ts';
import { guardedDemand } from './guarding.ts';
import { stepMs } from './history.ts';
import { judgeEvaluation, needsIn } from './needs.ts';

/** What was said of a step this long before it began: about a lead time and the wait for the next evaluation. */
export const aheadMs = 15 * minuteMs;
/** A bucket is complete, and a failure told, about this long after it ended. */
const settleMs = minuteMs;
/** Steps are compared this far back; a judge that was away longer leaves the older ones out. */
const compareBackMs = 6 * hourMs;
/** Judged at once: a round stays short, the rest waits for the next. */
const mostAtOnce = 2_000;
/** Hosted VMs per question, so that no answer is large. */
const idsAtOnce = 200;
/** Calibration is measured on the newest outcomes of the fleet. */
const calibrationOutcomes = 50_000;
/** Demand that is above capacity already has been so since when: looked for this far back. */
const begunBackMs = hourMs;
const keepMs = 30 * dayMs;
const mostEvents = 1_000;

export type JudgeDeps = {
  readonly demand: Pick<DemandStore, 'readMany' | 'readMeasures'>;
  readonly registry: Pick<Registry, 'events'>;
  readonly outcomes: OutcomeStore;
  readonly beliefs: BeliefStore;
  readonly ledger: Pick<FitLedger, 'hasten'>;
  readonly events: EventLog;
  readonly hostedVmIds: () => Promise<readonly string[]>;
};

/**
 * Compares what was said with what came, once a minute: risks with needs, forecasts with demand. Corrects the risk
 * score where it was wrong, raises an alarm where a forecast drifts, and switches it off where it fails. Two judges
 * that overlap write the same rows.
 *
 * What came is demand as the spawn guard believes it, as in the forecasts themselves: a flood is neither a need that
 * teaches the fleet higher risks nor a miss that switches a forecast off. The guard only ever takes away, so it is asked
 * where what was counted would say something.
 */
export async function judge(deps: JudgeDeps, now: EpochMs): Promise<{ judged: number; compared: number }> {
  const judged = await judgeRisks(deps, now);
  const compared = await compareForecasts(deps, now);
  if (judged > 0) {
    const outcomes = await deps.outcomes.risks(calibrationOutcomes);
    const raw = outcomes.map(({ raw: score, needed }) => ({ score, needed }));
    await deps.beliefs.setCalibration(now, calibrationFrom(raw));
    await deps.beliefs.setHealthWeights(now, weightsFrom(await deps.outcomes.findings(calibrationOutcomes)));
    await deps.outcomes.tidy(now - keepMs);
  }
  return { judged, compared };
}

/** Several evaluations may see one failure coming: it is one failure. */
function weightsFrom(outcomes: readonly FindingOutcome[]): LearnedWeights {
  const failures = new Set(
    outcomes.flatMap((each) => (each.failedAt === null ? [] : [`${each.hostedVmId}@${each.failedAt}`])),
  );
  const failed = outcomes.map(({ failedAt, expected, covariates }) => ({
    failed: failedAt !== null,
    expected,
    covariates,
  }));
  return learnWeights(failed, priorWeights, failures.size);
}

async function judgeRisks(deps: JudgeDeps, now: EpochMs): Promise<number> {
  const pending = await deps.outcomes.unjudged(now - settleMs, mostAtOnce);
  const [oldest] = pending;
  if (oldest === undefined) return 0;
  const byId = new Map<string, UnjudgedEvaluation[]>();
  for (const each of pending) byId.set(each.hostedVmId, [...(byId.get(each.hostedVmId) ?? []), each]);
  const happened = await deps.registry.events({
    kinds: ['failed-detected', 'overloaded-detected'],
    limit: mostEvents,
  });
  let count = 0;
  for (const ids of batches([...byId.keys()])) {
    const all = ids.flatMap((id) => byId.get(id)!);
    const from = Math.floor((Math.min(...all.map(({ at }) => at)) - begunBackMs) / minuteMs) * minuteMs;
    const to = Math.max(...all.map(({ at, leadTimeMs }) => at + leadTimeMs));
    const series = await deps.demand.readMany({ hostedVmIds: ids, from, to, stepMs: minuteMs });
    const judged: JudgedEvaluation[] = [];
    for (const id of ids) {
      const counted = series.get(id)!;
      const said = byId.get(id)!;
      const above = counted.qps.some((qps) => said.some(({ capacityQps }) => qps > capacityQps));
      const demand = above ? await guardedDemand(deps, { hostedVmId: id, from, to, stepMs: minuteMs }) : counted;
      const events = happened.filter(({ hostedVmId }) => hostedVmId === id);
      judged.push(...said.map((each) => judgeEvaluation(each, demand, needsIn(demand, each.capacityQps, events))));
    }
    await deps.outcomes.judge(judged);
    count += judged.length;
  }
  return count;
}

async function compareForecasts(deps: JudgeDeps, now: EpochMs): Promise<number> {
  const to = Math.floor((now - settleMs) / stepMs) * stepMs;
  let count = 0;
  for (const ids of batches(await deps.hostedVmIds())) {
    const steps = { from: to - compareBackMs, to, stepMs, aheadMs };
    const said = await deps.outcomes.uncompared(ids, steps);
    if (said.length === 0) continue;
    const from = Math.min(...said.map(({ at }) => at));
    const counted = await deps.demand.readMany({ hostedVmIds: ids, from, to, stepMs });
    const series = new Map(counted);
    const above = said.filter((each) => demandAt(counted, each) > each.p90).map(({ hostedVmId }) => hostedVmId);
    for (const hostedVmId of new Set(above))
      series.set(hostedVmId, await guardedDemand(deps, { hostedVmId, from, to, stepMs }));
    const outcomes = said
      .map((each): StepOutcome => ({ ...each, actual: demandAt(series, each) }))
      .filter(({ actual }) => Number.isFinite(actual));
    await deps.outcomes.compare(outcomes);
    count += outcomes.length;
    await judgeDrift(deps, [...new Set(outcomes.map(({ hostedVmId }) => hostedVmId))], now);
  }
  return count;
}

function demandAt(
  series: ReadonlyMap<string, DemandSeries>,
  { hostedVmId, at }: { readonly hostedVmId: string; readonly at: EpochMs },
): number {
  const { start, qps } = series.get(hostedVmId)!;
  return qps[(at - start) / stepMs] ?? NaN;
}

/** Looks at the newest day of each; says so when belief changes. */
async function judgeDrift(deps: JudgeDeps, ids: readonly string[], now: EpochMs): Promise<void> {
  const [steps, beliefs] = await Promise.all([deps.outcomes.steps(ids, driftLimits.window), deps.beliefs.beliefs()]);
  for (const id of ids) {
    const outcomes = steps.get(id) ?? [];
    const found = assessDrift(outcomes);
    const before = beliefs.get(id)?.drift;
    const changed = (before?.kind ?? 'ok') !== found.kind;
    const drift: Drift = {
      kind: found.kind,
      since: before === undefined || changed ? now : before.since,
      coverage90: share(outcomes, ({ actual, p90 }) => actual <= p90),
      coverage99: share(outcomes, ({ actual, p99 }) => actual <= p99),
      steps: outcomes.length,
      ...(found.kind === 'ok' ? {} : { reason: found.reason }),
    };
    await deps.beliefs.setDrift(id, drift);
    if (!changed) continue;
    await deps.events.append([driftEvent(id, now, drift)]);
    // What it was fitted on no longer holds: the newest days may teach it better.
    if (found.kind !== 'ok') await deps.ledger.hasten(id, now);
  }
}

function share(outcomes: readonly StepOutcome[], holds: (outcome: StepOutcome) => boolean): number | null {
  return outcomes.length === 0 ? null : outcomes.filter(holds).length / outcomes.length;
}

function driftEvent(hostedVmId: string, at: EpochMs, { kind, coverage90, steps, reason }: Drift): UmbraEvent {
  const kinds = { ok: 'forecast-trusted', alarm: 'forecast-drift', off: 'forecast-off' } as const;
  const back = { code: 'forecast-trusted', text: 'forecasts hold again what they promise and are used' };
  return {
    id: `${hostedVmId}/${kinds[kind]}/${at - (at % (bucketMs * 6))}`,
    at,
    hostedVmId,
    kind: kinds[kind],
    actor: 'planner',
    reason: reason ?? back,
    facts: { coverage90, steps },
  };
}

function batches(ids: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(ids.length / idsAtOnce) }, (_, index) =>
    ids.slice(index * idsAtOnce, (index + 1) * idsAtOnce),
  );
}
