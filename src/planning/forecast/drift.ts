import type { Reason } from '../../domain/reason.ts';
import type { EpochMs } from '../../domain/time.ts';

/** What was said of one step, an hour or so ahead, and what came. */
export type ForecastOutcome = {
  readonly at: EpochMs;
  readonly actual: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
};

export type Drift =
  | { readonly kind: 'ok'; readonly coverage: number | null }
  | { readonly kind: 'alarm'; readonly coverage: number; readonly reason: Reason }
  /** Forecasts are not used until they have been good again for as many outcomes; the reactive path decides. */
  | { readonly kind: 'off'; readonly coverage: number | null; readonly reason: Reason };

export type DriftLimits = {
  /** Share of steps at or below p90 that is still believed. */
  readonly coverageFrom: number;
  readonly coverageTo: number;
  /** Outcomes a coverage is measured on. */
  readonly window: number;
  /** Consecutive steps above p99 that switch forecasts off. */
  readonly missesToSwitchOff: number;
};

/** A day of 5-minute steps; an hour above p99 in a row has no business in a forecast that is right. */
export const driftLimits: DriftLimits = { coverageFrom: 0.8, coverageTo: 0.97, window: 288, missesToSwitchOff: 12 };

/** Judges the newest outcomes (ascending by time): an alarm when coverage leaves its band, off after too many misses in a row. */
export function assessDrift(outcomes: readonly ForecastOutcome[], limits: DriftLimits = driftLimits): Drift {
  const recent = outcomes.filter(({ actual }) => Number.isFinite(actual)).slice(-limits.window);
  const covered = recent.filter(({ actual, p90 }) => actual <= p90).length;
  const coverage = recent.length > 0 ? covered / recent.length : null;
  const lastGood = recent.findLastIndex(({ actual, p99 }) => actual <= p99);
  const misses = recent.length - 1 - lastGood;
  if (misses >= limits.missesToSwitchOff) {
    return { kind: 'off', coverage, reason: offReason(misses) };
  }
  // After such a run it stays off until as many steps in a row were fine.
  if (wasOffAndNotYetGood(recent, limits))
    return { kind: 'off', coverage, reason: offReason(limits.missesToSwitchOff) };
  if (coverage === null || recent.length < limits.window / 2) return { kind: 'ok', coverage };
  if (coverage < limits.coverageFrom || coverage > limits.coverageTo) {
    const text = `p90 covered ${Math.round(coverage * 100)} % of the last ${recent.length} steps; ${limits.coverageFrom * 100}-${limits.coverageTo * 100} % is believed`;
    return {
      kind: 'alarm',
      coverage,
      reason: { code: 'coverage-drift', text, facts: { coverage, steps: recent.length } },
    };
  }
  return { kind: 'ok', coverage };
}

function wasOffAndNotYetGood(recent: readonly ForecastOutcome[], { missesToSwitchOff }: DriftLimits): boolean {
  let misses = 0;
  let good = 0;
  let off = false;
  for (const { actual, p99 } of recent) {
    if (actual > p99) {
      misses += 1;
      good = 0;
      if (misses >= missesToSwitchOff) off = true;
    } else {
      misses = 0;
      good += 1;
      if (good >= missesToSwitchOff) off = false;
    }
  }
  return off;
}

function offReason(misses: number): Reason {
  return {
    code: 'forecast-off',
    text: `demand was above p99 for ${misses} steps in a row; forecasts are off and demand now decides`,
    facts: { misses },
  };
}
