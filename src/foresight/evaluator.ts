import { bucketMs } from '../domain/demand.ts';
import type { Instance } from '../domain/instance.ts';
import { dayMs, hourMs, minuteMs, secondMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';
import { evaluate } from '../planning/evaluate.ts';
import type { ForecastModel } from '../planning/forecast/model.ts';
import type { FailureHistory, FailurePrior } from '../planning/risk/failure.ts';
import { fleetPrior, startingPrior } from '../planning/risk/failure.ts';
import type { HealthFactors } from '../planning/risk/health-factors.ts';
import type { ShadowView } from '../planning/standby.ts';
import type { DemandStore } from '../ports/demand-store.ts';
import type { EvaluationRequest, Evaluator } from '../ports/evaluator.ts';
import type { ForecastStore } from '../ports/forecast-store.ts';
import type { Registry } from '../ports/registry.ts';

/** What the models see at most: four weeks of five minutes. */
const historyMs = 28 * dayMs;
const stepMs = 5 * minuteMs;
const horizonMs = 48 * hourMs;
/** The newest bucket is complete about this long after it ended: watermark, batch, commit. */
const settleMs = 5 * secondMs;
/** Until lead times have been measured: a linked clone, a boot and a warm-up. */
const assumedLeadTimeMs = 5 * minuteMs;
/** Failures and lead times of the fleet change slowly; they are read again after this long. */
const fleetAgeMs = 5 * minuteMs;
const mostEvents = 1_000;

export type EvaluatorDeps = {
  readonly demand: Pick<DemandStore, 'read'>;
  readonly registry: Pick<Registry, 'events' | 'views'>;
  readonly forecasts: ForecastStore;
  readonly models: readonly ForecastModel[];
  /** Health of the primary and its node as measured now; undefined where nothing is known. */
  readonly healthOf: (primary: Instance) => Promise<HealthFactors | undefined>;
};

type Fleet = {
  readonly at: EpochMs;
  readonly failures: ReadonlyMap<string, readonly EpochMs[]>;
  readonly prior: FailurePrior;
  readonly leadTimeMs: number;
};

/** Brings together what an evaluation looks at, lets `planning` think, and stores the forecast in full. */
export function createEvaluator(deps: EvaluatorDeps): Evaluator {
  let fleet: Fleet | undefined;
  return {
    async evaluate(request) {
      const { spec, now } = request;
      if (fleet === undefined || now - fleet.at > fleetAgeMs) fleet = await readFleet(deps, now);
      const primary = request.instances.find(({ role }) => role === 'primary');
      const to = Math.floor(now / stepMs) * stepMs;
      const [recent, demandQps, chosen, health] = await Promise.all([
        deps.demand.read({ hostedVmId: spec.id, from: to - historyMs, to, stepMs }),
        demandNow(deps, spec.id, now),
        deps.forecasts.chosen(spec.id),
        primary === undefined ? undefined : deps.healthOf(primary),
      ]);
      const result = evaluate({
        spec,
        recent,
        demandQps,
        state: chosen?.state,
        models: deps.models,
        failures: failuresOf(request, fleet),
        prior: fleet.prior,
        health,
        shadows: shadowsOf(request),
        leadTimeMs: fleet.leadTimeMs,
        now,
        horizonMs,
      });
      const { forecast } = result;
      const stored = forecast === null ? null : { hostedVmId: spec.id, at: now, ...forecast };
      await deps.forecasts.save(spec.id, result.evaluation, stored);
      return result.evaluation;
    },
  };
}

/** Mean of the last complete half minute; undefined while it is missing. */
async function demandNow({ demand }: EvaluatorDeps, hostedVmId: string, now: EpochMs): Promise<number | undefined> {
  const to = Math.floor((now - settleMs) / bucketMs) * bucketMs;
  const { qps } = await demand.read({ hostedVmId, from: to - 3 * bucketMs, to, stepMs: bucketMs });
  const known = qps.filter(Number.isFinite);
  return known.length === 0 ? undefined : known.reduce((sum, each) => sum + each, 0) / known.length;
}

function shadowsOf({ instances, serving }: EvaluationRequest): ShadowView[] {
  return instances
    .filter(({ role, state }) => role === 'shadow' && state.kind !== 'deleted' && state.kind !== 'retired')
    .map(({ id, tier, state }) => ({
      tier,
      since: state.since,
      warmth: state.kind === 'warm' ? state.warmth : 'hot',
      state: serving.includes(id)
        ? 'serving'
        : state.kind === 'provisioning' || state.kind === 'warm'
          ? state.kind
          : 'failed',
    }));
}

function failuresOf({ spec, failoversAt, now }: EvaluationRequest, fleet: Fleet): FailureHistory {
  const known = fleet.failures.get(spec.id) ?? [];
  const at = [...new Set([...known, ...failoversAt])].sort((left, right) => left - right);
  // A hosted VM is taken as watched since its first failure or for 30 days, whichever is longer: no data is no proof of health.
  return { at, watchedSince: Math.min(now - 30 * dayMs, ...at) };
}

/** Umbra's own events teach how often machines fail and how long a shadow takes. */
async function readFleet({ registry }: EvaluatorDeps, now: EpochMs): Promise<Fleet> {
  const [failed, imported, warm, views] = await Promise.all([
    registry.events({ kinds: ['failed-detected'], limit: mostEvents }),
    registry.events({ kinds: ['failure-imported'], limit: mostEvents }),
    registry.events({ kinds: ['shadow-warm'], limit: mostEvents }),
    registry.views(),
  ]);
  const failures = new Map<string, EpochMs[]>();
  for (const { hostedVmId, at } of [...failed, ...imported]) {
    failures.set(hostedVmId, [...(failures.get(hostedVmId) ?? []), at]);
  }
  const histories = views.map(({ id }) => ({ at: failures.get(id) ?? [], watchedSince: now - 30 * dayMs }));
  return {
    at: now,
    failures,
    prior: histories.length === 0 ? startingPrior : fleetPrior(histories, now),
    leadTimeMs: leadTimeOf(warm.flatMap(({ facts }) => (typeof facts['tookMs'] === 'number' ? [facts['tookMs']] : []))),
  };
}

/** 95th percentile of what provisioning and warm-up took; an assumption until twenty have been measured. */
function leadTimeOf(tookMs: readonly number[]): number {
  if (tookMs.length < 20) return Math.max(assumedLeadTimeMs, ...tookMs);
  const sorted = [...tookMs].sort((left, right) => left - right);
  return Math.max(10 * secondMs, sorted[Math.ceil(0.95 * sorted.length) - 1]!);
}
