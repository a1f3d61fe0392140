import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { hourMs, minuteMs } from '../domain/time.ts';
import { renderReport } from '../planning/backtest/report.ts';
import { quantilesCsv, tryModel } from '../planning/backtest/rolling.ts';
import type { Trial } from '../planning/backtest/rolling.ts';
import { scoredHorizons } from '../planning/backtest/series.ts';
import { modelNames } from '../planning/forecast/models.ts';
import { contenderOf, cpuNowMs, fitBy, inPlace } from './backtest-contenders.ts';
import { figuresOf, printTable } from './backtest-figures.ts';
import { printPlan, replayPlans } from './backtest-plan.ts';
import type { PlanOptions, PlanPart } from './backtest-plan.ts';
import { originsOf, readSeries } from './backtest-series.ts';
import type { LoadSeries, SeriesOptions } from './backtest-series.ts';
import { Ending, exitCodes } from './exit.ts';
import { count, duration, rate } from './option-values.ts';
import { openForecaster } from './processes.ts';
import { progressBar } from './progress-bar.ts';
import { realTerminal } from './terminal.ts';
import type { Terminal } from './terminal.ts';

/** What the command needs from its surroundings; all optional, so that `--series` works alone. */
export type BacktestSurroundings = { readonly terminal?: Terminal; readonly loadSeries?: LoadSeries };

type Options = SeriesOptions &
  PlanOptions & {
    readonly horizon?: number;
    readonly models: string;
    readonly origins?: number;
    readonly originsFile?: string;
    readonly json?: boolean;
    readonly quantiles?: string;
    readonly html?: string;
    readonly plan?: boolean;
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

  const forecaster = await openForecaster();
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
