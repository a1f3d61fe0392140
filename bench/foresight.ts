import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { hourMs, minuteMs } from '../src/domain/time.ts';
import { lookAhead } from '../src/planning/backtest/ahead.ts';
import { hitRate, pooled, replayAll, trialCapacity } from '../src/planning/backtest/plan-replay.ts';
import type { PlanOutcome } from '../src/planning/backtest/plan-replay.ts';
import { tryModel } from '../src/planning/backtest/rolling.ts';
import type { Fit, Trial } from '../src/planning/backtest/rolling.ts';
import { parseSeries, rollingOrigins, summed } from '../src/planning/backtest/series.ts';
import { contenderOf } from '../src/cli/backtest.ts';
import { geometricMean } from '../src/planning/forecast/score.ts';
import type { ForecastModel } from '../src/planning/forecast/model.ts';
import { modelNamed } from '../src/planning/forecast/models.ts';
import { ownModel } from '../src/planning/forecast/own/own.ts';
import { fitLibrary } from '../src/providers/forecasting/library-models.ts';
import type { LibraryModel } from '../src/providers/forecasting/library-models.ts';

const libraries: readonly string[] = ['ets', 'mstl', 'mstl-week', 'prophet', 'arima'];
const allModels = ['naive', 'seasonal-naive-day', 'seasonal-naive-week', ...libraries, 'umbra-r1', 'umbra', 'auto'];

type Entry = { readonly rel50: number; readonly rel90: number; readonly coverage90: number };

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Fits here: a benchmark has no event loop to spare, and CPU is counted in one process. */
function fitWith(models: ReadonlyMap<string, ForecastModel>, horizonSteps: number): Fit {
  return async (name, history, previous) => {
    const started = cpuMs();
    const fitted = libraries.includes(name)
      ? await fitLibrary(name as LibraryModel, history, horizonSteps).catch((error: unknown) => ({
          kind: 'unfit' as const,
          why: String(error),
        }))
      : (models.get(name) ?? modelNamed(name)).fit(history, previous);
    return { fitted, cpuMs: cpuMs() - started };
  };
}

/**
 * The table of the reference, section 2, on a folder of series: relative p50 and p90 losses, coverage and CPU of every model, at 5
 * minutes and summed to hours; with `--plan` the replayed standby decisions, pooled.
 * `--data DIR` (../shared/data/demand), `--models a,b`, `--origins N` (all), `--series a,b`, `--step 5m|1h`.
 */
export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: {
      data: { type: 'string', default: fileURLToPath(new URL('../../shared/data/demand', import.meta.url)) },
      models: { type: 'string', default: allModels.join(',') },
      origins: { type: 'string' },
      series: { type: 'string' },
      step: { type: 'string', default: '5m,1h' },
      plan: { type: 'boolean', default: false },
    },
  });
  if (!existsSync(values.data)) throw new Error(`${values.data} is not there; give a folder of CSV files with --data`);
  const files = readdirSync(values.data).filter((file) => file.endsWith('.csv') && file !== 'expected-scores.csv');
  const names = files
    .map((file) => file.slice(0, -4))
    .filter((name) => values.series === undefined || values.series.split(',').includes(name));
  const figures: Record<string, unknown> = {};
  for (const step of values.step.split(',')) {
    figures[step] = await scoreAll(
      values.data,
      names,
      step,
      values.models.split(','),
      values.origins === undefined ? undefined : Number(values.origins),
    );
  }
  if (values.plan) figures['plan'] = await planAll(values.data, names);
  console.log(JSON.stringify({ bench: 'foresight', figures }));
  return figures;
}

async function scoreAll(
  folder: string,
  names: readonly string[],
  step: string,
  models: readonly string[],
  wanted: number | undefined,
): Promise<Record<string, unknown>> {
  const horizonSteps = step === '1h' ? 24 : 72;
  const shortest = step === '1h' ? 24 : 3;
  const scored = step === '1h' ? [24] : [3, 12, 72];
  const entries = new Map<string, Map<number, Entry[]>>();
  const cpu = new Map<string, number[]>();
  for (const name of names) {
    const read = parseSeries(readFileSync(join(folder, `${name}.csv`), 'utf8')).series;
    const series = step === '1h' ? summed(read, hourMs) : read;
    const origins = rollingOrigins(series, horizonSteps, wanted);
    const question = { series, origins, horizonSteps, scored };
    const r1: ForecastModel = { ...ownModel({ correction: false }), name: 'umbra-r1' };
    const known = new Map([['umbra-r1', r1]]);
    const fit = fitWith(known, horizonSteps);
    const baseline = await tryModel(
      question,
      contenderOf('seasonal-naive-day', series.stepMs, { horizonSteps }),
      fit,
      cpuMs,
      () => true,
    );
    for (const model of models) {
      const contender =
        model === 'umbra-r1'
          ? { ...contenderOf('umbra', series.stepMs, { horizonSteps }), model: r1 }
          : contenderOf(model, series.stepMs, { horizonSteps });
      const trial = await tryModel(question, contender, fit, cpuMs, () => true);
      if (trial.answers.length < origins.length) {
        process.stderr.write(
          `${step} ${name} ${model}: ${trial.answers.length} of ${origins.length} origins: ${trial.why ?? ''}\n`,
        );
        continue;
      }
      note(entries, cpu, model, trial, baseline, scored);
      const rel = trial.scores.get(horizonSteps)!.wql90 / baseline.scores.get(horizonSteps)!.wql90;
      process.stderr.write(`${step} ${name.padEnd(18)} ${model.padEnd(20)} ${rel.toFixed(3)}\n`);
    }
  }
  console.log(`\n${step}: geometric means over ${names.length} series; p90 loss relative to seasonal-naive-day`);
  console.log(
    `${'model'.padEnd(22)}${scored.map((steps) => `<= ${steps} steps`.padStart(13)).join('')}   p50 loss  covers mean   min  CPU ms  series`,
  );
  const table: Record<string, unknown> = {};
  for (const [model, byStep] of entries) {
    const relative = scored.map((steps) => geometricMean(byStep.get(steps)!.map(({ rel90 }) => rel90)));
    const last = byStep.get(horizonSteps)!;
    const coverage = last.map(({ coverage90 }) => coverage90);
    const mean = coverage.reduce((sum, value) => sum + value, 0) / coverage.length;
    const rel50 = geometricMean(last.map(({ rel50: value }) => value));
    const ms = cpu.get(model)!.reduce((sum, value) => sum + value, 0) / last.length;
    console.log(
      `${model.padEnd(22)}${relative.map((value) => value.toFixed(3).padStart(13)).join('')}${rel50.toFixed(3).padStart(11)}${mean.toFixed(3).padStart(13)}${Math.min(
        ...coverage,
      )
        .toFixed(2)
        .padStart(6)}${ms.toFixed(1).padStart(8)}${String(last.length).padStart(8)}`,
    );
    table[model] = {
      rel90: relative.at(-1),
      [`rel90At${shortest}`]: relative[0],
      rel50,
      coverage90: mean,
      coverageMin: Math.min(...coverage),
      cpuMs: ms,
      series: last.length,
    };
  }
  return table;
}

function note(
  entries: Map<string, Map<number, Entry[]>>,
  cpu: Map<string, number[]>,
  model: string,
  trial: Trial,
  baseline: Trial,
  scored: readonly number[],
): void {
  const byStep = entries.get(model) ?? new Map<number, Entry[]>(scored.map((steps) => [steps, []]));
  for (const steps of scored) {
    const own = trial.scores.get(steps)!;
    const base = baseline.scores.get(steps)!;
    byStep
      .get(steps)!
      .push({ rel50: own.wql50 / base.wql50, rel90: own.wql90 / base.wql90, coverage90: own.coverage90 });
  }
  entries.set(model, byStep);
  cpu.set(model, [...(cpu.get(model) ?? []), trial.cpuMsPerForecast]);
}

/** Replays decisions on the second half of every series and pools them. */
async function planAll(folder: string, names: readonly string[]): Promise<Record<string, unknown>> {
  const all: PlanOutcome[][] = [];
  for (const name of names) {
    const { series } = parseSeries(readFileSync(join(folder, `${name}.csv`), 'utf8'));
    const capacityQps = trialCapacity(series);
    const from = Math.floor(series.qps.length / 2);
    const model = modelNamed('umbra', { horizonSteps: 3 });
    const ahead = await lookAhead(
      series,
      model,
      fitWith(new Map([['umbra', model]]), 3),
      from,
      3,
      capacityQps,
      () => true,
    );
    all.push(replayAll({ series, capacityQps, from, leadMs: 5 * minuteMs, dwellMs: hourMs, ahead }));
    process.stderr.write(`plan ${name}\n`);
  }
  const total = all[0]!.map((_, index) => pooled(all.map((outcomes) => outcomes[index]!)));
  console.log('\npooled plans (capacity 0.8 x the 99.5th percentile of the first half; judged on the second half)');
  console.log(`${'policy'.padEnd(14)}threshold  hit rate  idle hours  started`);
  for (const plan of total) {
    console.log(
      `${plan.policy.padEnd(14)}${plan.threshold.toFixed(2).padStart(9)}${hitRate(plan).toFixed(4).padStart(10)}${plan.idleHours.toFixed(0).padStart(12)}${String(plan.started).padStart(9)}`,
    );
  }
  return {
    static: total[0],
    best: total
      .filter((plan) => hitRate(plan) >= 0.99 && plan.policy !== 'static pool')
      .sort((a, b) => a.idleHours - b.idleHours)[0],
  };
}
