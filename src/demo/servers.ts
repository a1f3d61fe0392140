import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { startEmbeddedPostgres } from '../providers/postgres/embedded.ts';
import type { EmbeddedPostgres } from '../providers/postgres/embedded.ts';
import { startSimulator } from '../sim/simulator.ts';
import type { Simulator } from '../sim/simulator.ts';
import { dnstapSocketIn } from './configuration.ts';
import type { DevPorts } from './dev-ports.ts';
import { demoFleet, demoZone } from './fleet.ts';
import { startNameServer } from './name-server.ts';
import type { NameServerKind, RunningNameServer } from './name-server.ts';
import type { Progress } from './progress.ts';
import type { Secrets } from './secrets.ts';
import { startTemporalDevServer } from './temporal.ts';
import type { TemporalDevServer } from './temporal.ts';
import { worldFor } from './world.ts';

/** What an operator brings: a store, Temporal, a Proxmox VE cluster and a name server. */
export type DevServers = {
  readonly postgres: EmbeddedPostgres;
  readonly temporal: TemporalDevServer;
  readonly sim: Simulator;
  readonly names: RunningNameServer;
};

export type ServerOptions = {
  readonly dir: string;
  /** State outlives the run. */
  readonly keep: boolean;
  readonly ports: DevPorts;
  readonly secrets: Secrets;
  /** What a guest's serial number says. */
  readonly serialOf: (instance: string) => string;
  readonly temporalCli: string;
  readonly nameServer: NameServerKind | undefined;
  readonly log: Logger;
};

/** Starts all of them side by side. */
export async function startServers(options: ServerOptions, progress: Progress): Promise<DevServers> {
  const { dir, keep, ports, secrets, serialOf } = options;
  const log = (line: string): void => options.log.info(line);
  const [postgres, temporal, sim, names] = await Promise.all([
    progress.step('PostgreSQL (embedded)', async () => {
      const kept = keep ? { dataDir: join(dir, 'postgres') } : {};
      const server = await startEmbeddedPostgres({ port: ports.postgres, log, durable: keep, ...kept });
      progress.serverStarted(() => server.stop());
      return server;
    }),
    progress.step('Temporal dev server with its UI', async () => {
      const server = await startTemporalDevServer({
        cli: options.temporalCli,
        port: ports.temporal,
        uiPort: ports.temporalUi,
        metricsPort: ports.temporalMetrics,
        log,
        ...(keep ? { dbFile: join(dir, 'temporal.db') } : {}),
      });
      progress.serverStarted(() => server.close());
      return server;
    }),
    progress.step('simulated Proxmox VE cluster, 3 nodes', async () => {
      const folder = join(dir, 'world');
      const world = await worldFor(folder, demoFleet, serialOf);
      const simulator = await startSimulator({ world, host: '127.0.0.1', port: ports.proxmox, tls: true, log });
      progress.serverStarted(async () => {
        if (keep) await simulator.save(folder);
        await simulator.close();
      });
      return simulator;
    }),
    progress.step('name server', async () => {
      const folder = join(dir, 'dns');
      await mkdir(folder, { recursive: true });
      const server = await startNameServer({
        dir: folder,
        port: ports.dns,
        zone: demoZone,
        key: secrets.tsig,
        records: demoFleet.flatMap((vm) =>
          vm.names.map((name) => ({ name, type: 'A' as const, ttlSeconds: 5, value: vm.address })),
        ),
        dnstap: { unix: dnstapSocketIn(dir), tcp: { host: '127.0.0.1', port: ports.dnstap } },
        ...(options.nameServer === undefined ? {} : { prefer: options.nameServer }),
      });
      progress.serverStarted(() => server.close());
      return server;
    }),
  ]);
  return { postgres, temporal, sim, names };
}
