import { atLevel, quantileLevels } from '../../../domain/quantile.ts';
import { lagCount } from './lags.ts';
import type { LagShape } from './lags.ts';
import { correctedMembers } from './members.ts';
import { boostedAt } from './trees.ts';
import type { Boosted } from './trees.ts';

/** Trees for p50, p90 and p99, trained once on many series with features that have no unit. */
export type Correction = { readonly p50: Boosted; readonly p90: Boosted; readonly p99: Boosted };

/** What the correction may look at, all on the root scale. */
export type CorrectionInput = {
  /** The row of lag columns at the origin for this step. */
  readonly row: Float64Array;
  readonly shape: LagShape;
  readonly members: ArrayLike<number>;
  readonly forecast: number;
  readonly scale: number;
  /** Quantiles in the order of `quantileLevels`. */
  readonly quantiles: readonly number[];
  /** Weighted mean |z - f| of the pool: the unit. */
  readonly reference: number;
  readonly volatility: number;
  readonly h: number;
  readonly slotOfDay: number;
  readonly perDay: number;
};

const clipped = (value: number): number => Math.min(20, Math.max(-20, value));
/** Lag columns of the richest shape; a poorer one leaves the rest at 0. */
const mostLags = 15;

/** Every lag, member and quantile as (c - f) / reference, clipped; the error scale, volatility, step and time of day. */
export function correctionFeatures(
  input: CorrectionInput,
  out: Float64Array = new Float64Array(mostLags + correctedMembers + 8),
): Float64Array {
  const { row, shape, members, forecast, reference, quantiles } = input;
  out.fill(0);
  const lags = lagCount(shape);
  for (let column = 0; column < lags; column += 1) out[column] = clipped((row[column]! - forecast) / reference);
  let at = mostLags;
  for (let member = 0; member < correctedMembers; member += 1)
    out[at++] = clipped((members[member]! - forecast) / reference);
  out[at++] = clipped((atLevel(quantiles, 0.5) - forecast) / reference);
  out[at++] = clipped((atLevel(quantiles, 0.9) - forecast) / reference);
  out[at++] = clipped((atLevel(quantiles, 0.99) - forecast) / reference);
  out[at++] = clipped(input.scale / reference);
  out[at++] = clipped(forecast / reference);
  out[at++] = clipped(input.volatility - Math.log(reference));
  out[at++] = input.h;
  out[at] = input.slotOfDay / input.perDay;
  return out;
}

/** Trained on weeks of history: where there is less than that, it is believed half. */
const shortHistoryShare = 0.5;

/** How much of each correction each quantile takes: p10 moves half with p50, p95 with the mean of its neighbours. */
export function corrected(correction: Correction, input: CorrectionInput): number[] {
  const features = correctionFeatures(input);
  const unit = input.reference * (input.shape.weeks > 0 ? 1 : shortHistoryShare);
  const middle = boostedAt(correction.p50, features) * unit;
  const upper = boostedAt(correction.p90, features) * unit;
  const top = boostedAt(correction.p99, features) * unit;
  const moves = [middle / 2, middle, upper, (upper + top) / 2, top];
  return quantileLevels.map((_, level) => input.quantiles[level]! + moves[level]!);
}
