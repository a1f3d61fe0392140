import type { DemandSeries } from '../domain/demand.ts';
import { formatDuration, hourMs, minuteMs } from '../domain/time.ts';
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
import type { Contender, Fit } from '../planning/backtest/rolling.ts';
import { calibrationFrom, measureCalibration } from '../planning/risk/calibration.ts';
import type { CalibrationReport } from '../planning/risk/calibration.ts';
import { table } from './table.ts';
import type { Terminal } from './terminal.ts';

export type PlanOptions = { readonly capacity?: number; readonly lead: number; readonly memory?: number };

export type PlanPart = {
  readonly capacity: number;
  /** Each policy with the threshold that the second quarter of the series asks for, judged on its second half. */
  readonly fixed: readonly FixedPlan[];
  /** Every policy at every threshold, on the second half. */
  readonly outcomes: readonly PlanOutcome[];
  readonly front: readonly PlanOutcome[];
  readonly calibration: CalibrationReport;
  readonly calibrationApplied: boolean;
};

/** @returns undefined when `progress` has ended it: part of the forecasts would judge the plans by what was never said */
export async function replayPlans(
  series: DemandSeries,
  options: PlanOptions,
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

/** First what each policy would have done with a threshold nobody chose in hindsight, then the best of hindsight. */
export function printPlan(terminal: Terminal, plan: PlanPart, { memory, lead }: PlanOptions): void {
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
