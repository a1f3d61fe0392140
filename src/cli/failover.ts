import type { Command } from 'commander';
import { carryOut, withCommonOptions } from './operator-command.ts';
import type { CommonOptions } from './operator-command.ts';
import type { Terminal } from './terminal.ts';

export function mountFailover(program: Command, terminal: Terminal): void {
  withCommonOptions(program.command('failover <id>'))
    .description('move traffic to a shadow now')
    .option('--to <shadow>', 'which one: its number, or shop/2; the best one unless told')
    .addHelpText(
      'after',
      "\nExamples:\n  umbra failover shop --reason 'kernel update on pve2'\n  umbra failover shop --to 2",
    )
    .action((id: string, options: CommonOptions & { to?: string }, verb: Command) => {
      const to = options.to === undefined ? undefined : /^\d+$/.test(options.to) ? `${id}/${options.to}` : options.to;
      return carryOut(terminal, verb, id, 'failover', to === undefined ? {} : { to }, options);
    });
}
