import type { Command } from 'commander';
import { composition } from './processes.ts';
import { configOrEnding, runUntilEnd } from './run-process.ts';
import type { Terminal } from './terminal.ts';

export function mountMonitor(program: Command, terminal: Terminal): void {
  program
    .command('monitor')
    .description('a vantage point: probes instances and signals only changes')
    .option('-c, --config <file>', 'umbra.yaml; ./umbra.yaml or /etc/umbra/umbra.yaml unless told')
    .option('--vantage <name>', 'what this vantage point is called; as umbra.yaml says unless told')
    .addHelpText('after', '\nExample:\n  umbra monitor --vantage north')
    .action((options: { config?: string; vantage?: string }) =>
      runUntilEnd(terminal, async () => {
        const config = configOrEnding(options.config);
        const { runMonitor } = await composition();
        return await runMonitor(config, { vantage: options.vantage });
      }),
    );
}
