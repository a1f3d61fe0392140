import type { Command } from 'commander';
import { formatDuration } from '../domain/time.ts';
import { findApi } from './api-client.ts';
import { sparkline } from './table.ts';
import type { Terminal } from './terminal.ts';
import { atLevel } from '../domain/quantile.ts';

type Demand = {
  readonly demand: { readonly start: number; readonly stepMs: number; readonly qps: readonly (number | null)[] };
  readonly forecast: { readonly model: string; readonly values: readonly (readonly number[])[] } | null;
  readonly capacityQps: number;
};

type Options = { since: string; step?: string; measure?: string; json?: true; csv?: true };

export function mountDemand(program: Command, terminal: Terminal): void {
  program
    .command('demand <id>')
    .description('queries per second of a hosted VM; gaps are missing, not zero')
    .option('--since <duration>', 'how far back', '6h')
    .option('--step <duration>', '10s, 1m, 5m or 1h; chosen to suit unless told')
    .option('--measure <name>', 'answers, deduplicated (default) or estimated')
    .option('--json', 'machine-readable, with the forecast')
    .option('--csv', 'timestamp,value; what umbra backtest --series reads')
    .addHelpText(
      'after',
      '\nExamples:\n  umbra demand shop --since 6h\n  umbra demand shop --since 30d --step 1h --csv > shop.csv',
    )
    .action(async (id: string, options: Options, command: Command) => {
      const api = findApi(terminal, command.optsWithGlobals<{ api?: string }>().api);
      const query = new URLSearchParams({ since: options.since });
      if (options.step !== undefined) query.set('step', options.step);
      if (options.measure !== undefined) query.set('measure', options.measure);
      const answer = await api.read<Demand>(`/api/v1/hosted-vms/${encodeURIComponent(id)}/demand?${query.toString()}`);
      if (options.json === true) terminal.out(`${JSON.stringify(answer)}\n`);
      else if (options.csv === true) terminal.out(csv(answer));
      else terminal.out(words(terminal, id, options.since, answer));
    });
}

/** Missing steps are left out: a reader fills a gap as it sees fit. */
function csv({ demand: { start, stepMs, qps } }: Demand): string {
  const lines = qps.flatMap((value, step) =>
    value === null ? [] : [`${new Date(start + step * stepMs).toISOString()},${Number(value.toFixed(6))}`],
  );
  return `${['timestamp,value', ...lines].join('\n')}\n`;
}

function words(terminal: Terminal, id: string, since: string, { demand, forecast, capacityQps }: Demand): string {
  const known = demand.qps.filter((value) => value !== null);
  if (known.length === 0) return `${id}: no demand was seen in the last ${since}. Does dnstap arrive? umbra doctor\n`;
  const figure = (value: number): string => Number(value.toPrecision(3)).toString();
  const last = demand.qps.findLastIndex((value) => value !== null);
  const age = terminal.now() - (demand.start + (last + 1) * demand.stepMs);
  const missing = demand.qps.length - known.length;
  const lines = [
    sparkline(demand.qps, terminal.isTerminal ? Math.max(20, terminal.columns - 2) : 72),
    `${figure(known.at(-1) ?? 0)} q/s (${formatDuration(Math.max(0, age))} ago); ` +
      `highest ${figure(Math.max(...known))}, mean ${figure(known.reduce((a, b) => a + b, 0) / known.length)} ` +
      `in the last ${since}; capacity ${figure(capacityQps)} q/s`,
  ];
  if (missing > 0)
    lines.push(`${missing} of ${demand.qps.length} steps of ${formatDuration(demand.stepMs)} are missing`);
  const p90 = forecast === null ? undefined : atLevel(forecast.values, 0.9);
  if (forecast !== null && p90 !== undefined && p90.length > 0) {
    lines.push(`forecast by ${forecast.model}: p90 up to ${figure(Math.max(...p90))} q/s`);
  }
  return `${lines.join('\n')}\n`;
}
