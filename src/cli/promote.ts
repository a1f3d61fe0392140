import type { Command } from 'commander';
import { carryOut, withCommonOptions } from './operator-command.ts';
import type { CommonOptions } from './operator-command.ts';
import type { Terminal } from './terminal.ts';

export function mountPromote(program: Command, terminal: Terminal): void {
  withCommonOptions(program.command('promote <id>'))
    .description('end probation now: the serving shadow becomes the primary')
    .addHelpText('after', "\nExample:\n  umbra promote shop --reason 'seen enough'")
    .action((id: string, options: CommonOptions, verb: Command) =>
      carryOut(terminal, verb, id, 'promote', {}, options),
    );
}
