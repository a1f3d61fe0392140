import { Command, InvalidArgumentError } from 'commander';
import { formatDuration, hourMs, minuteMs } from '../domain/time.ts';
import { lookAhead } from '../planning/backtest/ahead.ts';
import { foresight, hitRate, staticPool, trialCapacity, trialShares } from '../planning/backtest/plan-replay.ts';
import type { PlanOutcome } from '../planning/backtest/plan-replay.ts';
import { stepsPerDay } from '../planning/forecast/history.ts';
import { contenderOf, fitBy } from './backtest-contenders.ts';
import { readSeries } from './backtest-series.ts';
import type { SeriesOptions } from './backtest-series.ts';
import type { BacktestSurroundings } from './backtest.ts';
import { Ending, exitCodes } from './exit.ts';
import { duration, rate } from './option-values.ts';
import { openForecaster } from './processes.ts';
import { progressBar } from './progress-bar.ts';
import { table } from './table.ts';
import { realTerminal } from './terminal.ts';

/** Half of it teaches, half of it judges: a day each. */
const leastDays = 2;
/** Below this many needs one more or less moves the hit rate by more than a percent or two. */
const fewNeeds = 50;

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
  const days = series.qps.length / stepsPerDay(series.stepMs);
  if (days < leastDays) {
    throw new Ending(exitCodes.usage, `${days.toFixed(1)} days are too short to tune on; ${leastDays} are the least`);
  }
  const capacity = options.capacity ?? trialCapacity(series);
  const from = Math.floor(series.qps.length / 2);
  const leadSteps = Math.max(1, Math.ceil((options.lead + 5 * minuteMs) / series.stepMs));
  const forecaster = await openForecaster();
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
  if (terminal.interrupted.aborted)
    throw new Ending(exitCodes.failure, 'stopped: half of the forecasts tell no threshold');
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
    const most = outcomes.reduce((left, right) => (hitRate(right) > hitRate(left) ? right : left));
    terminal.out(
      `\nno threshold meets ${percent(options.hitRate)} of ${always.needs} needs; the most is ${percent(hitRate(most))} (${quantileNamed(most)} at ${most.threshold}).\n` +
        `minShadows: 1 keeps a shadow always and meets all of them, for ${always.idleHours.toFixed(0)} idle hours.\n`,
    );
    return;
  }
  const saved = Math.round(100 * (1 - best.idleHours / always.idleHours));
  terminal.out(`\nproposed: volumeThreshold: { share: ${best.threshold}, quantile: ${quantileOf(best)} }\n`);
  terminal.out(
    `It meets ${percent(hitRate(best))} of ${best.needs} needs with ${saved} % fewer idle hours than a shadow kept always, ${formatDuration(options.lead)} lead time.\n` +
      'Chosen in hindsight, on the second half of this demand; umbra backtest --plan shows how a threshold fixed beforehand does.\n',
  );
  if (best.needs < fewNeeds) terminal.out(`${best.needs} needs are few: tune again when more is known.\n`);
}

const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`;
const quantileOf = ({ policy }: PlanOutcome): number => (policy.endsWith('p99') ? 0.99 : 0.9);
const quantileNamed = ({ policy }: PlanOutcome): string => policy.split(' ').at(-1)!;

function share(text: string): number {
  const number = Number(text);
  if (!(number > 0 && number <= 1)) throw new InvalidArgumentError(`"${text}" is not a share from 0 to 1`);
  return number;
}
