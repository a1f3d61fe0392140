import type { DemandSeries } from '../../domain/demand.ts';
import { endOf, knownSteps, newest, stepsPerDay } from '../../planning/forecast/history.ts';
import type { ModelState, Unfit } from '../../planning/forecast/model.ts';
import { windowSteps } from '../../planning/forecast/models.ts';
import type { LibraryModelName } from '../../planning/forecast/models.ts';
import { fillGaps } from '../../planning/forecast/own/window.ts';
import { pathState } from '../../planning/forecast/path.ts';
import { arimaPaths } from './arima.ts';
import { etsPaths, mstlPaths, prophetPaths } from './augurs.ts';
import type { Paths } from './augurs.ts';

/** Least days of history of each, and why. */
const leastDays: Readonly<Record<LibraryModelName, { days: number; why: string }>> = {
  ets: { days: 2 / 24, why: 'two hours of level and trend' },
  mstl: { days: 3, why: 'three turns of the daily season' },
  'mstl-week': { days: 21, why: 'three turns of the weekly season' },
  prophet: { days: 2 / 24, why: 'two hours; its daily season needs two days' },
  arima: { days: 2 / 24, why: 'two hours; its daily harmonics need two days' },
};

/** A library's quantile beyond this many times the largest demand of its window is its own instability, not foresight. */
const mostTimesLargest = 3;

/** Fits one library model and keeps the paths of its forecast. Runs for up to seconds: only ever in a thread. */
export async function fitLibrary(
  model: LibraryModelName,
  history: DemandSeries,
  horizonSteps: number,
): Promise<ModelState | Unfit> {
  const { stepMs } = history;
  const perDay = stepsPerDay(stepMs);
  const { days, why } = leastDays[model];
  const known = knownSteps(history.qps);
  if (known < days * perDay) {
    return { kind: 'unfit', why: `${model} needs ${why}; ${(known / perDay).toFixed(2)} days are known` };
  }
  const used = newest(history, windowSteps(model, stepMs));
  const values = Float64Array.from(used.qps, (value) => (Number.isFinite(value) ? Math.max(0, value) : NaN));
  fillGaps(values, perDay);
  // Libraries stumble over numbers far from one; the median brings 10^12 and 10^-6 to the same size.
  const sorted = values.slice().sort();
  const unit = Math.max(sorted[sorted.length >> 1]!, sorted.at(-1)! / 100) || 1;
  if (sorted[0] === sorted.at(-1)) {
    return pathState(
      model,
      endOf(history),
      stepMs,
      new Array<number[]>(5).fill(new Array<number>(horizonSteps).fill(sorted[0]!)),
    );
  }
  const scaled = Array.from(values, (value) => value / unit);
  const paths = await pathsBy(model, scaled, used, horizonSteps, perDay);
  return pathState(
    model,
    endOf(history),
    stepMs,
    paths.map((path) => path.map((value) => Math.min(value * unit, mostTimesLargest * sorted.at(-1)!))),
  );
}

async function pathsBy(
  model: LibraryModelName,
  values: readonly number[],
  { start, stepMs }: DemandSeries,
  horizonSteps: number,
  perDay: number,
): Promise<Paths> {
  switch (model) {
    case 'ets':
      return etsPaths(values, horizonSteps);
    case 'mstl':
      return mstlPaths(values, horizonSteps, [perDay]);
    case 'mstl-week':
      return mstlPaths(values, horizonSteps, [perDay, 7 * perDay]);
    case 'prophet':
      return prophetPaths(values, start, stepMs, horizonSteps);
    case 'arima':
      return arimaPaths(values, horizonSteps, perDay);
  }
}
