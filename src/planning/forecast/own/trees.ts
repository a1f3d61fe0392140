/** One regression tree as parallel arrays. A node `i` is a leaf when `feature[i] < 0`; else `x[feature] <= threshold` goes left. */
export type Tree = {
  readonly feature: readonly number[];
  readonly threshold: readonly number[];
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly value: readonly number[];
};

/** Sum of trees over a start value. */
export type Boosted = { readonly start: number; readonly trees: readonly Tree[] };

export type BoostOptions = {
  readonly trees: number;
  readonly leaves: number;
  readonly rate: number;
  readonly leastRows: number;
  readonly bins: number;
  readonly rowShare: number;
  readonly columnShare: number;
  /** The quantile learned by pinball loss; 0.5 is L1. */
  readonly level: number;
  readonly seed: number;
  /** Begin at the target's quantile instead of 0. */
  readonly startAtQuantile: boolean;
};

/** Columns of equal length: `columns[f][row]`. */
export type Table = {
  readonly columns: readonly Float64Array[];
  readonly targets: Float64Array;
  readonly weights: Float64Array;
};

/** mulberry32: a small seeded generator, uniform in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

type Binned = { readonly codes: Uint8Array[]; readonly edges: Float64Array[] };

/** Cuts every column at its quantiles; code b means edges[b-1] < x <= edges[b]. */
function binColumns(columns: readonly Float64Array[], bins: number): Binned {
  const edges = columns.map((column) => {
    const sorted = column.slice().sort();
    const cuts: number[] = [];
    for (let cut = 1; cut < bins; cut += 1) {
      const value = sorted[Math.floor((cut * sorted.length) / bins)]!;
      if (cuts.length === 0 || value > cuts.at(-1)!) cuts.push(value);
    }
    // The largest value must not be a cut of its own: nothing would go right.
    while (cuts.length > 0 && cuts.at(-1)! >= sorted.at(-1)!) cuts.pop();
    return Float64Array.from(cuts);
  });
  const codes = columns.map((column, feature) => {
    const cuts = edges[feature]!;
    return Uint8Array.from(column, (value) => {
      let low = 0;
      let high = cuts.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (cuts[middle]! < value) low = middle + 1;
        else high = middle;
      }
      return low;
    });
  });
  return { codes, edges };
}

/**
 * Weighted quantile of `values[rows[from..to)]` by quickselect; `rows` is permuted inside that range.
 * @returns the smallest value whose cumulated weight reaches `level` of the total
 */
export function selectQuantile(
  values: Float64Array,
  weights: Float64Array,
  rows: Uint32Array,
  from: number,
  to: number,
  level: number,
): number {
  let total = 0;
  for (let index = from; index < to; index += 1) total += weights[rows[index]!]!;
  let wanted = level * total;
  let low = from;
  let high = to - 1;
  while (low < high) {
    const pivot = values[rows[(low + high) >> 1]!]!;
    let left = low;
    let right = high;
    let weightLeft = 0;
    while (left <= right) {
      while (values[rows[left]!]! < pivot) {
        weightLeft += weights[rows[left]!]!;
        left += 1;
      }
      while (values[rows[right]!]! > pivot) right -= 1;
      if (left <= right) {
        const swap = rows[left]!;
        rows[left] = rows[right]!;
        rows[right] = swap;
        weightLeft += weights[rows[left]!]!;
        left += 1;
        right -= 1;
      }
    }
    // Now [low..right] <= pivot <= [left..high]; one element may stand between.
    let weightLow = weightLeft;
    for (let index = right + 1; index < left; index += 1) weightLow -= weights[rows[index]!]!;
    if (wanted <= weightLow && right >= low) {
      high = right;
    } else if (wanted <= weightLeft) {
      return pivot;
    } else {
      wanted -= weightLeft;
      low = left;
    }
  }
  return values[rows[Math.min(low, to - 1)]!]!;
}

type Leaf = {
  readonly node: number;
  readonly from: number;
  readonly to: number;
  readonly histogram: Float64Array;
  gain: number;
  feature: number;
  cut: number;
};

/**
 * Gradient boosting with pinball loss on histograms, grown leaf by leaf (largest gain first).
 * A leaf answers rate x quantile of its residuals x c / (c + 10), c its rows.
 */
export function fitBoosted(table: Table, options: BoostOptions): Boosted {
  const { columns, targets, weights } = table;
  const count = targets.length;
  if (count < 2 * options.leastRows) return { start: 0, trees: [] };
  const random = seededRandom(options.seed);
  const { codes, edges } = binColumns(columns, options.bins);
  const all = Uint32Array.from({ length: count }, (_, index) => index);
  const start = options.startAtQuantile ? selectQuantile(targets, weights, all.slice(), 0, count, options.level) : 0;
  const residuals = targets.map((target) => target - start);
  const gradients = new Float64Array(count);
  const trees: Tree[] = [];
  const sampleSize = Math.max(options.leastRows * 2, Math.floor(count * options.rowShare));
  const columnCount = Math.max(1, Math.round(columns.length * options.columnShare));
  const features = Uint8Array.from({ length: columns.length }, (_, index) => index);
  for (let round = 0; round < options.trees; round += 1) {
    for (let row = 0; row < count; row += 1) {
      gradients[row] =
        weights[row]! * (residuals[row]! > 0 ? options.level : residuals[row]! < 0 ? options.level - 1 : 0);
    }
    const rows = sampleRows(count, Math.min(count, sampleSize), random);
    for (let index = 0; index < columnCount; index += 1) {
      const other = index + Math.floor(random() * (features.length - index));
      const swap = features[index]!;
      features[index] = features[other]!;
      features[other] = swap;
    }
    const tree = growTree(codes, edges, gradients, residuals, weights, rows, features.slice(0, columnCount), options);
    if (tree === undefined) continue;
    trees.push({ ...tree.shape, threshold: tree.shape.threshold.map(short), value: tree.shape.value.map(short) });
    for (let row = 0; row < count; row += 1) {
      let node = 0;
      while (tree.shape.feature[node]! >= 0) {
        node =
          codes[tree.shape.feature[node]!]![row]! <= tree.cuts[node]!
            ? tree.shape.left[node]!
            : tree.shape.right[node]!;
      }
      residuals[row]! -= tree.shape.value[node]!;
    }
  }
  return { start, trees };
}

/** Six digits: a tree is not known better, and its state is stored. */
function short(value: number): number {
  return Number(value.toPrecision(6));
}

/** A random subset in rising order (cache friendly): selection sampling. */
function sampleRows(count: number, size: number, random: () => number): Uint32Array {
  const rows = new Uint32Array(size);
  let taken = 0;
  for (let row = 0; row < count && taken < size; row += 1) {
    if (random() * (count - row) < size - taken) {
      rows[taken] = row;
      taken += 1;
    }
  }
  return rows;
}

/** Histogram cells hold the sum of gradients, of weights, and the count. */
const cell = 3;

function growTree(
  codes: readonly Uint8Array[],
  edges: readonly Float64Array[],
  gradients: Float64Array,
  residuals: Float64Array,
  weights: Float64Array,
  rows: Uint32Array,
  features: Uint8Array,
  options: BoostOptions,
): { shape: Tree; cuts: number[] } | undefined {
  const { bins, leastRows } = options;
  const shape = { feature: [-1], threshold: [0], left: [0], right: [0], value: [0] };
  const cuts = [0];

  const histogramOf = (from: number, to: number): Float64Array => {
    const histogram = new Float64Array(features.length * bins * cell);
    for (let slot = 0; slot < features.length; slot += 1) {
      const code = codes[features[slot]!]!;
      const base = slot * bins * cell;
      for (let index = from; index < to; index += 1) {
        const row = rows[index]!;
        const at = base + code[row]! * cell;
        histogram[at]! += gradients[row]!;
        histogram[at + 1]! += weights[row]!;
        histogram[at + 2]! += 1;
      }
    }
    return histogram;
  };

  const leafOf = (node: number, from: number, to: number, histogram: Float64Array): Leaf => {
    const leaf: Leaf = { node, from, to, histogram, gain: 0, feature: -1, cut: 0 };
    if (to - from < 2 * leastRows) return leaf;
    for (let slot = 0; slot < features.length; slot += 1) {
      const base = slot * bins * cell;
      const cutsHere = edges[features[slot]!]!.length;
      if (cutsHere === 0) continue;
      let gradient = 0;
      let weight = 0;
      for (let bin = 0; bin <= cutsHere; bin += 1) {
        gradient += histogram[base + bin * cell]!;
        weight += histogram[base + bin * cell + 1]!;
      }
      const whole = (gradient * gradient) / weight;
      let gradientLeft = 0;
      let weightLeft = 0;
      let countLeft = 0;
      for (let bin = 0; bin < cutsHere; bin += 1) {
        gradientLeft += histogram[base + bin * cell]!;
        weightLeft += histogram[base + bin * cell + 1]!;
        countLeft += histogram[base + bin * cell + 2]!;
        if (countLeft < leastRows) continue;
        if (to - from - countLeft < leastRows) break;
        const gradientRight = gradient - gradientLeft;
        const gain =
          (gradientLeft * gradientLeft) / weightLeft + (gradientRight * gradientRight) / (weight - weightLeft) - whole;
        if (gain > leaf.gain + 1e-12) {
          leaf.gain = gain;
          leaf.feature = features[slot]!;
          leaf.cut = bin;
        }
      }
    }
    return leaf;
  };

  const leaves = [leafOf(0, 0, rows.length, histogramOf(0, rows.length))];
  const spare = new Uint32Array(rows.length);
  while (leaves.length < options.leaves) {
    let best = 0;
    for (let index = 1; index < leaves.length; index += 1) if (leaves[index]!.gain > leaves[best]!.gain) best = index;
    const leaf = leaves[best]!;
    if (leaf.feature < 0) break;
    const code = codes[leaf.feature]!;
    let middle = leaf.from;
    let rest = 0;
    for (let index = leaf.from; index < leaf.to; index += 1) {
      const row = rows[index]!;
      if (code[row]! <= leaf.cut) {
        rows[middle] = row;
        middle += 1;
      } else {
        spare[rest] = row;
        rest += 1;
      }
    }
    rows.set(spare.subarray(0, rest), middle);
    const left = shape.feature.length;
    const right = left + 1;
    shape.feature[leaf.node] = leaf.feature;
    shape.threshold[leaf.node] = edges[leaf.feature]![leaf.cut]!;
    shape.left[leaf.node] = left;
    shape.right[leaf.node] = right;
    cuts[leaf.node] = leaf.cut;
    for (let added = 0; added < 2; added += 1) {
      shape.feature.push(-1);
      shape.threshold.push(0);
      shape.left.push(0);
      shape.right.push(0);
      shape.value.push(0);
      cuts.push(0);
    }
    const smallerIsLeft = middle - leaf.from <= leaf.to - middle;
    const small = smallerIsLeft ? histogramOf(leaf.from, middle) : histogramOf(middle, leaf.to);
    const large = leaf.histogram;
    for (let index = 0; index < large.length; index += 1) large[index]! -= small[index]!;
    leaves[best] = leafOf(left, leaf.from, middle, smallerIsLeft ? small : large);
    leaves.push(leafOf(right, middle, leaf.to, smallerIsLeft ? large : small));
  }
  if (leaves.length < 2) return undefined;
  for (const { node, from, to } of leaves) {
    const answer = selectQuantile(residuals, weights, rows, from, to, options.level);
    shape.value[node] = (options.rate * answer * (to - from)) / (to - from + 10);
  }
  return { shape, cuts };
}

/** Value of a boosted ensemble on one row. */
export function boostedAt(model: Boosted, row: ArrayLike<number>): number {
  let sum = model.start;
  for (const { feature, threshold, left, right, value } of model.trees) {
    let node = 0;
    while (feature[node]! >= 0) node = row[feature[node]!]! <= threshold[node]! ? left[node]! : right[node]!;
    sum += value[node]!;
  }
  return sum;
}
