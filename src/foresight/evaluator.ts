import type { Instance } from '../domain/instance.ts';
import { dayMs, minuteMs, secondMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';
import { capacityOf } from '../domain/traffic.ts';
import type { Evaluation } from '../domain/plan.ts';
import type { UmbraEvent } from '../domain/event.ts';
import type { Reason } from '../domain/reason.ts';
import { evaluate } from '../planning/evaluate.ts';
import type { EvaluationInput } from '../planning/evaluate.ts';
import type { FailureHistory, FailurePrior } from '../planning/risk/failure.ts';
import { failureRate, fleetPrior, startingPrior } from '../planning/risk/failure.ts';
import { nodeFailuresLastMonth } from '../planning/risk/node-failures.ts';
import { healthCovariates } from '../planning/risk/health-factors.ts';
import type { HealthFactors } from '../planning/risk/health-factors.ts';
import { defaultPace } from '../planning/spawn-guard.ts';
import type { ShadowView } from '../planning/standby.ts';
import type { Belief, BeliefStore, Calibration, HealthWeights } from '../ports/belief-store.ts';
import type { EvaluationRequest, Evaluator } from '../ports/evaluator.ts';
import type { Choice, ForecastStore } from '../ports/forecast-store.ts';
import type { Registry } from '../ports/registry.ts';
import { createForecasting } from './forecasting.ts';
import type { ForecastingDeps } from './forecasting.ts';

/** Until lead times have been measured: a linked clone, a boot and a warm-up. */
const assumedLeadTimeMs = 5 * minuteMs;
/** Failures and lead times of the fleet change slowly; they are read again after this long. */
const fleetAgeMs = 5 * minuteMs;
const mostEvents = 1_000;
/** The fitter looks every ten seconds, and a first fit takes some. */
const untilChosenMs = 2 * minuteMs;

export type EvaluatorDeps = ForecastingDeps & {
  readonly registry: Pick<Registry, 'events' | 'views'>;
  readonly forecasts: Pick<ForecastStore, 'save'>;
  /** A batch forecasts the fleet: what it has stored is read, and made here only where it is missing. */
  readonly isLarge: () => boolean;
  readonly beliefs: Pick<BeliefStore, 'belief' | 'calibration' | 'healthWeights'>;
  /** Health of the primary and its node as measured now; undefined where nothing is known. */
  readonly healthOf: (primary: Instance) => Promise<HealthFactors | undefined>;
  /** The next evaluation comes after this; undefined: when the risk asks for it. */
  readonly everyMs?: number | undefined;
};

type Fleet = {
  readonly at: EpochMs;
  readonly failures: ReadonlyMap<string, readonly EpochMs[]>;
  /** Failures that name the node that caused them. */
  readonly ofNodes: readonly UmbraEvent[];
  readonly prior: FailurePrior;
  readonly leadTimeMs: number;
  readonly calibration: Calibration | undefined;
  readonly healthWeights: HealthWeights | undefined;
};

/** Brings together what an evaluation looks at, lets `planning` think, and stores the forecast in full. */
export function createEvaluator(deps: EvaluatorDeps): Evaluator {
  let fleet: Fleet | undefined;
  const forecasting = createForecasting(deps);
  return {
    async evaluate(request, signal) {
      const { spec, now } = request;
      if (fleet === undefined || now - fleet.at > fleetAgeMs) fleet = await readFleet(deps, now);
      const primary = request.instances.find(({ role }) => role === 'primary');
      const choice = await deps.forecasts.choice(spec.id);
      const ready = deps.isLarge() ? await forecasting.stored(spec.id, choice, now) : undefined;
      const [believed, belief, health] = await Promise.all([
        forecasting.believed(spec.id, ready === undefined ? choice : 'guard', now),
        deps.beliefs.belief(spec.id),
        primary === undefined ? undefined : deps.healthOf(primary),
      ]);
      const spoken = ready ?? (await forecasting.forecast(spec, believed, choice, signal));
      const shadows = shadowsOf(request);
      const servingQps = servingQpsOf(request);
      const input = {
        spec,
        recent: believed.recent,
        spoken,
        forecastOff: belief.drift?.kind === 'off' ? belief.drift.reason : undefined,
        demandQps: believed.demandQps,
        servingQps,
        failures: failuresOf(request, fleet),
        prior: fleet.prior,
        health: withNodeFailures(health, primary, fleet, now),
        healthWeights: fleet.healthWeights,
        calibration: fleet.calibration,
        judgeOverloadByCpu: belief.learned?.kind === 'unexplained',
        shadows,
        leadTimeMs: fleet.leadTimeMs,
        now,
      } satisfies EvaluationInput;
      const result = evaluate(input);
      const words = inWords(result.reason, choice, belief, spec.capacityQps);
      const paced = soon(held(result.evaluation, believed.reason), choice);
      const evaluation = { ...paced, ...words, nextInMs: deps.everyMs ?? paced.nextInMs };
      // A forecast that is not believed is still stored and compared with what comes: that is how it earns belief again.
      const { forecast } = spoken;
      const stored = forecast === null || ready !== undefined ? null : { hostedVmId: spec.id, at: now, ...forecast };
      await deps.forecasts.save(spec.id, evaluation, stored, {
        leadTimeMs: fleet.leadTimeMs,
        capacityQps: servingQps,
        readyShadows: shadows.filter(({ state: at, warmth }) => at === 'warm' && warmth !== 'stopped').length,
        expectedFailures: fleet.leadTimeMs * failureRate(input.failures, fleet.prior, now).perMs,
        ...(input.health === undefined ? {} : { covariates: healthCovariates(input.health) }),
      });
      return evaluation;
    },
  };
}

/** Which model spoke and why, and what was learned of the capacity: for `umbra explain`. */
function inWords(
  spoken: Reason,
  choice: Choice | undefined,
  { drift, learned }: Belief,
  declaredQps: number,
): Pick<Evaluation, 'modelReason' | 'capacityReason'> {
  const doubt = drift?.kind === 'alarm' && drift.reason !== undefined ? `; ${drift.reason.text}` : '';
  const modelReason =
    spoken.code === 'model-chosen' && choice !== undefined ? `${choice.reason.text}${doubt}` : spoken.text;
  return {
    modelReason,
    ...(learned === undefined || learned.kind === 'too-little'
      ? {}
      : { capacityReason: `declared ${Number(declaredQps.toPrecision(3))} q/s; ${learned.text}` }),
  };
}

/** Demand that is held back is said beside the plan, and looked at again as soon as the guard may allow more. */
function held(evaluation: Evaluation, reason: Reason | undefined): Evaluation {
  if (reason === undefined) return evaluation;
  const plan = { ...evaluation.plan, reasons: [...evaluation.plan.reasons, reason] };
  return { ...evaluation, plan, nextInMs: Math.min(evaluation.nextInMs, defaultPace.windowMs) };
}

/** A model is about to be chosen, within minutes of the start: what it says should be seen soon. */
function soon(evaluation: Evaluation, choice: Choice | undefined): Evaluation {
  if (choice !== undefined || evaluation.model === 'none') return evaluation;
  return { ...evaluation, nextInMs: Math.min(evaluation.nextInMs, untilChosenMs) };
}

/** A half-size shadow that stands in is full sooner than the primary was, and two that share later. */
function servingQpsOf({ spec, instances, serving }: EvaluationRequest): number {
  return capacityOf(instances.filter(({ id }) => serving.includes(id))) || spec.capacityQps;
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

function withNodeFailures(
  health: HealthFactors | undefined,
  primary: Instance | undefined,
  { ofNodes }: Fleet,
  now: EpochMs,
): HealthFactors | undefined {
  if (health?.node === undefined || primary === undefined) return health;
  const { cluster } = primary;
  return { ...health, nodeFailuresLastMonth: nodeFailuresLastMonth(ofNodes, { cluster, node: health.node }, now) };
}

/** Umbra's own events teach how often machines fail and how long a shadow takes. */
async function readFleet({ registry, beliefs }: EvaluatorDeps, now: EpochMs): Promise<Fleet> {
  const [failed, imported, warm, views, calibration, healthWeights] = await Promise.all([
    registry.events({ kinds: ['failed-detected'], limit: mostEvents }),
    registry.events({ kinds: ['failure-imported'], limit: mostEvents }),
    registry.events({ kinds: ['shadow-warm'], limit: mostEvents }),
    registry.views(),
    beliefs.calibration(),
    beliefs.healthWeights(),
  ]);
  const failures = new Map<string, EpochMs[]>();
  for (const { hostedVmId, at } of [...failed, ...imported]) {
    failures.set(hostedVmId, [...(failures.get(hostedVmId) ?? []), at]);
  }
  const histories = views.map(({ id }) => ({ at: failures.get(id) ?? [], watchedSince: now - 30 * dayMs }));
  return {
    at: now,
    failures,
    ofNodes: [...failed, ...imported].filter(({ facts }) => typeof facts['node'] === 'string'),
    calibration,
    healthWeights,
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
