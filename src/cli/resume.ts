import type { Command } from 'commander';
import { Ending, exitCodes } from './exit.ts';
import { carryOut, carryOutForAll, withCommonOptions } from './operator-command.ts';
import type { CommonOptions } from './operator-command.ts';
import type { Terminal } from './terminal.ts';

export function mountResume(program: Command, terminal: Terminal): void {
  withCommonOptions(program.command('resume [id]'))
    .description('act again after a pause')
    .option('--all', 'every hosted VM')
    .addHelpText('after', '\nExamples:\n  umbra resume shop\n  umbra resume --all')
    .action((id: string | undefined, options: CommonOptions & { all?: true }, verb: Command) => {
      if ((id === undefined) === (options.all === undefined)) {
        throw new Ending(exitCodes.usage, 'resume needs the id of a hosted VM, or --all');
      }
      if (id !== undefined) return carryOut(terminal, verb, id, 'resume', {}, options);
      return carryOutForAll(terminal, verb, 'resume', ({ paused }) => paused !== null, options);
    });
}
