import type { DemandSeries } from '../../domain/demand.ts';
import type { EpochMs } from '../../domain/time.ts';
import { endOf, stepsPerDay } from './history.ts';
import { atLevel, quantileLevels } from '../../domain/quantile.ts';
import type { ForecastModel, ModelState, QuantileForecast, Unfit } from './model.ts';
import { tidyQuantiles } from './quantiles.ts';

type Body = { readonly start: EpochMs; readonly stepMs: number; readonly values: readonly (readonly number[])[] };

/** Keeps what a library forecast from `start` on: paths in the order of `quantileLevels`. */
export function pathState(
  model: string,
  start: EpochMs,
  stepMs: number,
  values: readonly (readonly number[])[],
): ModelState {
  return { model, version: 1, fittedAt: start, body: { start, stepMs, values } satisfies Body };
}

/**
 * A library's model between its fits: the paths it gave then, read from now on. It learns nothing from the newest steps;
 * a step beyond the path takes the same time of the path's last day. Fitting happens in a thread (`Forecaster`).
 */
export function pathModel(name: string): ForecastModel {
  return {
    name,
    historySteps: (stepMs) => ({ least: Math.ceil(stepsPerDay(stepMs) / 12), useful: 1 }),
    fit: (): Unfit => ({ kind: 'unfit', why: `${name} is fitted by the forecaster's threads, not in place` }),
    predict(state: ModelState, recent: DemandSeries, horizonSteps: number): QuantileForecast {
      const { start, stepMs, values } = state.body as Body;
      const perDay = stepsPerDay(stepMs);
      const ahead = Math.max(0, Math.round((endOf(recent) - start) / stepMs));
      const length = values[0]?.length ?? 0;
      const out = quantileLevels.map(() => new Array<number>(horizonSteps).fill(0));
      for (let step = 0; step < horizonSteps; step += 1) {
        let at = ahead + step;
        while (at >= length && at - perDay >= 0) at -= perDay;
        at = Math.min(at, length - 1);
        const here = quantileLevels.map((_, level) => values[level]?.[at] ?? 0);
        tidyQuantiles(here, atLevel(here, 0.5)).forEach((value, level) => (out[level]![step] = value));
      }
      return { model: name, start: endOf(recent), stepMs, values: out };
    },
  };
}
