import type { EpochMs } from '../../domain/time.ts';
import { atLevel, quantileLevels } from '../../domain/quantile.ts';
import type { Quantile } from '../../domain/quantile.ts';
import type { QuantileForecast } from '../forecast/model.ts';

/** Steps that begin before `until`; one at least. */
export function stepsUntil(forecast: QuantileForecast, until: EpochMs): number {
  const steps = Math.ceil((until - forecast.start) / forecast.stepMs);
  return Math.max(1, Math.min(steps, forecast.values[0]?.length ?? 0));
}

/** The maximum of each quantile's path over the first `steps` steps, in the order of `quantileLevels`. */
export function peakQuantiles(forecast: QuantileForecast, steps: number, from = 0): number[] {
  return forecast.values.map((path) => {
    let peak = 0;
    for (let step = from; step < Math.min(steps, path.length); step += 1) peak = Math.max(peak, path[step]!);
    return peak;
  });
}

/**
 * P(X > limit) of the distribution whose quantiles (in the order of `quantileLevels`) are given: linear in log(1 - p)
 * between them, an exponential tail above p99 with the slope of p90..p99, linear in p below p10 down to zero demand.
 * @param tailScale mean excess above p99 when known from past errors; otherwise taken from the quantiles
 */
export function exceedance(quantiles: readonly number[], limit: number, tailScale?: number): number {
  const last = quantileLevels.length - 1;
  const top = quantiles[last]!;
  if (limit >= top) {
    const spread = (top - atLevel(quantiles, 0.9)) / Math.log(0.1 / 0.01);
    const scale = Math.max(tailScale ?? 0, spread);
    if (scale <= 0) return limit > top ? 0 : 0.01;
    return 0.01 * Math.exp(-(limit - top) / scale);
  }
  const bottom = quantiles[0]!;
  if (limit < bottom) return bottom > 0 ? 1 - quantileLevels[0] * (Math.max(0, limit) / bottom) : 1;
  let right = 1;
  while (quantiles[right]! <= limit) right += 1;
  const low = quantiles[right - 1]!;
  const share = (limit - low) / (quantiles[right]! - low);
  const logLow = Math.log(1 - quantileLevels[right - 1]!);
  const logHigh = Math.log(1 - quantileLevels[right]!);
  return Math.exp(logLow + (logHigh - logLow) * share);
}

/** Start of the first step in which the path of one quantile passes `limit`; undefined when it does not. */
export function firstPassing(forecast: QuantileForecast, level: Quantile, limit: number): EpochMs | undefined {
  const step = atLevel(forecast.values, level).findIndex((value) => value > limit);
  return step < 0 ? undefined : forecast.start + step * forecast.stepMs;
}
