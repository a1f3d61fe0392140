import type { Command } from 'commander';
import type { UmbraEvent } from '../domain/event.ts';
import { eventsAsCsv } from '../api/csv.ts';
import { findApi } from './api-client.ts';
import { Ending, exitCodes } from './exit.ts';
import { table } from './table.ts';
import type { Terminal } from './terminal.ts';

export function mountEvents(program: Command, terminal: Terminal): void {
  program
    .command('events [id]')
    .description('what Umbra did and why, oldest first; of one hosted VM or of all')
    .option('--limit <n>', 'the newest n', '50')
    .option('--kind <kinds>', 'only these kinds, comma-separated: answer-changed,fenced')
    .option('--json', 'machine-readable')
    .option('--csv', 'for spreadsheets')
    .addHelpText(
      'after',
      '\nExamples:\n  umbra events shop\n  umbra events --kind answer-changed --limit 500 --csv > moves.csv',
    )
    .action(
      async (
        id: string | undefined,
        options: { limit: string; kind?: string; json?: true; csv?: true },
        command: Command,
      ) => {
        const limit = Number(options.limit);
        if (!Number.isInteger(limit) || limit < 1 || limit > 10_000) {
          throw new Ending(exitCodes.usage, `--limit ${options.limit} is not a number from 1 to 10000`);
        }
        const api = findApi(terminal, command.optsWithGlobals<{ api?: string }>().api);
        // An unknown id is told apart from one without events.
        if (id !== undefined) await api.read(`/api/v1/hosted-vms/${encodeURIComponent(id)}/events?limit=1`);
        const query = new URLSearchParams({ limit: String(limit) });
        if (id !== undefined) query.set('hostedVmId', id);
        if (options.kind !== undefined) query.set('kinds', options.kind);
        const events = (await api.read<UmbraEvent[]>(`/api/v1/events?${query.toString()}`)).reverse();
        if (options.json === true) terminal.out(`${JSON.stringify(events, undefined, terminal.isTerminal ? 2 : 0)}\n`);
        else if (options.csv === true) terminal.out(eventsAsCsv(events));
        else terminal.out(table(terminal, ['AT', 'HOSTED VM', 'EVENT', 'BY', 'WHY'], events.map(row)));
      },
    );
}

function row({ at, hostedVmId, kind, actor, reason }: UmbraEvent): string[] {
  return [new Date(at).toLocaleString('sv'), hostedVmId, kind, actor, reason.text];
}
