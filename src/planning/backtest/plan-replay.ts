import type { DemandSeries } from '../../domain/demand.ts';
import { hourMs, minuteMs } from '../../domain/time.ts';
import { quantileOfSorted, sortedFinite } from '../forecast/quantiles.ts';
import { stepsPerDay } from '../forecast/history.ts';

/** How one standby policy would have done on a stretch of past demand with one hosted VM and one shadow. */
export type PlanOutcome = {
  readonly policy: string;
  readonly threshold: number;
  /** Steps with demand above capacity, and how many of them found a ready shadow. */
  readonly needs: number;
  readonly hits: number;
  /** Hours a shadow was kept (starting or ready) without need. */
  readonly idleHours: number;
  readonly started: number;
  readonly hours: number;
};

export type PlanQuestion = {
  readonly series: DemandSeries;
  readonly capacityQps: number;
  /** First step that is judged. */
  readonly from: number;
  /** The first step that is not judged any more; the end of the series unless told. */
  readonly to?: number;
  readonly leadMs: number;
  readonly dwellMs: number;
  /** Largest p50, p90, p99 over the lead time and slack as forecast at each step; NaN without a forecast. */
  readonly ahead?: { readonly p50: Float64Array; readonly p90: Float64Array; readonly p99: Float64Array };
};

/** 0.8 x the 99.5th percentile of the first half: the capacity the reference judges plans with. */
export function trialCapacity(series: DemandSeries): number {
  const half = sortedFinite(series.qps.slice(0, Math.floor(series.qps.length / 2)));
  return half.length === 0 ? NaN : 0.8 * quantileOfSorted(half, 0.995);
}

/** Does the policy want a shadow at this step, knowing whether it has one? */
type Wants = (step: number, has: boolean) => boolean;

/** A shadow wanted at step i is ready `lead` later; once ready it is kept at least the dwell time. */
export function replayPolicy(question: PlanQuestion, policy: string, threshold: number, wants: Wants): PlanOutcome {
  const { series, capacityQps, from, to = series.qps.length } = question;
  const leadSteps = Math.max(1, Math.ceil(question.leadMs / series.stepMs));
  const dwellSteps = Math.ceil(question.dwellMs / series.stepMs);
  let since: number | undefined;
  let needs = 0;
  let hits = 0;
  let idle = 0;
  let started = 0;
  for (let step = from; step < to; step += 1) {
    const demand = series.qps[step]!;
    const ready = since !== undefined && step >= since + leadSteps;
    if (demand > capacityQps) {
      needs += 1;
      if (ready) hits += 1;
    } else if (since !== undefined) idle += 1;
    // What is decided at the end of this step is known to have happened; the next step sees its effect.
    const has = since !== undefined;
    if (!has && wants(step, false)) {
      since = step + 1;
      started += 1;
    } else if (has && step >= since! + leadSteps + dwellSteps && !wants(step, true)) since = undefined;
  }
  const stepHours = series.stepMs / hourMs;
  return {
    policy,
    threshold,
    needs,
    hits,
    idleHours: idle * stepHours,
    started,
    hours: (to - from) * stepHours,
  };
}

/** Release at 80 % of the threshold that adds, as `planStandby` does. */
const release = 0.8;

/** A shadow that is always there: it hits every need, and idles through the rest. */
export function staticPool(question: PlanQuestion): PlanOutcome {
  const always = replayPolicy(question, 'static pool', 0, () => true);
  // It was there before the first step.
  return { ...always, hits: always.needs };
}

/** Adds when demand now passes a share of capacity. */
export function reactive(question: PlanQuestion, share: number): PlanOutcome {
  const { series, capacityQps } = question;
  const limit = share * capacityQps;
  return replayPolicy(question, 'reactive', share, (step, has) => series.qps[step]! >= (has ? release : 1) * limit);
}

/** Adds when demand at the coming times of last week passed a share of capacity. */
export function lastWeek(question: PlanQuestion, share: number): PlanOutcome {
  const { series, capacityQps } = question;
  const week = 7 * stepsPerDay(series.stepMs);
  const look = Math.ceil((question.leadMs + 5 * minuteMs) / series.stepMs) + 1;
  return replayPolicy(question, 'last week', share, (step, has) => {
    for (let ahead = 1; ahead <= look; ahead += 1) {
      const then = series.qps[step + ahead - week];
      if (then !== undefined && then >= (has ? release : 1) * share * capacityQps) return true;
    }
    return false;
  });
}

/** `planStandby` in small: demand now, or an upper quantile over the lead time, adds; demand and p50 below the release share remove. */
export function foresight(question: PlanQuestion, share: number, quantile: 'p90' | 'p99'): PlanOutcome {
  const { series, capacityQps, ahead } = question;
  const upper = ahead?.[quantile];
  return replayPolicy(question, `umbra ${quantile}`, share, (step, has) => {
    const limit = share * capacityQps;
    const demand = series.qps[step]!;
    if (demand >= capacityQps || (upper !== undefined && upper[step]! >= limit)) return true;
    return has && (demand >= capacityQps * release || (ahead?.p50[step] ?? 0) >= release * limit);
  });
}

/** Pools outcomes of several series: hits and needs add up, and so do hours. */
export function pooled(outcomes: readonly PlanOutcome[]): PlanOutcome {
  const [first] = outcomes;
  const sum = (pick: (outcome: PlanOutcome) => number): number =>
    outcomes.reduce((total, outcome) => total + pick(outcome), 0);
  return {
    policy: first!.policy,
    threshold: first!.threshold,
    needs: sum(({ needs }) => needs),
    hits: sum(({ hits }) => hits),
    idleHours: sum(({ idleHours }) => idleHours),
    started: sum(({ started }) => started),
    hours: sum(({ hours }) => hours),
  };
}

export function hitRate({ hits, needs }: PlanOutcome): number {
  return needs === 0 ? 1 : hits / needs;
}

/** Outcomes that no other beats in both hit rate and idle hours, by idle hours ascending. */
export function paretoFront(outcomes: readonly PlanOutcome[]): PlanOutcome[] {
  const sorted = [...outcomes].sort(
    (left, right) => left.idleHours - right.idleHours || hitRate(right) - hitRate(left),
  );
  const front: PlanOutcome[] = [];
  for (const outcome of sorted)
    if (front.length === 0 || hitRate(outcome) > hitRate(front.at(-1)!)) front.push(outcome);
  return front;
}

/** The share of needs a threshold is fixed for. */
export const wantedHits = 0.99;

/** A policy with the threshold that the past asked for: what it did there, and on what came after. */
export type FixedPlan = { readonly past: PlanOutcome; readonly came: PlanOutcome };

/**
 * The threshold of each kind of policy that met the wanted share of needs at the fewest idle hours, else that met most.
 * @param past every policy and threshold on the earlier part
 * @param came the same ones, in the same order, on the part that judges
 */
export function fixedPlans(
  past: readonly PlanOutcome[],
  came: readonly PlanOutcome[],
  kinds: readonly string[] = ['umbra', 'reactive', 'last week', 'static pool'],
): FixedPlan[] {
  return kinds.flatMap((kind) => {
    const own = past.flatMap((plan, index) =>
      plan.policy.startsWith(kind) ? [{ past: plan, came: came[index]! }] : [],
    );
    const most = Math.max(...own.map((each) => hitRate(each.past)));
    const good = own.filter((each) => hitRate(each.past) >= Math.min(wantedHits, most));
    return good.length === 0
      ? []
      : [good.reduce((best, each) => (each.past.idleHours < best.past.idleHours ? each : best))];
  });
}

/** Thresholds the replay tries. */
export const trialShares = [0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1, 1.1, 1.2] as const;

/** Every policy at every threshold. */
export function replayAll(question: PlanQuestion): PlanOutcome[] {
  return [
    staticPool(question),
    ...trialShares.map((share) => reactive(question, share)),
    ...trialShares.map((share) => lastWeek(question, share)),
    ...(question.ahead === undefined
      ? []
      : [
          ...trialShares.map((share) => foresight(question, share, 'p90')),
          ...trialShares.map((share) => foresight(question, share, 'p99')),
        ]),
  ];
}
