import type { Command } from 'commander';
import { Ending, exitCodes } from './exit.ts';
import { composition } from './processes.ts';
import { configOrEnding, runUntilEnd } from './run-process.ts';
import type { Terminal } from './terminal.ts';

export function mountCollector(program: Command, terminal: Terminal): void {
  program
    .command('collector')
    .description('receives dnstap from name servers and counts demand')
    .option('-c, --config <file>', 'umbra.yaml; ./umbra.yaml or /etc/umbra/umbra.yaml unless told')
    .option('--replay <file>', 'a recorded Frame Streams file instead of listeners; ends with it')
    .option('--speed <factor>', 'replay this many times as fast as it was recorded', '1')
    .addHelpText('after', '\nExamples:\n  umbra collector\n  umbra collector --replay yesterday.fstrm --speed 10')
    .action((options: { config?: string; replay?: string; speed: string }) =>
      runUntilEnd(terminal, async () => {
        const speed = Number(options.speed);
        if (!(speed > 0)) throw new Ending(exitCodes.usage, `--speed ${options.speed} is not a number above 0`);
        const config = configOrEnding(options.config);
        const { runCollector } = await composition();
        const replay = options.replay === undefined ? {} : { replay: { file: options.replay, speed } };
        return await runCollector(config, { ...replay, say: (line) => terminal.err(`${line}\n`) });
      }),
    );
}
