import { createRequire } from 'node:module';
import { quantileLevels } from '../../domain/quantile.ts';
import type { Paths } from './augurs.ts';

type ArimaModel = {
  train(values: number[]): ArimaModel;
  predict(steps: number): [number[], number[]];
  destroy(): void;
};
type ArimaConstructor = new (options: Record<string, number | boolean>) => ArimaModel;

const Arima = createRequire(import.meta.url)('arima') as ArimaConstructor;

/** Standard normal quantiles in the order of `quantileLevels`. */
const normal = [-1.28155, 0, 1.28155, 1.64485, 2.32635];

/**
 * Least squares of `values` on daily (6) and weekly (3) harmonics; the fit is returned as a function of the step.
 * Seasonal ARIMA with a period of 288 cannot be estimated; harmonics carry the season and ARIMA the rest
 * (dynamic harmonic regression, Hyndman and Athanasopoulos, chapter 10.5).
 */
function harmonicFit(values: readonly number[], perDay: number): (step: number) => number {
  const daily = perDay >= 4 ? Math.min(6, Math.floor(perDay / 4)) : 0;
  const weekly = values.length >= 14 * perDay ? 3 : 0;
  const width = 1 + 2 * (daily + weekly);
  const row = (step: number): number[] => {
    const columns = [1];
    for (let k = 1; k <= daily; k += 1) {
      const angle = (2 * Math.PI * k * step) / perDay;
      columns.push(Math.sin(angle), Math.cos(angle));
    }
    for (let k = 1; k <= weekly; k += 1) {
      const angle = (2 * Math.PI * k * step) / (7 * perDay);
      columns.push(Math.sin(angle), Math.cos(angle));
    }
    return columns;
  };
  const gram = Array.from({ length: width }, () => new Array<number>(width + 1).fill(0));
  values.forEach((value, step) => {
    const columns = row(step);
    for (let i = 0; i < width; i += 1) {
      for (let j = 0; j < width; j += 1) gram[i]![j]! += columns[i]! * columns[j]!;
      gram[i]![width]! += columns[i]! * value;
    }
  });
  for (let i = 0; i < width; i += 1) gram[i]![i]! += 1e-6 * values.length;
  for (let pivot = 0; pivot < width; pivot += 1) {
    for (let i = 0; i < width; i += 1) {
      if (i === pivot) continue;
      const factor = gram[i]![pivot]! / gram[pivot]![pivot]!;
      for (let j = pivot; j <= width; j += 1) gram[i]![j]! -= factor * gram[pivot]![j]!;
    }
  }
  const beta = gram.map((line, i) => line[width]! / line[i]!);
  return (step) => row(step).reduce((sum, column, index) => sum + column * beta[index]!, 0);
}

/** Steps given to ARIMA itself: its cost grows with them and its memory is short. */
const arimaSteps = 1_008;

/**
 * ARIMA(2,0,1) of what daily and weekly harmonics leave over, by conditional sum of squares, on the root scale
 * (the variance of counts grows with their mean). Quantiles from its standard errors.
 */
export function arimaPaths(values: readonly number[], horizonSteps: number, perDay: number): Paths {
  const roots = values.map((value) => Math.sqrt(Math.max(0, value)));
  const season = roots.length >= 2 * perDay ? harmonicFit(roots, perDay) : () => 0;
  const rest = roots.map((value, step) => value - season(step)).slice(-arimaSteps);
  const spread = Math.max(...rest) - Math.min(...rest);
  const at = (step: number): number => season(roots.length + step);
  if (spread < 1e-9)
    return quantileLevels.map(() =>
      Array.from({ length: horizonSteps }, (_, step) => Math.max(0, at(step) + rest[0]!) ** 2),
    );
  const model = new Arima({
    p: 2,
    d: season(0) === 0 && season(1) === 0 ? 1 : 0,
    q: 1,
    method: 1,
    optimizer: 6,
    verbose: false,
  });
  try {
    model.train(rest);
    const [point, variances] = model.predict(horizonSteps);
    return normal.map((z) =>
      point.map((value, step) => Math.max(0, at(step) + value + z * Math.sqrt(Math.max(0, variances[step]!))) ** 2),
    );
  } finally {
    model.destroy();
  }
}
