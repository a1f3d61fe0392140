import { dayMs } from '../../domain/time.ts';
import type { EpochMs } from '../../domain/time.ts';

/** Failures of one hosted VM's primary, from Umbra's own events and imports. */
export type FailureHistory = {
  /** When each failure began. */
  readonly at: readonly EpochMs[];
  /** Since when this hosted VM is watched; failures before it are not counted. */
  readonly watchedSince: EpochMs;
};

/** What the fleet teaches about a machine we know nothing of: `failures` in `exposureMs`, as pseudo-observations. */
export type FailurePrior = { readonly failures: number; readonly exposureMs: number };

/** Before the fleet has taught anything: one failure in 180 days, believed as half an observation. */
export const startingPrior: FailurePrior = { failures: 0.5, exposureMs: 90 * dayMs };

/** A failure counts half after this long: machines are repaired and moved. */
const halfLifeMs = 30 * dayMs;

/** Posterior of the failure rate: Gamma(failures, exposureMs). */
export type FailureRate = { readonly perMs: number; readonly failures: number; readonly exposureMs: number };

/** Gamma-Poisson: prior plus this machine's own failures and time watched, both fading with age. */
export function failureRate(history: FailureHistory | undefined, prior: FailurePrior, now: EpochMs): FailureRate {
  let failures = prior.failures;
  let exposureMs = prior.exposureMs;
  if (history !== undefined) {
    const decay = Math.LN2 / halfLifeMs;
    const watchedMs = Math.max(0, now - history.watchedSince);
    exposureMs += (1 - Math.exp(-decay * watchedMs)) / decay;
    for (const at of history.at) {
      if (at >= history.watchedSince && at <= now) failures += Math.exp(-decay * (now - at));
    }
  }
  return { perMs: failures / exposureMs, failures, exposureMs };
}

/**
 * Empirical Bayes: the prior whose mean is the fleet's rate and whose weight follows how much machines differ
 * (method of moments on the counts). A fleet without failures keeps the starting prior's rate as an upper guess.
 */
export function fleetPrior(fleet: readonly FailureHistory[], now: EpochMs): FailurePrior {
  const exposures = fleet.map((history) => Math.max(0, now - history.watchedSince));
  const total = exposures.reduce((sum, exposure) => sum + exposure, 0) + startingPrior.exposureMs;
  const counts = fleet.map((history) => history.at.filter((at) => at >= history.watchedSince && at <= now).length);
  const rate = (counts.reduce((sum, count) => sum + count, 0) + startingPrior.failures) / total;
  let excess = 0;
  let squares = 0;
  counts.forEach((count, index) => {
    const expected = rate * exposures[index]!;
    excess += (count - expected) ** 2 - expected;
    squares += exposures[index]! ** 2;
  });
  const variance = squares > 0 ? excess / squares : 0;
  // Shape rate^2 / variance, kept between a twentieth and five failures: neither dogma nor no opinion.
  const shape = variance > 0 ? Math.min(5, Math.max(0.05, rate ** 2 / variance)) : Math.min(5, 0.5 + fleet.length / 20);
  return { failures: shape, exposureMs: shape / rate };
}
