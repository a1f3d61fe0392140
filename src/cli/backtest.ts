import { readFile, writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import type { DemandSeries } from '../domain/demand.ts';
import { dayMs, formatDuration, hourMs, minuteMs, parseDuration } from '../domain/time.ts';
import { lookAhead } from '../planning/backtest/ahead.ts';
import {
  fixedPlans,
  hitRate,
  paretoFront,
  replayAll,
  trialCapacity,
  wantedHits,
} from '../planning/backtest/plan-replay.ts';
import type { FixedPlan, PlanOutcome } from '../planning/backtest/plan-replay.ts';
import { renderReport } from '../planning/backtest/report.ts';
import { quantilesCsv, relativeScores, tryModel } from '../planning/backtest/rolling.ts';
import type { Contender, Fit, Trial } from '../planning/backtest/rolling.ts';
import { parseSeries, rollingOrigins, scoredHorizons, summed } from '../planning/backtest/series.ts';
import type { ReadSeries } from '../planning/backtest/series.ts';
import { stepsPerDay } from '../planning/forecast/history.ts';
import type { ModelState } from '../planning/forecast/model.ts';
import { fitsIn, modelNamed, modelNames, refitSteps, windowSteps } from '../planning/forecast/models.ts';
import type { ModelOptions } from '../planning/forecast/models.ts';
import { calibrationFrom, measureCalibration } from '../planning/risk/calibration.ts';
import type { CalibrationReport } from '../planning/risk/calibration.ts';
import { threadForecaster } from '../providers/forecasting/threads.ts';
import type { Forecaster } from '../ports/forecaster.ts';
import { Ending, exitCodes } from './exit.ts';
import { table } from './table.ts';
import { realTerminal } from './terminal.ts';
import type { Terminal } from './terminal.ts';

/** How `--vm ID` finds demand; the program that mounts the command gives it. Steps as asked, up to now. */
export type LoadSeries = (hostedVmId: string, stepMs: number) => Promise<DemandSeries>;

/** What the command needs from its surroundings; all optional, so that `--series` works alone. */
export type BacktestSurroundings = { readonly terminal?: Terminal; readonly loadSeries?: LoadSeries };

export type SeriesOptions = { readonly series?: string; readonly vm?: string; readonly step?: number };

type Options = SeriesOptions & {
  readonly horizon?: number;
  readonly models: string;
  readonly origins?: number;
  readonly originsFile?: string;
  readonly json?: boolean;
  readonly quantiles?: string;
  readonly html?: string;
  readonly plan?: boolean;
  readonly capacity?: number;
  readonly lead: number;
  readonly memory?: number;
};

const baselineName = 'seasonal-naive-day';

/** `umbra backtest`: how every model would have done on this demand, and which failures the standby plan would have been ready for. */
export function backtestCommand(surroundings: BacktestSurroundings = {}): Command {
  return new Command('backtest')
    .description('shows how each forecast, and the plans made from it, would have done on past demand')
    .option('--series <file>', 'CSV of timestamp,value')
    .option('--vm <id>', 'a hosted VM of the running instance')
    .option('--step <width>', 'sum the series to this step: 5m or 1h', duration)
    .option('--horizon <time>', 'how far to forecast (6h; 24h for hourly steps)', duration)
    .option('--models <names>', `comma separated: auto, ${modelNames.slice(1).join(', ')}`, 'auto')
    .option('--origins <count>', 'forecast from this many moments instead of the usual ones', count)
    .option('--origins-file <file>', 'forecast from these: 0-based index of the first unknown value, one a line')
    .option('--json', 'print JSON')
    .option('--quantiles <file>', 'write origin,step,p10,p50,p90,p95,p99 of the first model')
    .option('--html <file>', 'write a report: one self-contained file')
    .option('--plan', 'also replay standby decisions against a static pool, a reactive threshold and last week')
    .option('--capacity <rate>', 'capacity for --plan, in the units of the series', rate)
    .option('--lead <time>', 'time a shadow needs until it is warm, for --plan', duration, 5 * minuteMs)
    .option('--memory <MiB>', 'memory of a shadow, to show what --plan costs in GiB-hours', rate)
    .addHelpText(
      'after',
      `
Examples:
  $ umbra backtest --series demand.csv
  $ umbra backtest --series demand.csv --models auto,prophet,arima --html report.html
  $ umbra backtest --series demand.csv --step 1h --horizon 24h --json
  $ umbra backtest --vm shop --plan

Losses are relative to the same time yesterday with its own past errors (1.00); lower is better.
--plan lets the first quarter of the series teach, fixes each policy's threshold on the second, and judges it on the second half.
Ctrl-C ends early and keeps what is done.`,
    )
    .action(async (options: Options) => {
      await runBacktest(options, surroundings);
    });
}

async function runBacktest(options: Options, surroundings: BacktestSurroundings): Promise<void> {
  const terminal = surroundings.terminal ?? realTerminal();
  const { series, notes } = await readSeries(options, surroundings.loadSeries);
  const { stepMs } = series;
  const horizonSteps = Math.max(1, Math.round((options.horizon ?? (stepMs >= hourMs ? 24 : 6) * hourMs) / stepMs));
  const names = [...new Set(options.models.split(',').map((name) => name.trim()))].filter((name) => name !== '');
  const contenders = names.map((name) => contenderOf(name, stepMs, { horizonSteps }));
  const origins = await originsOf(options, series, horizonSteps);
  const scored = scoredHorizons(stepMs, horizonSteps);
  const question = { series, origins, horizonSteps, scored };
  for (const note of notes) terminal.err(`note: ${note}\n`);

  const forecaster = threadForecaster();
  const stop = terminal.interrupted;
  const fit = fitBy(forecaster, horizonSteps, stop);
  const progress = progressBar(
    terminal,
    contenders.length * origins.length + (options.plan === true ? origins.length : 0),
  );
  const trials: Trial[] = [];
  let plan: PlanPart | undefined;
  let baseline: Trial;
  try {
    const reference = contenderOf(baselineName, stepMs, { horizonSteps });
    baseline = await tryModel(question, reference, inPlace(), cpuNowMs, () => true);
    for (const contender of contenders) {
      if (stop.aborted) break;
      const trial = await tryModel(question, contender, fit, cpuNowMs, (done) => {
        progress.at(trials.length * origins.length + done, contender.model.name);
        return !stop.aborted;
      });
      trials.push(trial);
    }
    if (options.plan === true && !stop.aborted) {
      plan = await replayPlans(series, options, contenders[0]!, fit, (share) => {
        progress.at((contenders.length + share) * origins.length, 'plans');
        return !stop.aborted;
      });
    }
  } finally {
    progress.end();
    await forecaster.close();
  }
  if (stop.aborted) terminal.err('stopped; this is what was done until then\n');
  const first = trials[0];
  if (options.quantiles !== undefined && first !== undefined)
    await writeFile(options.quantiles, quantilesCsv(first.answers));
  if (options.html !== undefined) {
    const title = `Umbra backtest of ${options.vm ?? options.series?.split(/[\\/]/).at(-1) ?? 'demand'}`;
    const html = renderReport({
      title,
      series,
      notes,
      trials,
      baseline,
      horizonSteps,
      writtenAt: terminal.now(),
      ...(plan === undefined
        ? {}
        : {
            plans: plan.outcomes,
            fixed: plan.fixed,
            capacity: plan.capacity,
            calibration: plan.calibration,
            ...(options.memory === undefined ? {} : { memoryMiB: options.memory }),
          }),
    });
    await writeFile(options.html, html);
  }
  const figures = figuresOf(question, trials, baseline);
  const outcome = {
    stepMs,
    steps: series.qps.length,
    horizonSteps,
    origins,
    notes,
    stopped: stop.aborted,
    models: figures,
  };
  if (options.json === true)
    terminal.out(`${JSON.stringify(plan === undefined ? outcome : { ...outcome, plan }, null, 2)}\n`);
  else {
    printTable(terminal, figures, scored, origins.length, stepMs);
    if (plan !== undefined) printPlan(terminal, plan, options);
  }
  if (trials.every(({ answers }) => answers.length === 0)) {
    throw new Ending(
      exitCodes.failure,
      `no model could forecast: ${trials.map(({ model, why }) => why ?? model).join('; ')}`,
    );
  }
}

/** Reads `--series` or `--vm` and brings it to the asked step. */
export async function readSeries(options: SeriesOptions, loadSeries: LoadSeries | undefined): Promise<ReadSeries> {
  const { series: file, vm, step } = options;
  if ((file === undefined) === (vm === undefined))
    throw new Ending(exitCodes.usage, 'give either --series FILE or --vm ID');
  if (vm !== undefined) {
    if (loadSeries === undefined)
      throw new Ending(exitCodes.usage, '--vm needs a running instance; here only --series FILE works');
    return { series: await loadSeries(vm, step ?? 5 * minuteMs), notes: [] };
  }
  const text = await readFile(file!, 'utf8').catch((error: unknown) => {
    throw new Ending(
      exitCodes.usage,
      `cannot read ${file!}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  });
  let read: ReadSeries;
  try {
    read = parseSeries(text);
  } catch (error) {
    throw new Ending(exitCodes.usage, `${file!}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (step === undefined || step === read.series.stepMs) return read;
  if (step < read.series.stepMs || step % read.series.stepMs !== 0) {
    const width = formatDuration(read.series.stepMs);
    throw new Ending(
      exitCodes.usage,
      `${file!} has steps of ${width}; --step ${formatDuration(step)} is not a multiple of it`,
    );
  }
  return { series: summed(read.series, step), notes: [...read.notes, `summed to steps of ${formatDuration(step)}`] };
}

async function originsOf(options: Options, series: DemandSeries, horizonSteps: number): Promise<number[]> {
  if (options.originsFile === undefined) {
    const origins = rollingOrigins(series, horizonSteps, options.origins);
    if (origins.length === 0) {
      const days = (series.qps.length / stepsPerDay(series.stepMs)).toFixed(1);
      throw new Ending(
        exitCodes.usage,
        `${days} days are too short: the last quarter must hold one horizon of ${horizonSteps} steps`,
      );
    }
    return origins;
  }
  const file = options.originsFile;
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new Ending(
      exitCodes.usage,
      `cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  });
  const origins = text
    .split(/\r?\n/)
    .map((line, index) => ({ text: line.trim(), line: index + 1 }))
    .filter((entry) => entry.text !== '' && !(entry.line === 1 && entry.text === 'origin'))
    .map((entry) => {
      const origin = Number(entry.text);
      if (!Number.isInteger(origin) || origin < 2 || origin > series.qps.length) {
        throw new Ending(
          exitCodes.usage,
          `${file}:${entry.line}: "${entry.text}" is not an origin from 2 to ${series.qps.length}`,
        );
      }
      return origin;
    });
  if (origins.length === 0) throw new Ending(exitCodes.usage, `${file} names no origin`);
  return [...new Set(origins)].sort((left, right) => left - right);
}

/** How the product would run this model: its own daily, a library at every forecast (the reference compares it so). */
export function contenderOf(name: string, stepMs: number, options: ModelOptions): Contender {
  let model;
  try {
    model = modelNamed(name, options);
  } catch (error) {
    throw new Ending(exitCodes.usage, error instanceof Error ? error.message : String(error), { cause: error });
  }
  return { model, refitSteps: refitSteps(name, stepMs), windowSteps: windowSteps(name, stepMs) };
}

/** Fits in a thread, so that Ctrl-C is heard. */
export function fitBy(forecaster: Forecaster, horizonSteps: number, signal?: AbortSignal): Fit {
  return async (model, history, previous) => {
    if (fitsIn(model) === 'place') return inPlace()(model, history, previous);
    try {
      const outcome = await forecaster.fit({ model, history, previous, horizonSteps }, signal);
      if (outcome.kind === 'unfit') return { fitted: outcome, cpuMs: outcome.cpuMs };
      return { fitted: outcome.state, cpuMs: outcome.cpuMs };
    } catch (error) {
      if (signal?.aborted === true) return { fitted: { kind: 'unfit', why: 'stopped' }, cpuMs: 0 };
      throw error;
    }
  };
}

function inPlace(): Fit {
  return (model, history, previous: ModelState | undefined) => {
    const started = cpuNowMs();
    const fitted = modelNamed(model).fit(history, previous);
    return Promise.resolve({ fitted, cpuMs: cpuNowMs() - started });
  };
}

/** CPU of this thread's process so far; fits in threads report their own. */
export function cpuNowMs(): number {
  return performance.now();
}

type PlanPart = {
  readonly capacity: number;
  /** Each policy with the threshold that the second quarter of the series asks for, judged on its second half. */
  readonly fixed: readonly FixedPlan[];
  /** Every policy at every threshold, on the second half. */
  readonly outcomes: readonly PlanOutcome[];
  readonly front: readonly PlanOutcome[];
  readonly calibration: CalibrationReport;
  readonly calibrationApplied: boolean;
};

async function replayPlans(
  series: DemandSeries,
  options: Options,
  contender: Contender,
  fit: Fit,
  progress: (share: number) => boolean,
): Promise<PlanPart | undefined> {
  const capacity = options.capacity ?? trialCapacity(series);
  const [quarter, half] = [Math.floor(series.qps.length / 4), Math.floor(series.qps.length / 2)];
  const leadSteps = Math.max(1, Math.ceil((options.lead + 5 * minuteMs) / series.stepMs));
  const told = { whole: true };
  const ahead = await lookAhead(series, contender.model, fit, quarter, leadSteps, capacity, (share) => {
    told.whole = progress(share);
    return told.whole;
  });
  // Part of the forecasts would judge the plans by what was never said.
  if (!told.whole) return undefined;
  const question = { series, capacityQps: capacity, leadMs: options.lead, dwellMs: hourMs, ahead };
  const outcomes = replayAll({ ...question, from: half });
  return {
    capacity,
    fixed: fixedPlans(replayAll({ ...question, from: quarter, to: half }), outcomes),
    outcomes,
    front: paretoFront(outcomes),
    calibration: measureCalibration(ahead.outcomes),
    calibrationApplied: calibrationFrom(ahead.outcomes).steps.length > 0,
  };
}

type Figures = {
  readonly model: string;
  readonly origins: number;
  readonly unfit: number;
  readonly why?: string;
  readonly cpuMsPerForecast: number;
  /** By horizon in steps; `rel` are relative to the baseline on the same origins. */
  readonly scores: Readonly<Record<string, Record<string, number>>>;
};

function figuresOf(
  question: { series: DemandSeries; scored: readonly number[] },
  trials: readonly Trial[],
  baseline: Trial,
): Figures[] {
  return [...trials, ...(trials.some(({ model }) => model === baselineName) ? [] : [baseline])].map((trial) => {
    const scores = question.scored.map(
      (steps) => [String(steps), relativeScores(question.series, trial, baseline, steps)] as const,
    );
    return {
      model: trial.model,
      origins: trial.answers.length,
      unfit: trial.unfit,
      ...(trial.why === undefined ? {} : { why: trial.why }),
      cpuMsPerForecast: Number(trial.cpuMsPerForecast.toFixed(2)),
      scores: Object.fromEntries(scores),
    };
  });
}

function printTable(
  terminal: Terminal,
  figures: readonly Figures[],
  scored: readonly number[],
  origins: number,
  stepMs: number,
): void {
  const headings = [
    'model',
    ...scored.map((steps) => `p90 loss <= ${formatDuration(steps * stepMs)}`),
    'p50 loss',
    'p90 covers',
    'CPU ms',
    'note',
  ];
  const last = String(scored.at(-1));
  const rows = figures.map(({ model, scores, cpuMsPerForecast, why, unfit }) => [
    model,
    ...scored.map((steps) => shown(scores[String(steps)]!['rel90'])),
    shown(scores[last]!['rel50']),
    shown(scores[last]!['coverage90']),
    cpuMsPerForecast.toFixed(1),
    unfit > 0 ? `no forecast at ${unfit} of ${origins} origins: ${why ?? ''}` : '',
  ]);
  terminal.out(table({ ...terminal, isTerminal: true }, headings, rows));
}

/** First what each policy would have done with a threshold nobody chose in hindsight, then the best of hindsight. */
function printPlan(terminal: Terminal, plan: PlanPart, { memory, lead }: Options): void {
  const wide = { ...terminal, isTerminal: true };
  const [always] = plan.outcomes;
  const ram = (hours: number): string[] => (memory === undefined ? [] : [((hours * memory) / 1024).toFixed(0)]);
  const ramHeading = memory === undefined ? [] : ['GiB-hours'];
  const needsBefore = plan.fixed[0]!.past.needs;
  terminal.out(
    `\ncapacity ${Number(plan.capacity.toPrecision(4))}, lead time ${formatDuration(lead)}; demand was above it in ${always!.needs} steps of the second half\n` +
      `thresholds fixed on the second quarter of the series (${100 * wantedHits} % hits at the fewest idle hours), judged on its second half:\n`,
  );
  terminal.out(
    table(
      wide,
      [
        'policy',
        'threshold',
        'hits then',
        'hit rate',
        'idle shadow-hours',
        ...ramHeading,
        'fewer than static',
        'started',
      ],
      plan.fixed.map(({ past, came }) => [
        came.policy,
        came.threshold.toFixed(2),
        hitRate(past).toFixed(4),
        hitRate(came).toFixed(4),
        came.idleHours.toFixed(1),
        ...ram(came.idleHours),
        always!.idleHours > 0 ? `${Math.round(100 * (1 - came.idleHours / always!.idleHours))} %` : '-',
        String(came.started),
      ]),
    ),
  );
  if (needsBefore === 0)
    terminal.out('the second quarter knew no need: any threshold met all of them there, and the highest was taken\n');
  terminal.out('\nwith hindsight, policies that no other beats on the second half:\n');
  terminal.out(
    table(
      wide,
      ['policy', 'threshold', 'hit rate', 'idle shadow-hours', ...ramHeading, 'started'],
      plan.front.map((outcome) => [
        outcome.policy,
        outcome.threshold.toFixed(2),
        hitRate(outcome).toFixed(4),
        outcome.idleHours.toFixed(1),
        ...ram(outcome.idleHours),
        String(outcome.started),
      ]),
    ),
  );
}

/** Three digits; a dash where nothing was scored or the baseline had nothing to compare with. */
const shown = (figure: number | undefined): string =>
  figure !== undefined && Number.isFinite(figure) ? figure.toFixed(3) : '-';

/** A bar with the time left on a terminal; a line for every tenth elsewhere. Always on standard error. */
export function progressBar(terminal: Terminal, total: number): { at(done: number, what: string): void; end(): void } {
  const started = terminal.now();
  let tenth = 0;
  return {
    at(done, what) {
      const share = Math.min(1, done / Math.max(1, total));
      const left = share > 0.01 ? formatDuration(((terminal.now() - started) * (1 - share)) / share) : '?';
      if (terminal.isTerminal) {
        const filled = Math.round(share * 24);
        terminal.err(
          `\r[${'#'.repeat(filled)}${'.'.repeat(24 - filled)}] ${Math.round(share * 100)} % ${what}, ${left} left      `,
        );
      } else if (Math.floor(share * 10) > tenth) {
        tenth = Math.floor(share * 10);
        terminal.err(`${tenth * 10} % (${what}), ${left} left\n`);
      }
    },
    end() {
      if (terminal.isTerminal) terminal.err(`\r${' '.repeat(72)}\r`);
    },
  };
}

export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 1_000 || ms > 60 * dayMs)
    throw new InvalidArgumentError(`"${text}" is not a duration such as 5m, 1h, 6h`);
  return ms;
}

function count(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1)
    throw new InvalidArgumentError(`"${text}" is not a whole number above 0`);
  return number;
}

export function rate(text: string): number {
  const number = Number(text);
  if (!(number > 0) || !Number.isFinite(number)) throw new InvalidArgumentError(`"${text}" is not a number above 0`);
  return number;
}
