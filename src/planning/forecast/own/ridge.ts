import { solveCholesky } from '../../cholesky.ts';

/** Rows of equal width in one flat array, with a target and a weight each. */
export type Rows = {
  readonly count: number;
  readonly width: number;
  readonly values: Float64Array;
  readonly targets: Float64Array;
  readonly weights: Float64Array;
};

/** `intercept + sum coefficients[j] * x[j]` on the caller's own scale. */
export type Linear = { readonly intercept: number; readonly coefficients: readonly number[] };

/**
 * Ridge regression on standardised columns, centred by the weights, then Huber re-weightings
 * w = w0 min(1, k / |r|) with k = 1.5 x 1.4826 x median |r|: outliers are incidents, not demand.
 * @param lambda penalty per unit of weight
 */
export function fitRidge(rows: Rows, lambda: number | ((column: number) => number), reweightings = 2): Linear {
  const { count, width, values, targets, weights } = rows;
  const { means, scales } = standardisation(rows);
  const standard = new Float64Array(count * width);
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const at = row * width + column;
      standard[at] = (values[at]! - means[column]!) / scales[column]!;
    }
  }
  let current = weights;
  let solution: { intercept: number; beta: Float64Array };
  const residuals = new Float64Array(count);
  for (let round = 0; ; round += 1) {
    solution = solveOnce(standard, targets, current, count, width, lambda);
    if (round >= reweightings) break;
    for (let row = 0; row < count; row += 1) {
      let sum = solution.intercept;
      for (let column = 0; column < width; column += 1) sum += solution.beta[column]! * standard[row * width + column]!;
      residuals[row] = Math.abs(targets[row]! - sum);
    }
    const sorted = residuals.slice().sort();
    const limit = 1.5 * 1.4826 * (sorted[sorted.length >> 1] ?? 0);
    if (!(limit > 0)) break;
    const next = new Float64Array(count);
    for (let row = 0; row < count; row += 1) next[row] = weights[row]! * Math.min(1, limit / residuals[row]!);
    current = next;
  }
  let { intercept } = solution;
  const coefficients: number[] = [];
  for (let column = 0; column < width; column += 1) {
    const coefficient = solution.beta[column]! / scales[column]!;
    coefficients.push(coefficient);
    intercept -= coefficient * means[column]!;
  }
  return { intercept, coefficients };
}

function standardisation({ count, width, values, weights }: Rows): { means: Float64Array; scales: Float64Array } {
  const means = new Float64Array(width);
  const squares = new Float64Array(width);
  let total = 0;
  for (let row = 0; row < count; row += 1) {
    const weight = weights[row]!;
    total += weight;
    for (let column = 0; column < width; column += 1) means[column]! += weight * values[row * width + column]!;
  }
  for (let column = 0; column < width; column += 1) means[column]! /= total || 1;
  for (let row = 0; row < count; row += 1) {
    const weight = weights[row]!;
    for (let column = 0; column < width; column += 1) {
      const gap = values[row * width + column]! - means[column]!;
      squares[column]! += weight * gap * gap;
    }
  }
  const scales = squares.map((square) => {
    const scale = Math.sqrt(square / (total || 1));
    return scale > 1e-9 ? scale : 1;
  });
  return { means, scales };
}

function solveOnce(
  standard: Float64Array,
  targets: Float64Array,
  weights: Float64Array,
  count: number,
  width: number,
  lambda: number | ((column: number) => number),
): { intercept: number; beta: Float64Array } {
  const size = width + 1;
  const gram = new Float64Array(size * size);
  const right = new Float64Array(size);
  const scaled = new Float64Array(width);
  for (let row = 0; row < count; row += 1) {
    const weight = weights[row]!;
    const start = row * width;
    const target = targets[row]!;
    gram[0]! += weight;
    right[0]! += weight * target;
    for (let column = 0; column < width; column += 1) scaled[column] = weight * standard[start + column]!;
    for (let column = 0; column < width; column += 1) {
      const line = (column + 1) * size;
      const value = standard[start + column]!;
      gram[line]! += scaled[column]!;
      right[column + 1]! += scaled[column]! * target;
      for (let other = 0; other <= column; other += 1) gram[line + other + 1]! += value * scaled[other]!;
    }
  }
  const total = gram[0]!;
  for (let column = 0; column < width; column += 1) {
    const penalty = typeof lambda === 'number' ? lambda : lambda(column);
    gram[(column + 1) * size + column + 1]! += penalty * total + 1e-9;
  }
  if (!(total > 0) || !solveCholesky(gram, right, size)) return { intercept: 0, beta: new Float64Array(width) };
  return { intercept: right[0]!, beta: right.slice(1) };
}

/** Value of a linear model on one row. */
export function linearAt(model: Linear, values: Float64Array, start = 0): number {
  const { coefficients } = model;
  let sum = model.intercept;
  for (let column = 0; column < coefficients.length; column += 1)
    sum += coefficients[column]! * values[start + column]!;
  return sum;
}
