import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { contenderOf } from '../../src/cli/backtest-contenders.ts';
import type { DemandSeries } from '../../src/domain/demand.ts';
import { hourMs, minuteMs } from '../../src/domain/time.ts';
import { lookAhead } from '../../src/planning/backtest/ahead.ts';
import { replayAll, trialCapacity } from '../../src/planning/backtest/plan-replay.ts';
import type { PlanOutcome } from '../../src/planning/backtest/plan-replay.ts';
import { relativeScores, scoresOn, tryModel } from '../../src/planning/backtest/rolling.ts';
import type { Fit, RollingQuestion, Trial } from '../../src/planning/backtest/rolling.ts';
import { parseSeries, rollingOrigins, summed } from '../../src/planning/backtest/series.ts';
import type { ForecastModel } from '../../src/planning/forecast/model.ts';
import { isLibraryModel, modelNamed } from '../../src/planning/forecast/models.ts';
import { ownModel } from '../../src/planning/forecast/own/own.ts';
import { fitLibrary } from '../../src/providers/forecasting/library-models.ts';
import { askPython, isPythonModel, pythonScript } from './python.ts';
import type { PythonModel } from './python.ts';

/** One model on one series: over rolling origins, or (`plan`) the standby decisions made from it. */
export type Job = {
  readonly kind: 'forecast' | 'plan';
  readonly file: string;
  readonly name: string;
  readonly step: '5m' | '1h';
  readonly model: string;
  /** Every how-manieth of the origins; 1 is all. */
  readonly every: number;
};

/** Losses relative to seasonal-naive-day on the same origins, by horizon in steps. */
export type Score = {
  readonly rel50: number;
  readonly rel90: number;
  readonly rel99: number;
  readonly wql90: number;
} & {
  readonly coverage90: number;
  readonly coverage99: number;
};

export type Result = {
  readonly job: Job;
  readonly asked: number;
  readonly answered: number;
  readonly why?: string;
  readonly cpuMs: number;
  readonly scores: Readonly<Record<string, Score>>;
  /** [origin, quantile paths]: kept in the cache, so that other ways of scoring need no second run. */
  readonly answers?: readonly (readonly [number, readonly (readonly number[])[]])[];
  /** Policies and thresholds on the second quarter of the series, and the same ones on its second half. */
  readonly tried?: readonly PlanOutcome[];
  readonly plans?: readonly PlanOutcome[];
};

const root = new URL('../../', import.meta.url);

/** Steps scored apart, shortest first. */
export function scoredSteps(step: Job['step']): number[] {
  return step === '1h' ? [24] : [3, 12, 72];
}

/** The files whose change makes a result out of date: a library's forecasts do not change with our own model. */
function sourcesOf({ kind, model }: Job): string[] {
  const folder = (path: string): string[] =>
    readdirSync(new URL(path, root), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .sort()
      .map((file) => `${path}${file}`);
  const common = [
    'src/planning/backtest/rolling.ts',
    'src/planning/backtest/series.ts',
    'src/planning/forecast/seasonal-naive.ts',
  ];
  if (isPythonModel(model)) return common;
  if (isLibraryModel(model)) {
    const library = ['arima', 'augurs', 'library-models'].map((name) => `src/providers/forecasting/${name}.ts`);
    return [...common, ...library, 'src/planning/forecast/path.ts'];
  }
  if (kind === 'plan') return [...common, ...folder('src/planning/forecast/'), ...folder('src/planning/backtest/')];
  return model.startsWith('umbra') || model === 'auto' ? [...common, ...folder('src/planning/forecast/')] : common;
}

/** Names a result by everything it follows from. */
export function keyOf(job: Job): string {
  const hash = createHash('sha256')
    .update(JSON.stringify({ ...job, file: '' }))
    .update(readFileSync(job.file));
  for (const source of sourcesOf(job)) hash.update(readFileSync(new URL(source, root)));
  if (isPythonModel(job.model)) hash.update(readFileSync(pythonScript));
  return `${job.kind}-${job.step}-${job.name}-${job.model}-${hash.digest('hex').slice(0, 16)}`;
}

export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Fits here: a process of its own has no event loop to spare, and its CPU is counted whole. */
function fitWith(model: ForecastModel, horizonSteps: number): Fit {
  return async (name, history, previous) => {
    const started = cpuMs();
    const fitted = isLibraryModel(name)
      ? await fitLibrary(name, history, horizonSteps).catch((error: unknown) => ({
          kind: 'unfit' as const,
          why: String(error),
        }))
      : name === model.name
        ? model.fit(history, previous)
        : modelNamed(name).fit(history, previous);
    return { fitted, cpuMs: cpuMs() - started };
  };
}

function seriesOf({ file, step }: Job): DemandSeries {
  const { series } = parseSeries(readFileSync(file, 'utf8'));
  return step === '1h' ? summed(series, hourMs) : series;
}

export function runJob(job: Job): Promise<Result> {
  return job.kind === 'plan' ? runPlan(job) : runTrial(job);
}

async function runTrial(job: Job): Promise<Result> {
  const series = seriesOf(job);
  const horizonSteps = job.step === '1h' ? 24 : 72;
  const scored = scoredSteps(job.step);
  const origins = rollingOrigins(series, horizonSteps).filter((_, index) => index % job.every === 0);
  const question = { series, origins, horizonSteps, scored };
  const reference = contenderOf('seasonal-naive-day', series.stepMs, { horizonSteps });
  const always = () => true;
  const baseline = await tryModel(question, reference, fitWith(reference.model, horizonSteps), cpuMs, always);
  const trial = isPythonModel(job.model)
    ? await tryPython(question, job.model, reference.windowSteps!)
    : await tryHere(question, job.model);
  const short = (value: number): number => Number(value.toPrecision(6));
  return {
    job,
    asked: origins.length,
    answered: trial.answers.length,
    ...(trial.why === undefined ? {} : { why: trial.why }),
    cpuMs: trial.cpuMsPerForecast,
    scores: Object.fromEntries(
      scored.map((steps) => [String(steps), relativeScores(series, trial, baseline, steps)] as const),
    ),
    answers: trial.answers.map(({ origin, forecast }) => [origin, forecast.values.map((path) => path.map(short))]),
  };
}

function tryHere(question: RollingQuestion, model: string): Promise<Trial> {
  const { horizonSteps, series } = question;
  const named = contenderOf(model === 'umbra-r1' ? 'umbra' : model, series.stepMs, { horizonSteps });
  const contender =
    model === 'umbra-r1' ? { ...named, model: { ...ownModel({ correction: false }), name: 'umbra-r1' } } : named;
  return tryModel(question, contender, fitWith(contender.model, horizonSteps), cpuMs, () => true);
}

async function tryPython(question: RollingQuestion, model: PythonModel, windowSteps: number): Promise<Trial> {
  const { series, origins, scored } = question;
  const said = await askPython(model, series, { ...question, windowSteps });
  const answers = said.map(({ origin, paths }) => ({
    origin,
    forecast: { model, start: series.start + origin * series.stepMs, stepMs: series.stepMs, values: paths },
  }));
  return {
    model,
    answers,
    scores: new Map(scored.map((steps) => [steps, scoresOn(series, answers, new Set(origins), steps)])),
    unfit: origins.length - answers.length,
    cpuMsPerForecast: said.reduce((sum, { cpuMs: each }) => sum + each, 0) / Math.max(1, said.length),
  };
}

/**
 * Replays decisions: capacity is 0.8 x the 99.5th percentile of the first half. The second quarter is there to fix thresholds on,
 * the second half judges them.
 */
async function runPlan(job: Job): Promise<Result> {
  const series = seriesOf(job);
  const capacityQps = trialCapacity(series);
  const from = Math.floor(series.qps.length / 4);
  const half = Math.floor(series.qps.length / 2);
  const leadMs = 5 * minuteMs;
  const leadSteps = Math.max(1, Math.ceil((2 * leadMs) / series.stepMs));
  const model = modelNamed(job.model, { horizonSteps: leadSteps });
  const started = cpuMs();
  const ahead = await lookAhead(series, model, fitWith(model, leadSteps), from, leadSteps, capacityQps, () => true);
  const question = { series, capacityQps, leadMs, dwellMs: hourMs, ahead };
  return {
    job,
    asked: 1,
    answered: 1,
    cpuMs: cpuMs() - started,
    scores: {},
    tried: replayAll({ ...question, from, to: half }),
    plans: replayAll({ ...question, from: half }),
  };
}
