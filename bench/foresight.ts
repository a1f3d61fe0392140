import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { minuteMs } from '../src/domain/time.ts';
import { fixedPlans, hitRate, paretoFront, pooled } from '../src/planning/backtest/plan-replay.ts';
import { geometricMean } from '../src/planning/forecast/score.ts';
import { installedPythonModels, isPythonModel, pythonModels } from './trials/python.ts';
import { runJobs } from './trials/queue.ts';
import { scoredSteps } from './trials/trial.ts';
import type { Job, Result } from './trials/trial.ts';

/** Rows of the table, ours last; `umbra-r1`, ours without the correction, can be asked for. */
const rows = [
  ...['naive', 'seasonal-naive-day', 'seasonal-naive-week', 'ets', 'mstl', 'mstl-week', 'prophet', 'arima'],
  ...[...pythonModels, 'umbra', 'auto'],
];
/** Models that are fitted at every forecast, at 5 minutes on two weeks of steps: every fourth origin tells as much. */
const thinnedUnlessTold = 'ets=4,mstl=4,mstl-week=4,prophet=4,arima=4,prophet-pypi=4';
/** Two seasons of 288 and 2,016 steps take AutoARIMA minutes a forecast. */
const onlyHourly: readonly string[] = ['mstl-autoarima'];

/**
 * The table of the reference, section 2, on a folder of series: relative p50 and p90 losses, coverage and CPU of every model, at 5
 * minutes and summed to hours; with `--plan` the replayed standby decisions, pooled.
 * `--data DIR`, `--models a,b`, `--series a,b`, `--step 5m|1h`, `--every prophet=4` (every fourth of the origins),
 * `--workers N`, `--out DIR` (results already there are not computed again), `--minutes N` (begin nothing after that).
 * `UMBRA_BENCH_PYTHON` names a Python with statsforecast and prophet from PyPI; without them their rows are left out.
 */
export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args,
    options: {
      data: { type: 'string', default: fileURLToPath(new URL('../../shared/data/demand', import.meta.url)) },
      models: { type: 'string', default: rows.join(',') },
      every: { type: 'string', default: thinnedUnlessTold },
      series: { type: 'string' },
      step: { type: 'string', default: '5m,1h' },
      plan: { type: 'boolean', default: false },
      workers: { type: 'string', default: String(availableParallelism()) },
      out: { type: 'string', default: join(tmpdir(), 'umbra-foresight') },
      minutes: { type: 'string', default: '600' },
    },
  });
  if (!existsSync(values.data)) throw new Error(`${values.data} is not there; give a folder of CSV files with --data`);
  const names = readdirSync(values.data)
    .filter((file) => file.endsWith('.csv') && file !== 'expected-scores.csv')
    .map((file) => file.slice(0, -4))
    .filter((name) => values.series === undefined || values.series.split(',').includes(name));
  const models = installed(values.models.split(','));
  const thinned = new Map(
    values.every
      .split(',')
      .filter((part) => part !== '')
      .map((part) => [part.split('=')[0]!, Number(part.split('=')[1])] as const),
  );
  const jobsFor = (kind: Job['kind'], step: Job['step'], wanted: readonly string[]): Job[] =>
    wanted
      .filter((model) => step === '1h' || !onlyHourly.includes(model))
      .flatMap((model) =>
        names.map((name) => {
          const file = join(values.data, `${name}.csv`);
          return {
            kind,
            file,
            name,
            step,
            model,
            every: kind === 'plan' || step === '1h' ? 1 : (thinned.get(model) ?? 1),
          };
        }),
      );
  const steps = values.step.split(',') as Job['step'][];
  const jobs = values.plan
    ? jobsFor('plan', '5m', models.filter((model) => model === 'umbra' || model === 'auto').slice(0, 1))
    : steps.flatMap((step) => jobsFor('forecast', step, models));
  const results = await runJobs(jobs, {
    folder: values.out,
    workers: Number(values.workers),
    untilMs: Date.now() + Number(values.minutes) * minuteMs,
  });
  const known = results.filter((result) => result !== undefined);
  const figures = values.plan
    ? printPlans(known)
    : Object.fromEntries(steps.map((step) => [step, printScores(known, step, models, names.length)]));
  console.log(JSON.stringify({ bench: 'foresight', figures }));
  return figures;
}

/** Without the peers from PyPI that are not there. */
function installed(models: readonly string[]): string[] {
  const found = models.some(isPythonModel) ? installedPythonModels() : {};
  for (const model of models.filter(isPythonModel)) {
    console.log(
      found[model] === undefined
        ? `${model} is left out: its package is not there (UMBRA_BENCH_PYTHON names a Python)`
        : `${model} is ${found[model]}`,
    );
  }
  return models.filter((model) => !isPythonModel(model) || found[model] !== undefined);
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function printScores(
  results: readonly Result[],
  step: Job['step'],
  models: readonly string[],
  series: number,
): Record<string, unknown> {
  const scored = scoredSteps(step);
  const last = String(scored.at(-1)!);
  console.log(
    `\n${step}: geometric means over ${series} series; losses relative to seasonal-naive-day on the same origins`,
  );
  console.log(
    `${'model'.padEnd(22)}${scored.map((steps) => `p90 <= ${steps} st.`.padStart(15)).join('')}     p50     p99  covers mean   min   p99   CPU ms  series`,
  );
  const table: Record<string, unknown> = {};
  for (const model of models) {
    const own = results.filter(
      // One that needs a longer history than a series has at its first origins is compared on the others.
      ({ job, answered, asked }) => job.model === model && job.step === step && 2 * answered >= asked,
    );
    if (own.length === 0) continue;
    const relative = (steps: string, pick: 'rel50' | 'rel90' | 'rel99'): number =>
      geometricMean(own.map(({ scores }) => scores[steps]![pick]));
    const coverage = own.map(({ scores }) => scores[last]!.coverage90);
    const figures = {
      rel90: scored.map((steps) => relative(String(steps), 'rel90')),
      rel50: relative(last, 'rel50'),
      rel99: relative(last, 'rel99'),
      coverage90: mean(coverage),
      coverageMin: Math.min(...coverage),
      coverage99: mean(own.map(({ scores }) => scores[last]!.coverage99)),
      cpuMs: mean(own.map(({ cpuMs }) => cpuMs)),
      series: own.length,
      everyOrigin: own[0]!.job.every,
    };
    console.log(
      `${model.padEnd(22)}${figures.rel90.map((value) => value.toFixed(3).padStart(15)).join('')}${[figures.rel50, figures.rel99].map((value) => value.toFixed(3).padStart(8)).join('')}` +
        `${figures.coverage90.toFixed(3).padStart(13)}${figures.coverageMin.toFixed(2).padStart(6)}${figures.coverage99.toFixed(3).padStart(6)}${figures.cpuMs.toFixed(1).padStart(9)}${String(own.length).padStart(8)}`,
    );
    table[model] = figures;
  }
  return table;
}

const number = (value: number, digits: number, width: number): string => value.toFixed(digits).padStart(width);

/** Replayed decisions, pooled over the series; then each series with its thresholds fixed on its first half. */
function printPlans(results: readonly Result[]): Record<string, unknown> {
  const all = results.flatMap(({ plans, tried, job }) =>
    plans === undefined || tried === undefined ? [] : [{ plans, tried, name: job.name }],
  );
  if (all.length === 0) return {};
  const total = all[0]!.plans.map((_, index) => pooled(all.map(({ plans }) => plans[index]!)));
  console.log('\nplans of all series pooled, judged on the second halves; policies that none of their kind beats');
  console.log(`${'policy'.padEnd(14)}threshold  hit rate  idle hours  started`);
  for (const policy of new Set(total.map((plan) => plan.policy))) {
    for (const plan of paretoFront(total.filter((each) => each.policy === policy))) {
      console.log(
        `${plan.policy.padEnd(14)}${number(plan.threshold, 2, 9)}${number(hitRate(plan), 4, 10)}${number(plan.idleHours, 0, 12)}${String(plan.started).padStart(9)}`,
      );
    }
  }
  console.log('\none threshold for all, fixed on the first halves, judged on the second');
  const before = all[0]!.tried.map((_, index) => pooled(all.map(({ tried }) => tried[index]!)));
  const always = total[0]!.idleHours;
  const fixed = fixedPlans(before, total).map(({ past, came }) => {
    console.log(
      `${came.policy.padEnd(14)}${number(came.threshold, 2, 9)}${number(hitRate(past), 4, 10)} then${number(hitRate(came), 4, 10)}${number(came.idleHours, 0, 8)} h, ${number(100 * (1 - came.idleHours / always), 0, 3)} % fewer`,
    );
    return { ...came, hitsThen: hitRate(past) };
  });
  console.log('\neach series with the threshold that its own first half asks for (99 % hits at the fewest idle hours)');
  console.log(
    `${'series'.padEnd(20)}${['umbra', 'reactive', 'last week'].map((name) => `${name}: hits, idle saved`.padStart(30)).join('')}  static idle h`,
  );
  const chosen = all.map(({ plans, tried, name }) => {
    const always = plans[0]!;
    const byPolicy = fixedPlans(tried, plans, ['umbra', 'reactive', 'last week']).map(({ came }) => ({
      policy: came.policy,
      threshold: came.threshold,
      hits: hitRate(came),
      saved: always.idleHours > 0 ? 1 - came.idleHours / always.idleHours : 0,
    }));
    console.log(
      `${name.padEnd(20)}${byPolicy.map(({ hits, saved, threshold }) => `${number(hits, 4, 12)}${number(100 * saved, 0, 8)} % at ${threshold.toFixed(2)}`.padStart(30)).join('')}${number(always.idleHours, 0, 10)}`,
    );
    return { name, needs: always.needs, staticIdleHours: always.idleHours, byPolicy };
  });
  return { pooled: paretoFront(total), fixed, series: chosen };
}
