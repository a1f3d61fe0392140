import type { Command } from 'commander';
import { findApi, messageOf } from './api-client.ts';
import { Ending, exitCodes } from './exit.ts';
import type { Terminal } from './terminal.ts';

export function mountResetBreaker(program: Command, terminal: Terminal): void {
  program
    .command('reset-breaker <cluster>')
    .description('let failovers go on after unexplained failures opened the breaker: you have looked')
    .option('--reason <text>', 'why; it stands in the timeline for ever')
    .option('--json', 'the answer, machine-readable')
    .addHelpText('after', "\nExample:\n  umbra reset-breaker lab --reason 'the switch is back'")
    .action(async (cluster: string, options: { reason?: string; json?: true }, verb: Command) => {
      const api = findApi(terminal, verb.optsWithGlobals<{ api?: string }>().api);
      const path = `/api/v1/clusters/${encodeURIComponent(cluster)}/reset-breaker`;
      const { status, body } = await api.ask<{ text: string }>('POST', path, { reason: options.reason });
      if (status !== 200) throw new Ending(exitCodes.usage, messageOf(body) ?? `${path} was answered with ${status}`);
      terminal.out(options.json === true ? `${JSON.stringify({ cluster, ...body })}\n` : `${body.text}\n`);
    });
}
