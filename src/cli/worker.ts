import type { Command } from 'commander';
import { composition } from './processes.ts';
import { configOrEnding, runUntilEnd } from './run-process.ts';
import type { Terminal } from './terminal.ts';

export function mountWorker(program: Command, terminal: Terminal): void {
  program
    .command('worker')
    .description('the Temporal worker: workflows and activities')
    .option('-c, --config <file>', 'umbra.yaml; ./umbra.yaml or /etc/umbra/umbra.yaml unless told')
    .addHelpText('after', '\nExample:\n  umbra worker --config /etc/umbra/umbra.yaml')
    .action((options: { config?: string }) =>
      runUntilEnd(terminal, async () => {
        const config = configOrEnding(options.config);
        const { runWorker } = await composition();
        return await runWorker(config);
      }),
    );
}
