import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AutoETS, initSync as initEts } from '@bsull/augurs/ets';
import { MSTL, initSync as initMstl } from '@bsull/augurs/mstl';
import { Prophet, initSync as initProphet } from '@bsull/augurs/prophet';
import { quantileLevels } from '../../domain/quantile.ts';

/** Paths in the order of `quantileLevels`. */
export type Paths = number[][];

/** Standard normal quantile of every level. */
const normal: Readonly<Record<number, number>> = { 0.1: -1.28155, 0.5: 0, 0.9: 1.28155, 0.95: 1.64485, 0.99: 2.32635 };

/** The interval of each upper level: p90 bounds the middle 80 %. */
const widths = { 0.9: 0.8, 0.95: 0.9, 0.99: 0.98 } as const;

const ready = { ets: false, mstl: false, prophet: false };

/** Loads a sub-module's WASM from its own package; the default loader fetches a file: URL, which Node cannot. */
function load(name: keyof typeof ready, init: (input: { module: Buffer }) => unknown): void {
  if (ready[name]) return;
  const script = fileURLToPath(import.meta.resolve(`@bsull/augurs/${name}`));
  init({ module: readFileSync(script.replace(/\.js$/, '_bg.wasm')) });
  ready[name] = true;
}

type Intervals = { point: number[]; intervals?: { lower: number[]; upper: number[] } | undefined };

function pathsOf(predict: (level: number) => Intervals): Paths {
  const eighty = predict(widths[0.9]);
  const ninety = predict(widths[0.95]);
  const ninetyEight = predict(widths[0.99]);
  const upper = (answer: Intervals): number[] => answer.intervals?.upper ?? answer.point;
  return [eighty.intervals?.lower ?? eighty.point, eighty.point, upper(eighty), upper(ninety), upper(ninetyEight)];
}

/** Exponential smoothing with level and trend chosen by information criterion (Hyndman's AutoETS), no season. */
export function etsPaths(values: readonly number[], horizonSteps: number): Paths {
  load('ets', initEts);
  const model = new AutoETS(1, 'ZZN');
  try {
    model.fit(Float64Array.from(values));
    return pathsOf((level) => model.predict(horizonSteps, level));
  } finally {
    model.free();
  }
}

/** Multiple seasonal-trend decomposition by loess, trend by ETS. */
export function mstlPaths(values: readonly number[], horizonSteps: number, periods: readonly number[]): Paths {
  load('mstl', initMstl);
  const model = MSTL.ets([...periods]);
  try {
    model.fit(Float64Array.from(values));
    return pathsOf((level) => model.predict(horizonSteps, level));
  } finally {
    model.free();
  }
}

/** Prophet with its own defaults; one interval (80 %) is sampled and the other quantiles are taken as normal. */
export async function prophetPaths(
  values: readonly number[],
  startMs: number,
  stepMs: number,
  horizonSteps: number,
): Promise<Paths> {
  load('prophet', initProphet);
  const { optimizer } = await import('@bsull/augurs-prophet-wasmstan');
  const model = new Prophet({ optimizer, intervalWidth: widths[0.9] });
  try {
    const seconds = (index: number): number => Math.round((startMs + index * stepMs) / 1000);
    model.fit({ ds: values.map((_, index) => seconds(index)), y: [...values] }, { seed: 1 });
    const ds = Array.from({ length: horizonSteps }, (_, step) => seconds(values.length + step));
    const { point, intervals } = model.predict({ ds }).yhat;
    return quantileLevels.map((level) =>
      point.map((value, step) => {
        const side =
          normal[level]! < 0 ? value - (intervals?.lower[step] ?? value) : (intervals?.upper[step] ?? value) - value;
        return value + (side * normal[level]!) / normal[0.9]!;
      }),
    );
  } finally {
    model.free();
  }
}
