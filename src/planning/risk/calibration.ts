/** One past score and whether a shadow was needed within the lead time. */
export type RiskOutcome = { readonly score: number; readonly needed: boolean };

export type ReliabilityBin = {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  readonly mean: number;
  readonly observed: number;
};

/** How honest the scores have been, and the correction if they were not. */
export type CalibrationReport = {
  readonly outcomes: number;
  readonly needs: number;
  /** Mean squared difference of score and outcome; 0 is perfect. */
  readonly brier: number;
  /** 1 - brier / brier of always saying the base rate; null when all outcomes are alike. */
  readonly skill: number | null;
  readonly bins: readonly ReliabilityBin[];
  /** Bins with enough outcomes whose observed rate is more than 0.1 away from the mean score. */
  readonly off: readonly ReliabilityBin[];
};

/** Carried by later assessments. `steps` is a non-decreasing map of raw score to calibrated score; empty: scores are good as they are. */
export type RiskCalibration = {
  readonly measured: boolean;
  readonly steps: readonly (readonly [raw: number, calibrated: number])[];
};

/** A bin below this many outcomes says nothing. */
const populatedBin = 20;
/** Fewer outcomes than this are no measurement. */
const leastOutcomes = 200;
const leastNeeds = 10;

/** Brier score, skill over the base rate, and reliability by ten bins. */
export function measureCalibration(outcomes: readonly RiskOutcome[]): CalibrationReport {
  const count = outcomes.length;
  const needs = outcomes.filter(({ needed }) => needed).length;
  const base = count > 0 ? needs / count : 0;
  const brier =
    count > 0 ? outcomes.reduce((sum, { score, needed }) => sum + (score - Number(needed)) ** 2, 0) / count : 0;
  const bins = Array.from({ length: 10 }, (_, index): ReliabilityBin => {
    const from = index / 10;
    const to = (index + 1) / 10;
    const inside = outcomes.filter(({ score }) => score >= from && (score < to || index === 9));
    const size = Math.max(1, inside.length);
    return {
      from,
      to,
      count: inside.length,
      mean: inside.reduce((sum, { score }) => sum + score, 0) / size,
      observed: inside.filter(({ needed }) => needed).length / size,
    };
  });
  return {
    outcomes: count,
    needs,
    brier,
    skill: base > 0 && base < 1 ? 1 - brier / (base * (1 - base)) : null,
    bins,
    off: bins.filter((bin) => bin.count >= populatedBin && Math.abs(bin.mean - bin.observed) > 0.1),
  };
}

/**
 * Isotonic regression (pool adjacent violators): the non-decreasing map of score to observed rate with the least squares.
 * @returns points (mean raw score of the block, observed rate), ascending
 */
export function isotonic(outcomes: readonly RiskOutcome[]): [number, number][] {
  const sorted = [...outcomes].sort((left, right) => left.score - right.score);
  const blocks: { raw: number; needs: number; count: number }[] = [];
  for (const { score, needed } of sorted) {
    blocks.push({ raw: score, needs: Number(needed), count: 1 });
    for (;;) {
      const last = blocks.at(-1)!;
      const previous = blocks.at(-2);
      if (previous === undefined || previous.needs / previous.count < last.needs / last.count) break;
      blocks.splice(-2, 2, {
        raw: previous.raw + last.raw,
        needs: previous.needs + last.needs,
        count: previous.count + last.count,
      });
    }
  }
  return blocks.map(({ raw, needs, count }) => [raw / count, needs / count]);
}

/** Decides from measured outcomes whether a correction is due. */
export function calibrationFrom(outcomes: readonly RiskOutcome[]): RiskCalibration {
  const report = measureCalibration(outcomes);
  const measured = report.outcomes >= leastOutcomes && report.needs >= leastNeeds;
  return { measured, steps: measured && report.off.length > 0 ? isotonic(outcomes) : [] };
}

/** The calibrated score: linear between the steps; certainty stays certainty. */
export function recalibrate(calibration: RiskCalibration | undefined, raw: number): number {
  const clipped = Math.min(1, Math.max(0, raw));
  const steps = calibration?.steps ?? [];
  if (steps.length === 0) return clipped;
  const points: (readonly [number, number])[] = [[0, 0], ...steps, [1, 1]];
  const right = points.findIndex(([at]) => at >= clipped);
  const [highAt, high] = points[right]!;
  const [lowAt, low] = points[Math.max(0, right - 1)]!;
  return highAt > lowAt ? low + ((high - low) * (clipped - lowAt)) / (highAt - lowAt) : high;
}
