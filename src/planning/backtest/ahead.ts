import type { DemandSeries } from '../../domain/demand.ts';
import { before, stepsPerDay } from '../forecast/history.ts';
import type { ForecastModel, ModelState } from '../forecast/model.ts';
import { peakQuantiles } from '../risk/overload.ts';
import { exceedance } from '../risk/overload.ts';
import type { RiskOutcome } from '../risk/calibration.ts';
import type { Fit } from './rolling.ts';
import { atLevel } from '../../domain/quantile.ts';

/** Forecast peaks over the lead time at every step, and how the overload scores held. */
export type Ahead = {
  readonly p50: Float64Array;
  readonly p90: Float64Array;
  readonly p99: Float64Array;
  readonly outcomes: readonly RiskOutcome[];
};

/**
 * Forecasts at every step from `from` on, refitting daily, as the product does; each step sees only what was before its end.
 * @param leadSteps steps of the lead time and its slack
 */
export async function lookAhead(
  series: DemandSeries,
  model: ForecastModel,
  fit: Fit,
  from: number,
  leadSteps: number,
  capacityQps: number,
  progress: (done: number) => boolean,
): Promise<Ahead> {
  const count = series.qps.length;
  const perDay = stepsPerDay(series.stepMs);
  const ahead = {
    p50: new Float64Array(count).fill(NaN),
    p90: new Float64Array(count).fill(NaN),
    p99: new Float64Array(count).fill(NaN),
  };
  const outcomes: RiskOutcome[] = [];
  let state: ModelState | undefined;
  let fittedAt = -Infinity;
  for (let step = from; step < count; step += 1) {
    const known = before(series, step + 1);
    if (step - fittedAt >= perDay) {
      const { fitted } = await fit(model.name, known, state);
      if (!('kind' in fitted)) state = fitted;
      fittedAt = step;
    }
    if (state !== undefined) {
      const peaks = peakQuantiles(model.predict(state, before(series, step + 1, 28 * perDay), leadSteps), leadSteps);
      ahead.p50[step] = atLevel(peaks, 0.5);
      ahead.p90[step] = atLevel(peaks, 0.9);
      ahead.p99[step] = atLevel(peaks, 0.99);
      const came = series.qps.slice(step + 1, step + 1 + leadSteps);
      if (came.length === leadSteps) {
        outcomes.push({ score: exceedance(peaks, capacityQps), needed: came.some((value) => value > capacityQps) });
      }
    }
    if ((step - from) % 24 === 0 && !progress((step - from) / (count - from))) break;
  }
  return { ...ahead, outcomes };
}
