import { healthCovariates, healthTerms, startingWeights } from './health-factors.ts';
import type { HealthFactors, HealthWeights } from './health-factors.ts';

/** Health at a moment, and whether the primary failed within the following lead time. */
export type HealthOutcome = { readonly health: HealthFactors; readonly failed: boolean };

export type LearnedWeights = { readonly weights: HealthWeights; readonly learned: boolean; readonly text: string };

/** Failures the fleet must have seen before its own regression is believed. */
const leastFailures = 30;
const rounds = 200;

/**
 * Logistic regression of failures on the health covariates, pulled towards the published starting weights
 * (penalty `pull` per squared difference), by gradient ascent with a step from the curvature. Below 30 failures the
 * starting weights stay, and the text says so.
 */
export function learnHealthWeights(outcomes: readonly HealthOutcome[], pull = 5): LearnedWeights {
  const failures = outcomes.filter(({ failed }) => failed).length;
  if (failures < leastFailures) {
    return {
      weights: startingWeights,
      learned: false,
      text: `health factors are published priors: ${failures} of ${leastFailures} failures seen`,
    };
  }
  const codes = healthCovariates.map(({ code }) => code) as (keyof HealthWeights)[];
  const ones = Object.fromEntries(codes.map((code) => [code, 1])) as HealthWeights;
  const rows = outcomes.map(({ health, failed }) => {
    const terms = healthTerms(health, ones);
    return { x: codes.map((code) => terms.find((term) => term.code === code)?.logFactor ?? 0), failed };
  });
  const beta = codes.map((code) => startingWeights[code]);
  let intercept = Math.log(failures / Math.max(1, rows.length - failures));
  for (let round = 0; round < rounds; round += 1) {
    const gradient = codes.map((code, index) => -pull * (beta[index]! - startingWeights[code]));
    const curvature = codes.map(() => pull);
    let gradient0 = 0;
    let curvature0 = 1e-6;
    for (const { x, failed } of rows) {
      const score = x.reduce((sum, value, index) => sum + value * beta[index]!, intercept);
      const p = 1 / (1 + Math.exp(-score));
      const miss = Number(failed) - p;
      gradient0 += miss;
      curvature0 += p * (1 - p);
      x.forEach((value, index) => {
        gradient[index]! += miss * value;
        curvature[index]! += p * (1 - p) * value * value;
      });
    }
    intercept += gradient0 / curvature0 / 2;
    // Half steps of the diagonal curvature: slow and safe, columns are correlated.
    codes.forEach((_, index) => (beta[index] = Math.max(0, beta[index]! + gradient[index]! / curvature[index]! / 2)));
  }
  const weights = Object.fromEntries(codes.map((code, index) => [code, beta[index]!])) as HealthWeights;
  return { weights, learned: true, text: `health factors are learned from ${failures} failures of this fleet` };
}
