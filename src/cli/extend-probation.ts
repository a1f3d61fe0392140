import type { Command } from 'commander';
import { parseDuration } from '../domain/time.ts';
import { Ending, exitCodes } from './exit.ts';
import { carryOut, withCommonOptions } from './operator-command.ts';
import type { CommonOptions } from './operator-command.ts';
import type { Terminal } from './terminal.ts';

export function mountExtendProbation(program: Command, terminal: Terminal): void {
  withCommonOptions(program.command('extend-probation <id>'))
    .description('let the serving shadow prove itself longer before it is promoted')
    .requiredOption('--by <duration>', 'how much longer: 6h')
    .addHelpText('after', '\nExample:\n  umbra extend-probation shop --by 6h')
    .action((id: string, options: CommonOptions & { by: string }, verb: Command) => {
      const byMs = parseDuration(options.by);
      if (byMs === undefined || byMs <= 0) {
        throw new Ending(exitCodes.usage, `--by ${JSON.stringify(options.by)} is not a duration: write 6h, 90m or 1d`);
      }
      return carryOut(terminal, verb, id, 'extendProbation', { byMs }, options);
    });
}
