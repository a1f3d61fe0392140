/** Pinball loss of saying `quantile` at level `level` when `actual` came. */
export function pinball(actual: number, quantile: number, level: number): number {
  const over = actual - quantile;
  return over >= 0 ? level * over : (level - 1) * over;
}

/** Sums over origins and steps of one series, from which every score of the reference follows. */
export type ScoreSums = {
  /** Pinball loss at 0.5, 0.9 and 0.99. */
  loss50: number;
  loss90: number;
  loss99: number;
  /** Sum of |y|. */
  magnitude: number;
  /** Steps with y <= p90, and y <= p99. */
  under90: number;
  under99: number;
  steps: number;
};

export function emptySums(): ScoreSums {
  return { loss50: 0, loss90: 0, loss99: 0, magnitude: 0, under90: 0, under99: 0, steps: 0 };
}

/** Adds one step; missing actuals are not scored. */
export function addStep(sums: ScoreSums, actual: number, p50: number, p90: number, p99: number): void {
  if (!Number.isFinite(actual)) return;
  sums.loss50 += pinball(actual, p50, 0.5);
  sums.loss90 += pinball(actual, p90, 0.9);
  sums.loss99 += pinball(actual, p99, 0.99);
  sums.magnitude += Math.abs(actual);
  if (actual <= p90) sums.under90 += 1;
  if (actual <= p99) sums.under99 += 1;
  sums.steps += 1;
}

/** Weighted quantile losses (2 x pinball / sum |y|) and coverages of one series and horizon. */
export type Scores = {
  readonly wql50: number;
  readonly wql90: number;
  readonly wql99: number;
  readonly coverage90: number;
  readonly coverage99: number;
};

/** NaN where nothing was scored: no forecast is not a perfect one. */
export function scoresOf(sums: ScoreSums): Scores {
  const perMagnitude = (loss: number): number =>
    sums.steps === 0 ? NaN : sums.magnitude > 0 ? (2 * loss) / sums.magnitude : loss > 0 ? Infinity : 0;
  const share = (count: number): number => (sums.steps > 0 ? count / sums.steps : NaN);
  return {
    wql50: perMagnitude(sums.loss50),
    wql90: perMagnitude(sums.loss90),
    wql99: perMagnitude(sums.loss99),
    coverage90: share(sums.under90),
    coverage99: share(sums.under99),
  };
}

/** The table entry of a model: geometric mean over series of WQL / baseline's WQL. */
export function geometricMean(ratios: readonly number[]): number {
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(Math.max(ratio, 1e-9)), 0) / Math.max(1, ratios.length));
}
