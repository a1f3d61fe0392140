import { solveCholesky } from '../cholesky.ts';

/** An evaluation that has been judged: did the primary fail within the lead time, and what was found beforehand. */
export type FailureOutcome = {
  readonly failed: boolean;
  /** Failures expected in the lead time before any finding is counted. */
  readonly expected: number;
  /** Sizes of the findings by code; what was not found is left out. */
  readonly covariates: Readonly<Record<string, number>>;
};

/** Log rate ratio per unit of each finding, by code. */
export type HealthWeights = Readonly<Record<string, number>>;

export type LearnedWeights = {
  /** False until enough failures are known: then `weights` are the priors. */
  readonly learned: boolean;
  readonly failures: number;
  readonly outcomes: number;
  readonly weights: HealthWeights;
};

/** Fewer failures than this teach nothing about a dozen weights. */
export const leastFailures = 30;
/** How far a weight may be from its prior, as a standard deviation: by half of itself, and a little more. */
const spreadOf = (prior: number): number => 0.5 * prior + 0.2;
/** The rate itself may be off by a factor of e or so; it is learned elsewhere and only must not be blamed on findings. */
const rateSpread = 1;
const mostSteps = 50;
/** A finding larger than this says no more, and one that is absurd must not decide alone. */
const mostSize = 20;

/**
 * Poisson regression of failures on findings, with the expected failures as offset and a normal prior on each weight
 * (maximum a posteriori by Newton's method): where the fleet has shown nothing of a finding, its weight stays the prior.
 * A finding never makes a failure less likely.
 * @param failures how many different failures the outcomes saw: several evaluations may see one coming
 */
export function learnWeights(
  outcomes: readonly FailureOutcome[],
  priors: HealthWeights,
  failures: number,
): LearnedWeights {
  const counted = { failures, outcomes: outcomes.length };
  if (failures < leastFailures) return { learned: false, ...counted, weights: priors };
  const codes = Object.keys(priors);
  const means = [0, ...codes.map((code) => priors[code]!)];
  const precisions = [1 / rateSpread ** 2, ...codes.map((code) => 1 / spreadOf(priors[code]!) ** 2)];
  const groups = grouped(outcomes, codes);
  let beta = [...means];
  let best = logPosterior(groups, beta, means, precisions);
  for (let step = 0; step < mostSteps; step += 1) {
    const move = newtonStep(groups, beta, means, precisions);
    // Half a step, and half of that, until it is one up: the exponential overshoots.
    let share = 1;
    let next = beta;
    let value = -Infinity;
    for (; share > 1e-4; share /= 2) {
      next = beta.map((each, index) => each + share * move[index]!);
      value = logPosterior(groups, next, means, precisions);
      if (value >= best) break;
    }
    if (value <= best + 1e-9) break;
    [beta, best] = [next, value];
  }
  if (!beta.every(Number.isFinite)) return { learned: false, ...counted, weights: priors };
  const weights = Object.fromEntries(codes.map((code, index) => [code, Math.max(0, round(beta[index + 1]!))]));
  return { learned: true, ...counted, weights };
}

/** Outcomes with the same findings, added up: most have none. */
type Group = { readonly x: readonly number[]; readonly failed: number; readonly expected: number };

function grouped(outcomes: readonly FailureOutcome[], codes: readonly string[]): Group[] {
  const groups = new Map<string, { x: number[]; failed: number; expected: number }>();
  for (const { failed, expected, covariates } of outcomes) {
    const x = [1, ...codes.map((code) => Math.min(mostSize, covariates[code] ?? 0))];
    const key = x.map((size) => size.toPrecision(3)).join();
    const group = groups.get(key) ?? { x, failed: 0, expected: 0 };
    group.failed += Number(failed);
    group.expected += expected;
    groups.set(key, group);
  }
  return [...groups.values()];
}

const linear = (x: readonly number[], beta: readonly number[]): number =>
  Math.min(
    30,
    x.reduce((sum, size, index) => sum + size * beta[index]!, 0),
  );

function logPosterior(
  groups: readonly Group[],
  beta: readonly number[],
  means: readonly number[],
  precisions: readonly number[],
): number {
  const fit = groups.reduce((sum, { x, failed, expected }) => {
    const log = linear(x, beta);
    return sum + failed * log - expected * Math.exp(log);
  }, 0);
  return beta.reduce((sum, each, index) => sum - 0.5 * precisions[index]! * (each - means[index]!) ** 2, fit);
}

/** Solves (X'MX + P) d = X'(y - m) - P (beta - mean). */
function newtonStep(
  groups: readonly Group[],
  beta: readonly number[],
  means: readonly number[],
  precisions: readonly number[],
): Float64Array {
  const width = beta.length;
  const matrix = new Float64Array(width * width);
  precisions.forEach((precision, index) => (matrix[index * (width + 1)] = precision));
  const right = Float64Array.from(beta, (each, index) => -precisions[index]! * (each - means[index]!));
  for (const { x, failed, expected } of groups) {
    const mean = expected * Math.exp(linear(x, beta));
    for (let row = 0; row < width; row += 1) {
      if (x[row] === 0) continue;
      right[row]! += x[row]! * (failed - mean);
      for (let column = 0; column <= row; column += 1) matrix[row * width + column]! += mean * x[row]! * x[column]!;
    }
  }
  // The priors make it positive definite, unless an outcome is no number: then nothing is learned.
  return solveCholesky(matrix, right, width) ? right : right.fill(NaN);
}

const round = (value: number): number => Number(value.toPrecision(4));
