import type { DemandSeries } from '../domain/demand.ts';
import { formatDuration } from '../domain/time.ts';
import { relativeScores } from '../planning/backtest/rolling.ts';
import type { Trial } from '../planning/backtest/rolling.ts';
import { table } from './table.ts';
import type { Terminal } from './terminal.ts';

export type Figures = {
  readonly model: string;
  readonly origins: number;
  readonly unfit: number;
  readonly why?: string;
  readonly cpuMsPerForecast: number;
  /** By horizon in steps; `rel` are relative to the baseline on the same origins. */
  readonly scores: Readonly<Record<string, Record<string, number>>>;
};

export function figuresOf(
  question: { series: DemandSeries; scored: readonly number[] },
  trials: readonly Trial[],
  baseline: Trial,
): Figures[] {
  return [...trials, ...(trials.some(({ model }) => model === baseline.model) ? [] : [baseline])].map((trial) => {
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

export function printTable(
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

/** Three digits; a dash where nothing was scored or the baseline had nothing to compare with. */
const shown = (figure: number | undefined): string =>
  figure !== undefined && Number.isFinite(figure) ? figure.toFixed(3) : '-';
