import type { Tier, Warmth } from '../domain/instance.ts';
import type { Risk, StandbyPlan, WantedShadows } from '../domain/plan.ts';
import type { Policy } from '../domain/policy.ts';
import type { Reason } from '../domain/reason.ts';
import { formatDuration, hourMs, minuteMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';
import { atLevel } from '../domain/quantile.ts';
import type { Quantile } from '../domain/quantile.ts';
import type { QuantileForecast } from './forecast/model.ts';
import { peakQuantiles, stepsUntil } from './risk/overload.ts';
import { clockTime } from './risk/score.ts';

/** A shadow that exists or is being made, as the planner needs to know it. */
export type ShadowView = {
  readonly tier: Tier;
  readonly state: 'provisioning' | 'warm' | 'serving' | 'failed';
  readonly warmth: Warmth;
  readonly since: EpochMs;
};

export type StandbyObservation = {
  readonly risk: Risk;
  /** Newest known demand, queries per second. */
  readonly demandQps: number | null;
  /** What serves now carries this together; demand is judged against it. */
  readonly capacityQps: number;
  /** What a 1x instance carries: shadows are sized by it. */
  readonly tierQps: number;
  readonly forecast: QuantileForecast | null;
  readonly leadTimeMs: number;
  readonly shadows: readonly ShadowView[];
  readonly timeZone: string;
};

/** Below this share of a threshold a shadow that was wanted may go: adding and removing must not meet. */
const releaseShare = 0.8;
/** A shadow that starts now should carry demand at least this long after the lead time. */
const carryMs = hourMs;
/** Evaluations come at least this often while something is near; a start is due one interval early. */
const slackMs = 5 * minuteMs;

type Need = { readonly kind: 'now' | 'later' | 'keep'; readonly reason: Reason; readonly at: EpochMs };

/**
 * Which shadows to keep ready, of which size and warmth, and why. Pure; the workflow carries it out.
 *
 * In order of strength: policy's minimum; demand now (reactive, always on); risk; predicted volume. The earliest need
 * minus the lead time decides when to start. An upper quantile adds, a lower one removes, and never on a forecast
 * alone: demand now and the dwell time must agree. The larger of forecast and demand now sizes the shadows.
 */
export function planStandby(observation: StandbyObservation, policy: Policy, now: EpochMs): StandbyPlan {
  const reasons: Reason[] = [];
  const need = findNeed(observation, policy, now);
  const most = policy.maxShadows;
  if (need === undefined || need.kind === 'later') {
    reasons.push(need?.reason ?? calmReason(observation, policy));
    if (policy.minShadows === 0) return { wanted: [], reasons };
  }
  const toCarryQps = sizeToCarry(observation, need, now);
  const choice = chooseTiers(toCarryQps, observation, policy.tiers, Math.min(most, Math.max(policy.minShadows, most)));
  const count = Math.max(choice.count, policy.minShadows);
  const byPolicy: Reason = {
    code: 'min-shadows',
    text: `policy keeps ${policy.minShadows} ready`,
    facts: { minShadows: policy.minShadows },
  };
  // What only keeps shadows explains none that the policy wants anyway.
  const pressed = need?.kind === 'now' || (need?.kind === 'keep' && choice.count > policy.minShadows);
  const reason = pressed ? need.reason : byPolicy;
  if (need?.kind === 'keep') reasons.push(need.reason);
  const granted = Math.min(count, most);
  if (granted < count) {
    reasons.push({
      code: 'limited',
      text: `${count} shadows of ${choice.tier}x are wanted, ${granted} are allowed`,
      facts: { wanted: count, allowed: granted },
    });
  }
  const pressing = need?.kind === 'now' && need.reason.code !== 'risk';
  // A stopped shadow is not capacity: what must carry load within the lead time has to run.
  const warmth: Warmth = pressing && policy.warmth === 'stopped' ? 'hot' : policy.warmth;
  const wanted: WantedShadows[] = granted > 0 ? [{ tier: choice.tier, count: granted, warmth, reason }] : [];
  return { wanted, reasons: [reason, ...reasons.filter((other) => other.code !== reason.code)] };
}

function findNeed(observation: StandbyObservation, policy: Policy, now: EpochMs): Need | undefined {
  const { risk, demandQps, capacityQps, forecast, leadTimeMs, timeZone } = observation;
  const { share, quantile } = policy.volumeThreshold;
  const limitQps = share * capacityQps;
  if (demandQps !== null && demandQps >= limitQps) {
    const facts = { demandQps, capacityQps, share };
    return need(
      'now',
      now,
      'demand-now',
      `demand ${rate(demandQps)} is above ${percent(share)} of capacity ${rate(capacityQps)}`,
      facts,
    );
  }
  if (risk.score >= policy.riskThreshold) {
    const facts = { risk: risk.score, riskThreshold: policy.riskThreshold };
    return need('now', now, 'risk', `risk ${points(risk.score)} is at or above ${points(policy.riskThreshold)}`, facts);
  }
  const passing = forecast === null ? undefined : earliest(forecast, quantile, limitQps);
  if (passing !== undefined) {
    const at = clockTime(passing, timeZone);
    const facts = { quantile, limitQps, at: passing, leadTimeMs };
    const start = passing - leadTimeMs - slackMs;
    if (start <= now) {
      return need(
        'now',
        passing,
        'volume',
        `demand p${quantile * 100} passes ${percent(share)} of capacity at ${at}`,
        facts,
      );
    }
    if (!hasShadow(observation)) {
      const text = `demand p${quantile * 100} passes ${percent(share)} of capacity at ${at}; start at ${clockTime(start, timeZone)}`;
      return need('later', passing, 'volume-later', text, facts);
    }
  }
  return keepNeed(observation, policy, now, passing);
}

/** Why shadows that exist stay: dwell, demand or risk not low enough, or a lower quantile that still needs them. */
function keepNeed(
  { risk, demandQps, capacityQps, forecast, shadows, leadTimeMs }: StandbyObservation,
  policy: Policy,
  now: EpochMs,
  passing: EpochMs | undefined,
): Need | undefined {
  const kept = shadows.filter(({ state }) => state === 'warm' || state === 'provisioning');
  if (kept.length === 0) return undefined;
  const releaseQps = releaseShare * policy.volumeThreshold.share * capacityQps;
  if (demandQps === null)
    return need('keep', now, 'demand-missing', 'demand is not known; nothing is cooled on missing data');
  if (demandQps >= releaseQps) {
    return need('keep', now, 'demand-near', `demand ${rate(demandQps)} is not yet below ${rate(releaseQps)}`, {
      demandQps,
      releaseQps,
    });
  }
  if (risk.score >= releaseShare * policy.riskThreshold) {
    return need(
      'keep',
      now,
      'risk-near',
      `risk ${points(risk.score)} is not yet below ${points(releaseShare * policy.riskThreshold)}`,
    );
  }
  const youngest = Math.max(...kept.map(({ since }) => since));
  if (now - youngest < policy.minDwellMs) {
    const left = formatDuration(policy.minDwellMs - (now - youngest));
    return need('keep', now, 'dwell', `kept another ${left}, so that plans do not flap`);
  }
  if (forecast !== null) {
    const window = stepsUntil(forecast, now + leadTimeMs + policy.minDwellMs);
    const p50 = atLevel(peakQuantiles(forecast, window), 0.5);
    if (p50 >= releaseQps)
      return need('keep', now, 'forecast-near', `demand p50 still reaches ${rate(p50)}`, { p50, releaseQps });
    // Cooling and starting again within one dwell time would cost more than keeping it.
    if (passing !== undefined && passing - now < leadTimeMs + policy.minDwellMs) {
      return need('keep', passing, 'needed-soon', `needed again within ${formatDuration(passing - now)}`);
    }
  }
  return undefined;
}

/** Queries per second the shadows have to carry: the larger of demand now and p90 from the need on. */
function sizeToCarry(
  { forecast, demandQps, leadTimeMs }: StandbyObservation,
  found: Need | undefined,
  now: EpochMs,
): number {
  const until = Math.max(now, found?.at ?? now) + leadTimeMs + carryMs;
  const p90 = forecast === null ? 0 : atLevel(peakQuantiles(forecast, stepsUntil(forecast, until)), 0.9);
  return Math.max(p90, demandQps ?? 0);
}

/** The smallest tier that carries it alone; otherwise as few of the largest as it takes. */
export function chooseTiers(
  toCarryQps: number,
  { tierQps }: Pick<StandbyObservation, 'tierQps'>,
  tiers: readonly Tier[],
  most: number,
): { tier: Tier; count: number } {
  const sorted = [...tiers].sort((left, right) => left - right);
  const smallest = sorted.find((tier) => tier * tierQps >= toCarryQps);
  if (smallest !== undefined) return { tier: smallest, count: 1 };
  const largest = sorted.at(-1) ?? 1;
  return {
    tier: largest,
    count: Math.min(Math.max(1, Math.ceil(toCarryQps / (largest * tierQps))), Math.max(1, most)),
  };
}

function calmReason({ demandQps, capacityQps, forecast, risk }: StandbyObservation, policy: Policy): Reason {
  const facts = {
    risk: risk.score,
    riskThreshold: policy.riskThreshold,
    capacityQps,
    demandQps: demandQps ?? 'unknown',
  };
  if (demandQps === null && forecast === null) {
    return { code: 'no-demand-known', text: 'demand is not known yet; risk is below its threshold', facts };
  }
  return { code: 'within-capacity', text: 'demand and risk stay below their thresholds', facts };
}

function earliest(forecast: QuantileForecast, quantile: Quantile, limitQps: number): EpochMs | undefined {
  const step = atLevel(forecast.values, quantile).findIndex((value) => value >= limitQps);
  return step < 0 ? undefined : forecast.start + step * forecast.stepMs;
}

function hasShadow({ shadows }: StandbyObservation): boolean {
  return shadows.some(({ state }) => state === 'warm' || state === 'provisioning');
}

function need(kind: Need['kind'], at: EpochMs, code: string, text: string, facts?: Reason['facts']): Need {
  return { kind, at, reason: facts === undefined ? { code, text } : { code, text, facts } };
}

const rate = (qps: number): string => `${Number(qps.toPrecision(3))} q/s`;
const percent = (share: number): string => `${Math.round(share * 100)} %`;
const points = (score: number): string => String(Math.round(score * 100));
