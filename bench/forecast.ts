import { parseArgs } from 'node:util';
import type { DemandSeries } from '../src/domain/demand.ts';
import { modelNamed } from '../src/planning/forecast/models.ts';
import { summed } from '../src/planning/backtest/series.ts';
import { fitLibrary } from '../src/providers/forecasting/library-models.ts';
import type { LibraryModelName } from '../src/planning/forecast/models.ts';
import { askPython, installedPythonModels } from './trials/python.ts';
import type { PythonModel } from './trials/python.ts';

/** Forecasts asked for: so many hosted VMs, each this often. */
const fleet = 10_000;
const everySeconds = 300;
const stepMs = 300_000;
const perDay = 288;

/** Four weeks of a daily and weekly wave with noise, as one hosted VM's demand. */
function demand(seed: number, days: number): DemandSeries {
  let state = seed * 2_654_435_761;
  const random = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 4_294_967_296;
  const qps = Array.from({ length: days * perDay }, (_, step) => {
    const daily = 1 - 0.6 * Math.cos((2 * Math.PI * step) / perDay);
    const weekly = Math.floor(step / perDay) % 7 > 4 ? 0.7 : 1;
    return 50 * daily * weekly * (0.9 + 0.2 * random());
  });
  return { start: 0, stepMs, qps };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/**
 * CPU of forecasting for 10,000 hosted VMs every 5 minutes, from measured costs of one: a tick (read state, predict, 6 h) and
 * a daily refit, beside Prophet, MSTL and ARIMA refitted at every forecast, and beside `statsforecast` and `prophet` from PyPI
 * where `UMBRA_BENCH_PYTHON` has them. `--fits N` and `--ticks N` bound the run.
 */
export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: { fits: { type: 'string', default: '3' }, ticks: { type: 'string', default: '200' } },
  });
  const fits = Number(values.fits);
  const ticks = Number(values.ticks);
  const model = modelNamed('umbra', { horizonSteps: 72 });
  const history = demand(1, 30);
  const first = { ...history, qps: history.qps.slice(0, -perDay * fits) };
  let started = cpuMs();
  let state = model.fit(first);
  const coldMs = cpuMs() - started;
  if ('kind' in state) throw new Error(state.why);
  started = cpuMs();
  for (let day = fits - 1; day >= 0; day -= 1) {
    const next = model.fit({ ...history, qps: history.qps.slice(0, history.qps.length - day * perDay) }, state);
    if ('kind' in next) throw new Error(next.why);
    state = next;
  }
  const refitMs = (cpuMs() - started) / fits;
  const stored = JSON.stringify(state);
  const recent = { start: (history.qps.length - perDay) * stepMs, stepMs, qps: history.qps.slice(-perDay) };
  started = cpuMs();
  for (let tick = 0; tick < ticks; tick += 1) model.predict(state, recent, 72);
  const predictMs = (cpuMs() - started) / ticks;
  started = cpuMs();
  for (let tick = 0; tick < 20; tick += 1) JSON.parse(stored);
  const readMs = (cpuMs() - started) / 20;
  const tickMs = predictMs + readMs + refitMs / perDay;
  const cores = (fleet * tickMs) / 1_000 / everySeconds;

  const libraries: Record<string, number> = {};
  const fortnight = { ...history, qps: history.qps.slice(-14 * perDay) };
  for (const name of ['mstl', 'mstl-week', 'arima', 'prophet'] satisfies LibraryModelName[]) {
    const seen = name === 'mstl-week' ? history : fortnight;
    await fitLibrary(name, seen, 72);
    started = cpuMs();
    await fitLibrary(name, seen, 72);
    libraries[name] = cpuMs() - started;
  }
  // Hourly for MSTL + AutoARIMA: two seasons of 288 and 2,016 steps would take it minutes.
  const hourly = summed(history, 3_600_000);
  for (const [name, version] of Object.entries(installedPythonModels())) {
    const series = name === 'mstl-autoarima' ? hourly : fortnight;
    const { length } = series.qps;
    const question = { origins: [length - 1, length], horizonSteps: 72, windowSteps: length };
    const said = await askPython(name as PythonModel, series, question);
    libraries[`${name} of ${version}${series === hourly ? ', hourly' : ''}`] = said.at(-1)!.cpuMs;
  }
  const rows: [string, number][] = [
    ['umbra (tick + daily refit)', tickMs],
    ...Object.entries(libraries).map(([name, ms]): [string, number] => [`${name} (fit at every forecast)`, ms]),
  ];
  console.log(`${'model'.padEnd(70)} CPU ms per forecast   cores for ${fleet} VMs every 5 min`);
  for (const [name, ms] of rows)
    console.log(
      `${name.padEnd(70)} ${ms.toFixed(2).padStart(19)}   ${((fleet * ms) / 1_000 / everySeconds).toFixed(2)}`,
    );
  const short = (value: number): number => Number(value.toPrecision(4));
  const figures = {
    fleet,
    cores: short(cores),
    cpuMsPerForecast: short(tickMs),
    predictMs: short(predictMs),
    readStateMs: short(readMs),
    refitMs: short(refitMs),
    firstFitMs: short(coldMs),
    stateBytes: stored.length,
    ...Object.fromEntries(Object.entries(libraries).map(([name, ms]) => [`${name}Ms`, short(ms)])),
  };
  console.log(JSON.stringify({ bench: 'forecast', figures }));
  return figures;
}
