import type { Command } from 'commander';
import { carryOut, withCommonOptions } from './operator-command.ts';
import type { CommonOptions } from './operator-command.ts';
import type { Terminal } from './terminal.ts';

export function mountApprove(program: Command, terminal: Terminal): void {
  withCommonOptions(program.command('approve <id>'))
    .description('carry out what it proposes; umbra explain shows the proposal')
    .option('--proposal <id>', 'only if it still proposes this')
    .addHelpText('after', '\nExample:\n  umbra explain shop && umbra approve shop')
    .action((id: string, options: CommonOptions & { proposal?: string }, verb: Command) =>
      carryOut(
        terminal,
        verb,
        id,
        'approve',
        options.proposal === undefined ? {} : { proposalId: options.proposal },
        options,
      ),
    );
}
