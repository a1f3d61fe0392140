import type { Command } from 'commander';
import { composition } from './processes.ts';
import { configOrEnding, runUntilEnd } from './run-process.ts';
import type { Terminal } from './terminal.ts';

export function mountApi(program: Command, terminal: Terminal): void {
  program
    .command('api')
    .description('HTTP API, dashboard, metrics and heartbeats')
    .option('-c, --config <file>', 'umbra.yaml; ./umbra.yaml or /etc/umbra/umbra.yaml unless told')
    .addHelpText('after', '\nExample:\n  umbra api --config /etc/umbra/umbra.yaml')
    .action((options: { config?: string }) =>
      runUntilEnd(terminal, async () => {
        const config = configOrEnding(options.config);
        const { runApi } = await composition();
        return await runApi(config);
      }),
    );
}
