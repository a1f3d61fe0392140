import { Command, InvalidArgumentError } from 'commander';
import { formatDuration, hourMs, minuteMs } from '../domain/time.ts';
import { lookAhead } from '../planning/backtest/ahead.ts';
import { foresight, hitRate, staticPool, trialCapacity, trialShares } from '../planning/backtest/plan-replay.ts';
import type { PlanOutcome } from '../planning/backtest/plan-replay.ts';
import { threadForecaster } from '../providers/forecasting/threads.ts';
import { contenderOf, duration, fitBy, progressBar, rate, readSeries } from './backtest.ts';
import type { BacktestSurroundings, SeriesOptions } from './backtest.ts';
import { Ending, exitCodes } from './exit.ts';
import { table } from './table.ts';
import { realTerminal } from './terminal.ts';

type Options = SeriesOptions & {
  readonly hitRate: number;
  readonly capacity?: number;
  readonly lead: number;
  readonly memory?: number;
  readonly json?: boolean;
};

/** `umbra tune`: thresholds for a wanted share of needs met, and what they cost in shadow-hours (and RAM-hours). */
export function tuneCommand(surroundings: BacktestSurroundings = {}): Command {
  return new Command('tune')
    .description('proposes thresholds for a wanted hit rate from past demand, and shows their cost')
    .option('--series <file>', 'CSV of timestamp,value')
    .option('--vm <id>', 'a hosted VM of the running instance')
    .option('--step <width>', 'sum the series to this step', duration)
    .option('--hit-rate <share>', 'share of needs that must find a ready shadow', share, 0.99)
    .option('--capacity <rate>', 'capacity in the units of the series', rate)
    .option('--lead <time>', 'time a shadow needs until it is warm', duration, 5 * minuteMs)
    .option('--memory <MiB>', 'memory of a shadow, to show RAM-hours', rate)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ umbra tune --vm shop\n  $ umbra tune --series demand.csv --capacity 400 --hit-rate 0.995 --memory 4096',
    )
    .action(async (options: Options) => {
      await runTune(options, surroundings);
    });
}

async function runTune(options: Options, surroundings: BacktestSurroundings): Promise<void> {
  const terminal = surroundings.terminal ?? realTerminal();
  const { series } = await readSeries(options, surroundings.loadSeries);
  const capacity = options.capacity ?? trialCapacity(series);
  const from = Math.floor(series.qps.length / 2);
  const leadSteps = Math.max(1, Math.ceil((options.lead + 5 * minuteMs) / series.stepMs));
  const forecaster = threadForecaster();
  const progress = progressBar(terminal, 1);
  let outcomes: PlanOutcome[];
  let always: PlanOutcome;
  try {
    const { model } = contenderOf('auto', series.stepMs, { horizonSteps: leadSteps });
    const fit = fitBy(forecaster, leadSteps, terminal.interrupted);
    const ahead = await lookAhead(series, model, fit, from, leadSteps, capacity, (done) => {
      progress.at(done, 'forecasts');
      return !terminal.interrupted.aborted;
    });
    const question = { series, capacityQps: capacity, from, leadMs: options.lead, dwellMs: hourMs, ahead };
    always = staticPool(question);
    outcomes = trialShares.flatMap((at) => [foresight(question, at, 'p90'), foresight(question, at, 'p99')]);
  } finally {
    progress.end();
    await forecaster.close();
  }
  if (always.needs === 0) {
    const text = `demand never passed ${Number(capacity.toPrecision(4))} in the second half of this series: nothing to tune; give --capacity`;
    throw new Ending(exitCodes.refused, text);
  }
  const good = outcomes
    .filter((outcome) => hitRate(outcome) >= options.hitRate)
    .sort((a, b) => a.idleHours - b.idleHours);
  const best = good[0];
  const gib = (hours: number): number | undefined =>
    options.memory === undefined ? undefined : (hours * options.memory) / 1024;
  if (options.json === true) {
    terminal.out(
      `${JSON.stringify({ capacity, wanted: options.hitRate, proposed: best ?? null, staticPool: always, outcomes }, null, 2)}\n`,
    );
    return;
  }
  const rows = [...good.slice(0, 5), always].map((outcome) => [
    outcome.policy,
    outcome.threshold.toFixed(2),
    hitRate(outcome).toFixed(4),
    outcome.idleHours.toFixed(1),
    gib(outcome.idleHours)?.toFixed(0) ?? '-',
    String(outcome.started),
  ]);
  terminal.out(
    table(
      { ...terminal, isTerminal: true },
      ['policy', 'share', 'hit rate', 'idle hours', 'GiB-hours', 'started'],
      rows,
    ),
  );
  if (best === undefined) {
    terminal.out(
      `no threshold reaches ${options.hitRate}; minShadows: 1 does (${always.idleHours.toFixed(0)} idle hours)\n`,
    );
    return;
  }
  const quantile = best.policy.endsWith('p99') ? 0.99 : 0.9;
  const saved = Math.round(100 * (1 - best.idleHours / always.idleHours));
  terminal.out(`\nproposed: volumeThreshold: { share: ${best.threshold}, quantile: ${quantile} }\n`);
  terminal.out(
    `It meets ${(100 * hitRate(best)).toFixed(1)} % of ${best.needs} needs with ${saved} % fewer idle hours than a shadow kept always, ${formatDuration(options.lead)} lead time.\n`,
  );
}

function share(text: string): number {
  const number = Number(text);
  if (!(number > 0 && number <= 1)) throw new InvalidArgumentError(`"${text}" is not a share from 0 to 1`);
  return number;
}
