/** Empirical quantile of type 7 (linear between order statistics; the default of R and numpy). @param sorted ascending, not empty */
export function quantileOfSorted(sorted: ArrayLike<number>, level: number): number {
  const place = (sorted.length - 1) * level;
  const below = Math.floor(place);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (place - below);
}

/** Finite values only, ascending. */
export function sortedFinite(values: Iterable<number>): Float64Array {
  const finite: number[] = [];
  for (const value of values) if (Number.isFinite(value)) finite.push(value);
  return Float64Array.from(finite).sort();
}

/**
 * Weighted empirical quantiles: each value stands at the middle of its weight, linear between neighbours.
 * With equal weights it differs from type 7 by less than one order statistic.
 * @param order indices of `values`, ascending by value
 */
export function weightedQuantiles(
  values: Float64Array,
  weights: Float64Array,
  order: Uint32Array,
  levels: readonly number[],
): number[] {
  let total = 0;
  for (const index of order) total += weights[index]!;
  const answers: number[] = [];
  for (const level of levels) {
    let before = 0;
    let previousPlace = 0;
    let previousValue = values[order[0]!]!;
    let answer = values[order[order.length - 1]!]!;
    for (const index of order) {
      const weight = weights[index]!;
      const place = (before + weight / 2) / total;
      if (place >= level) {
        const gap = place - previousPlace;
        const share = gap > 0 ? (level - previousPlace) / gap : 1;
        answer = previousValue + (values[index]! - previousValue) * share;
        break;
      }
      before += weight;
      previousPlace = place;
      previousValue = values[index]!;
    }
    answers.push(answer);
  }
  return answers;
}

/** Makes one step's quantiles presentable: finite, not negative, not crossing. Sorts in place. */
export function tidyQuantiles(values: number[], fallback: number): number[] {
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index]!;
    values[index] = Number.isFinite(value) ? Math.max(0, value) : Math.max(0, fallback);
  }
  return values.sort((left, right) => left - right);
}
