import type { Command } from 'commander';
import { carryOut, withCommonOptions } from './operator-command.ts';
import type { CommonOptions } from './operator-command.ts';
import type { Terminal } from './terminal.ts';

export function mountRetire(program: Command, terminal: Terminal): void {
  withCommonOptions(program.command('retire <id>'))
    .description('let go: shadows are deleted, the answers in DNS stay as they are')
    .addHelpText('after', "\nExample:\n  umbra retire shop --reason 'moved elsewhere'")
    .action((id: string, options: CommonOptions, verb: Command) => carryOut(terminal, verb, id, 'retire', {}, options));
}
