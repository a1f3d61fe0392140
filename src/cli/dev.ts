import type { Command } from 'commander';
import { parseDuration } from '../domain/time.ts';
import { Ending, exitCodes } from './exit.ts';
import { removeInstanceFile, writeInstanceFile } from './instance-file.ts';
import { runUntilEnd } from './run-process.ts';
import type { Terminal } from './terminal.ts';

type Options = { data?: string; probation?: string; port: string; nameServer?: string; load: boolean };

const nameServers = ['bind', 'knot', 'embedded'] as const;

export function mountDev(program: Command, terminal: Terminal): void {
  program
    .command('dev')
    .description('everything in one process on this machine, with a simulated Proxmox VE and real DNS')
    .option('--data <folder>', 'keep state here over restarts; fresh each time unless told')
    .option('--probation <duration>', 'shorter than 24h, to watch a whole life: 10m')
    .option('--port <port>', 'of the dashboard; the next free one when it is taken', '8080')
    .option('--name-server <kind>', 'bind, knot or embedded; the first that is installed unless told')
    .option('--no-load', 'no replayed demand')
    .addHelpText(
      'after',
      '\nExamples:\n  umbra dev\n  umbra dev --data ./umbra-data --probation 10m\nThe same: npm start -- --probation 10m',
    )
    .action((options: Options) =>
      runUntilEnd(terminal, async () => {
        if (options.probation !== undefined && parseDuration(options.probation) === undefined) {
          throw new Ending(
            exitCodes.usage,
            `--probation ${JSON.stringify(options.probation)} is not a duration: write 10m or 24h`,
          );
        }
        const port = Number(options.port);
        if (!Number.isInteger(port) || port < 1 || port > 65_535) {
          throw new Ending(exitCodes.usage, `--port ${options.port} is not a port`);
        }
        const nameServer = nameServers.find((kind) => kind === options.nameServer);
        if (options.nameServer !== undefined && nameServer === undefined) {
          throw new Ending(exitCodes.usage, `--name-server ${options.nameServer} is none of ${nameServers.join(', ')}`);
        }
        const { instanceFile, temporalCli, webRoot } = terminal.surroundings;
        const { startDev } = await import('../demo/dev.ts');
        const running = await startDev({
          port,
          load: options.load,
          // In a checkout npm start and bin/umbra have found or made one; elsewhere it is on the PATH.
          temporalCli: temporalCli ?? 'temporal',
          ...(options.data === undefined ? {} : { data: options.data }),
          ...(options.probation === undefined ? {} : { probation: options.probation }),
          ...(nameServer === undefined ? {} : { nameServer }),
          ...(webRoot === undefined ? {} : { webRoot }),
          print: (line) => terminal.out(`${line}\n`),
          announce: (news) => {
            if (news === undefined) removeInstanceFile(instanceFile);
            else writeInstanceFile(instanceFile, { pid: process.pid, startedAt: terminal.now(), ...news });
          },
        });
        return { close: () => running.stop(), ended: running.died };
      }),
    );
}
