import type { Command } from 'commander';
import { carryOut, withCommonOptions } from './operator-command.ts';
import type { CommonOptions } from './operator-command.ts';
import type { Terminal } from './terminal.ts';

export function mountHandBack(program: Command, terminal: Terminal): void {
  withCommonOptions(program.command('hand-back <id>'))
    .description('give traffic back to the former primary while probation runs')
    .addHelpText('after', "\nExample:\n  umbra hand-back shop --reason 'pve2 is back'")
    .action((id: string, options: CommonOptions, verb: Command) =>
      carryOut(terminal, verb, id, 'handBack', {}, options),
    );
}
