import type { Command } from 'commander';
import { Ending, exitCodes } from './exit.ts';
import { carryOut, carryOutForAll, withCommonOptions } from './operator-command.ts';
import type { CommonOptions } from './operator-command.ts';
import type { Terminal } from './terminal.ts';

export function mountPause(program: Command, terminal: Terminal): void {
  withCommonOptions(program.command('pause [id]'))
    .description('stop touching it: no failover, no shadows, until it is resumed')
    .option('--all', 'every hosted VM')
    .addHelpText('after', "\nExamples:\n  umbra pause shop --reason 'maintenance until noon'\n  umbra pause --all")
    .action((id: string | undefined, options: CommonOptions & { all?: true }, verb: Command) => {
      if ((id === undefined) === (options.all === undefined)) {
        throw new Ending(exitCodes.usage, 'pause needs the id of a hosted VM, or --all');
      }
      if (id !== undefined) return carryOut(terminal, verb, id, 'pause', {}, options);
      return carryOutForAll(
        terminal,
        verb,
        'pause',
        ({ paused, phase }) => paused === null && phase.kind !== 'retired',
        options,
      );
    });
}
