import type { DemandSeries } from '../../domain/demand.ts';
import { before } from '../forecast/history.ts';
import { atLevel, quantileLevels } from '../../domain/quantile.ts';
import type { ForecastModel, ModelState, QuantileForecast, Unfit } from '../forecast/model.ts';
import { addStep, emptySums, scoresOf } from '../forecast/score.ts';
import type { Scores, ScoreSums } from '../forecast/score.ts';

/** Fits a model somewhere: in place or in a thread. */
export type Fit = (
  model: string,
  history: DemandSeries,
  previous: ModelState | undefined,
) => Promise<{ readonly fitted: ModelState | Unfit; readonly cpuMs: number }>;

/** A model on trial. */
export type Contender = {
  readonly model: ForecastModel;
  /** Steps between fits; 0 fits at every origin. */
  readonly refitSteps: number;
  /** At most this many steps before the origin are shown to it; undefined: all. */
  readonly windowSteps?: number;
};

export type RollingQuestion = {
  readonly series: DemandSeries;
  readonly origins: readonly number[];
  readonly horizonSteps: number;
  /** Scored apart: steps 1..h for each h. */
  readonly scored: readonly number[];
};

/** What one contender said at one origin. */
export type OriginAnswer = { readonly origin: number; readonly forecast: QuantileForecast };

export type Trial = {
  readonly model: string;
  readonly answers: readonly OriginAnswer[];
  /** Scores by horizon in steps. */
  readonly scores: ReadonlyMap<number, Scores>;
  /** Origins at which it had to be replaced, and why the first time. */
  readonly unfit: number;
  readonly why?: string;
  readonly cpuMsPerForecast: number;
};

/**
 * Rolls one model over the origins. At each origin it is given a copy of the steps before it and nothing else.
 * A model that does not fit yet is skipped at that origin and counted in `unfit`.
 * @param progress called after every origin; answering false ends the trial with what is done
 */
export async function tryModel(
  question: RollingQuestion,
  { model, refitSteps, windowSteps }: Contender,
  fit: Fit,
  cpuNowMs: () => number,
  progress: (done: number) => boolean,
): Promise<Trial> {
  const { series, origins, horizonSteps, scored } = question;
  const sums = new Map(scored.map((steps) => [steps, emptySums()]));
  const answers: OriginAnswer[] = [];
  let state: ModelState | undefined;
  let fittedAt = -Infinity;
  let unfit = 0;
  let why: string | undefined;
  let cpuMs = 0;
  for (const [index, origin] of origins.entries()) {
    const history = before(series, origin, windowSteps ?? origin);
    if (state === undefined || refitSteps === 0 || origin - fittedAt >= refitSteps) {
      const { fitted, cpuMs: spent } = await fit(model.name, history, state);
      cpuMs += spent;
      if ('kind' in fitted) why ??= fitted.why;
      else state = fitted;
      fittedAt = origin;
    }
    if (state === undefined) unfit += 1;
    else {
      const started = cpuNowMs();
      const forecast = model.predict(state, history, horizonSteps);
      cpuMs += cpuNowMs() - started;
      answers.push({ origin, forecast });
      scoreOne(sums, series, origin, forecast);
    }
    if (!progress(index + 1)) break;
  }
  return {
    model: model.name,
    answers,
    scores: new Map([...sums].map(([steps, sum]) => [steps, scoresOf(sum)])),
    unfit,
    ...(why === undefined ? {} : { why }),
    cpuMsPerForecast: cpuMs / Math.max(1, answers.length),
  };
}

function scoreOne(
  sums: Map<number, ScoreSums>,
  series: DemandSeries,
  origin: number,
  forecast: QuantileForecast,
): void {
  const [p50, p90, p99] = ([0.5, 0.9, 0.99] as const).map((level) => atLevel(forecast.values, level));
  const known = Math.min(p50!.length, series.qps.length - origin);
  for (const [steps, sum] of sums) {
    for (let step = 0; step < Math.min(steps, known); step += 1) {
      addStep(sum, series.qps[origin + step]!, p50![step]!, p90![step]!, p99![step]!);
    }
  }
}

/** Scores of answers restricted to given origins, so that models that skipped some are compared on the same ones. */
export function scoresOn(
  series: DemandSeries,
  answers: readonly OriginAnswer[],
  origins: ReadonlySet<number>,
  steps: number,
): Scores {
  const sums = new Map([[steps, emptySums()]]);
  for (const { origin, forecast } of answers) if (origins.has(origin)) scoreOne(sums, series, origin, forecast);
  return scoresOf(sums.get(steps)!);
}

/** A trial's scores beside the baseline's on the origins at which it answered; NaN where nothing can be compared. */
export function relativeScores(
  series: DemandSeries,
  trial: Trial,
  baseline: Trial,
  steps: number,
): Scores & { readonly rel50: number; readonly rel90: number; readonly rel99: number } {
  const own = trial.scores.get(steps)!;
  const base = scoresOn(series, baseline.answers, new Set(trial.answers.map(({ origin }) => origin)), steps);
  return { ...own, rel50: own.wql50 / base.wql50, rel90: own.wql90 / base.wql90, rel99: own.wql99 / base.wql99 };
}

/** The trial with the least p90 loss among those that answered at half of the origins at least; undefined when none did. */
export function bestTrial(
  series: DemandSeries,
  trials: readonly Trial[],
  baseline: Trial,
  steps: number,
): Trial | undefined {
  const most = Math.max(0, ...trials.map(({ answers }) => answers.length));
  const loss = (trial: Trial): number => {
    const { rel90, wql90 } = relativeScores(series, trial, baseline, steps);
    return Number.isFinite(rel90) ? rel90 : wql90;
  };
  return trials
    .filter(({ answers }) => answers.length > 0 && answers.length >= most / 2)
    .sort((left, right) => loss(left) - loss(right))[0];
}

/** `origin,step,p10,p50,p90,p95,p99`, one line a step, so that anyone can score it independently. */
export function quantilesCsv(answers: readonly OriginAnswer[]): string {
  const lines = ['origin,step,p10,p50,p90,p95,p99'];
  for (const { origin, forecast } of answers) {
    const steps = forecast.values[0]!.length;
    for (let step = 0; step < steps; step += 1) {
      lines.push(
        `${origin},${step + 1},${quantileLevels.map((_, level) => tidy(forecast.values[level]![step]!)).join(',')}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

const tidy = (value: number): string => String(Number(value.toPrecision(9)));
