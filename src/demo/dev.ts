import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { heartbeatSerial } from '../api/heartbeat-serial.ts';
import { startApiProcess } from '../composition/api.ts';
import { namesOf, startCollectorProcess } from '../composition/collector.ts';
import { examination } from '../composition/examination.ts';
import { startMonitorProcess } from '../composition/monitor.ts';
import { openParts, temporalClient } from '../composition/parts.ts';
import { installTemporalLog } from '../composition/temporal-log.ts';
import { startWorkerProcess } from '../composition/worker.ts';
import { bundleWorkflows } from '../workers/bundle.ts';
import { startEmbeddedPostgres } from '../providers/postgres/embedded.ts';
import { startSimulator } from '../sim/simulator.ts';
import { listenForControl } from './control.ts';
import { demoFleet, demoInventory, demoZone } from './fleet.ts';
import { followGuests } from './guests.ts';
import { loadedAs, loadShape, writeHistory } from './history.ts';
import { startLoad } from './load.ts';
import { startNameServer } from './name-server.ts';
import type { NameServerKind } from './name-server.ts';
import { freePort } from './ports.ts';
import { startTemporalDevServer } from './temporal.ts';
import { worldFor } from './world.ts';

export type DevAddresses = {
  readonly dashboard: string;
  readonly api: string;
  readonly temporal: string;
  readonly temporalUi: string;
  readonly dns: string;
  readonly dnstap: string;
  readonly proxmox: string;
};

export type DevOptions = {
  /** Keeps its state here over restarts; a temporary folder, removed at the end, when left out. */
  readonly data?: string;
  /** `24h` unless told; `10m` lets one watch a whole life. */
  readonly probation?: string;
  /** Of the dashboard and the API; the next free one when it is taken. */
  readonly port?: number;
  readonly nameServer?: NameServerKind;
  readonly load?: boolean;
  readonly temporalCli: string;
  /** Folder of the built dashboard. */
  readonly webRoot?: string;
  readonly logLevel?: string;
  readonly print: (line: string) => void;
  /** Called with where everything is, as soon as the API answers; and with nothing at the end. */
  readonly announce: (running: { addresses: DevAddresses; simControl: string } | undefined) => void;
};

export type RunningDev = {
  readonly addresses: DevAddresses;
  readonly simControl: string;
  /** Rejects when a part dies that nothing can go on without. */
  readonly died: Promise<never>;
  stop(): Promise<void>;
};

const preferred = {
  api: 8080,
  temporal: 7233,
  temporalUi: 8233,
  postgres: 5433,
  proxmox: 8006,
  dns: 5300,
  dnstap: 6000,
};
const vantages = ['north', 'south', 'west'];
const stopLimitMs = 4_500;

/** Everything Umbra is, in one process with its servers as children, all on loopback. */
export async function startDev(options: DevOptions): Promise<RunningDev> {
  const begun = performance.now();
  const dir = options.data === undefined ? await mkdtemp(join(tmpdir(), 'umbra-')) : resolve(options.data);
  await mkdir(dir, { recursive: true });
  const log = pino(
    { level: options.logLevel ?? 'info' },
    pino.destination({ dest: join(dir, 'umbra.log'), sync: false }),
  );
  installTemporalLog(log);
  const cleanup: (() => Promise<void> | void)[] = [];
  const stopping = { now: false };
  const stop = async (): Promise<void> => {
    if (stopping.now) return;
    stopping.now = true;
    options.announce(undefined);
    const all = (async () => {
      // In the order of dependence: who asks ends before who answers.
      for (const end of cleanup.toReversed())
        await Promise.resolve(end()).catch((error: unknown) => log.warn({ error: String(error) }, 'while stopping'));
    })();
    await Promise.race([all, sleep(stopLimitMs, undefined, { ref: false })]);
    if (options.data === undefined) await rm(dir, { recursive: true, force: true });
  };
  try {
    return await start(options, { dir, log, cleanup, begun, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

type Stage = {
  readonly dir: string;
  readonly log: Logger;
  readonly cleanup: (() => Promise<void> | void)[];
  readonly begun: number;
  readonly stop: () => Promise<void>;
};

async function start(options: DevOptions, stage: Stage): Promise<RunningDev> {
  const { dir, log, cleanup, begun } = stage;
  const { print } = options;
  const ports = await choosePorts(options.port, print);
  const step = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const from = performance.now();
    try {
      const result = await work();
      print(`  ${what.padEnd(46, ' ')} ${((performance.now() - from) / 1_000).toFixed(1)} s`);
      return result;
    } catch (error) {
      throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  };
  const secrets = await obtainSecrets(dir);
  const bundle = bundleWorkflows();
  bundle.catch(() => undefined);

  const [postgres, temporalServer, sim] = await Promise.all([
    step('PostgreSQL (embedded)', async () => {
      const server = await startEmbeddedPostgres({
        port: ports.postgres,
        log: (line) => log.info(line),
        durable: options.data !== undefined,
        ...(options.data === undefined ? {} : { dataDir: join(dir, 'postgres') }),
      });
      cleanup.unshift(() => server.stop());
      return server;
    }),
    step('Temporal dev server with its UI', async () => {
      const server = await startTemporalDevServer({
        cli: options.temporalCli,
        port: ports.temporal,
        uiPort: ports.temporalUi,
        metricsPort: ports.temporalMetrics,
        log: (line) => log.info(line),
        ...(options.data === undefined ? {} : { dbFile: join(dir, 'temporal.db') }),
      });
      cleanup.unshift(() => server.close());
      return server;
    }),
    step('simulated Proxmox VE cluster, 3 nodes', async () => {
      const world = await worldFor(join(dir, 'world'), demoFleet, (instance) =>
        heartbeatSerial(secrets.heartbeat, instance),
      );
      const simulator = await startSimulator({
        world,
        host: '127.0.0.1',
        port: ports.proxmox,
        tls: true,
        log: (line) => log.info(line),
      });
      cleanup.unshift(async () => {
        if (options.data !== undefined) await simulator.save(join(dir, 'world'));
        await simulator.close();
      });
      return simulator;
    }),
  ]);

  const parts = await step('schema and inventory', async () => {
    const opened = await openParts(postgres.url, dir, log);
    cleanup.push(() => opened.close());
    await writeHistory(opened.stores.sql, demoFleet, Date.now());
    return opened;
  });
  const temporal = { address: temporalServer.address, namespace: 'default' };

  const dnstapSocket = join(dir, 'dnstap.sock');
  const nameServerDir = join(dir, 'dns');
  const names = await step('name server', async () => {
    await mkdir(nameServerDir, { recursive: true });
    const server = await startNameServer({
      dir: nameServerDir,
      port: ports.dns,
      zone: demoZone,
      key: secrets.tsig,
      records: demoFleet.flatMap((vm) =>
        vm.names.map((name) => ({ name, type: 'A' as const, ttlSeconds: 5, value: vm.address })),
      ),
      dnstap: { unix: dnstapSocket, tcp: { host: '127.0.0.1', port: ports.dnstap } },
      ...(options.nameServer === undefined ? {} : { prefer: options.nameServer }),
    });
    cleanup.push(() => server.close());
    return server;
  });
  const collector = await step('collector of edge "local"', async () => {
    const running = await startCollectorProcess({
      edge: 'local',
      listen: { unix: dnstapSocket, tcp: { host: '127.0.0.1', port: ports.dnstap } },
      store: parts.stores.demand,
      names: namesOf(parts.inventory),
      spoolDir: join(dir, 'spool'),
      statistics: names.statisticsUrl === undefined ? [] : [names.statisticsUrl],
      log,
    });
    cleanup.push(() => running.close());
    return running;
  });

  const worker = await step('worker', async () => {
    await bundle;
    const running = await startWorkerProcess(parts, {
      temporal,
      heartbeatSecret: secrets.heartbeat,
      identity: `dev@${process.pid}`,
    });
    cleanup.push(() => running.stop());
    return running;
  });
  const monitors = await step(`monitors ${vantages.join(', ')}`, async () => {
    const canary = { host: '127.0.0.1', port: ports.temporal };
    const running = await Promise.all(
      vantages.map((vantage) => startMonitorProcess(parts, { temporal, vantage, canary })),
    );
    cleanup.push(async () => {
      await Promise.all(running.map((each) => each.stop()));
    });
    return running;
  });

  const addresses = {
    temporal: temporalServer.address,
    temporalUi: temporalServer.uiUrl,
    dns: `${names.host}:${names.port}`,
    dnstap: `127.0.0.1:${ports.dnstap}`,
    proxmox: sim.url,
  };
  const client = temporalClient(temporal);
  cleanup.push(() => client.close());
  const api = await step('API and dashboard', async () => {
    const running = await startApiProcess(parts, {
      host: '127.0.0.1',
      port: ports.api,
      client: client.client,
      access: { tokens: [], hosts: [] },
      addresses: () => addresses,
      heartbeatSecret: secrets.heartbeat,
      doctor: examination(parts, client.client),
      ...(options.webRoot === undefined ? {} : { webRoot: options.webRoot }),
      components: {
        dnstap: () =>
          collector.stats().senders > 0
            ? Promise.resolve(`${collector.stats().senders} senders`)
            : Promise.reject(new Error('no name server sends dnstap yet')),
        proxmox: async () =>
          `${(await (await parts.providers.hypervisorOf('lab')).observeCluster()).nodes.length} nodes`,
      },
    });
    cleanup.push(() => running.close());
    return running;
  });
  sim.setHeartbeatUrl(`${api.url}/api/v1/heartbeats`);

  await step('inventory of six hosted VMs', async () => {
    const tokenFile = join(dir, 'proxmox.token');
    const token = sim.tokens[0];
    if (token === undefined) throw new Error('the simulated cluster has no token');
    await writeSecret(tokenFile, `${token.id}=${token.secret}`);
    const text = demoInventory({
      endpoints: sim.endpoints.map(({ url }) => url),
      ...(sim.fingerprint === undefined ? {} : { fingerprint: sim.fingerprint }),
      tokenFile,
      dns: addresses.dns,
      tsigKeyFile: secrets.tsigFile,
      probation: options.probation ?? '24h',
    });
    await writeFile(join(dir, 'inventory.yaml'), text);
    await applyInventory(api.url, text);
  });

  const guests = followGuests(parts.stores.registry, demoFleet);
  cleanup.push(() => guests.stop());
  const load = startLoad({
    server: { host: names.host, port: names.port },
    vms: options.load === false ? [] : demoFleet.map(loadedAs),
    now: Date.now,
    onAnswer: (address, qps) => {
      const guest = guests.at(address);
      if (guest !== undefined) sim.setLoad(guest.vmid, qps, guest.capacityQps);
    },
    ...loadShape(),
  });
  cleanup.push(() => load.stop());
  const control = await listenForControl(
    sim.fault,
    load,
    demoFleet.map(({ id }) => id),
  );
  cleanup.push(() => control.close());

  const running = {
    addresses: { dashboard: `${api.url}/`, api: api.url, ...addresses },
    simControl: control.url,
  };
  options.announce(running);
  print('');
  print(
    `Umbra is up after ${((performance.now() - begun) / 1_000).toFixed(0)} s (${names.kind} answers DNS; log and inventory in ${dir}).`,
  );
  for (const line of welcome(running.addresses)) print(line);
  return {
    ...running,
    died: Promise.race(
      [worker.done, ...monitors.map(({ done }) => done)].map(async (done) => {
        await done;
        return await new Promise<never>(() => undefined);
      }),
    ),
    stop: stage.stop,
  };
}

function welcome({ dashboard, temporalUi, api, dns }: DevAddresses): string[] {
  const [host = '', port = ''] = dns.split(':');
  const shop = demoFleet[0]!;
  return [
    '',
    `  Dashboard    ${dashboard}`,
    `  Temporal UI  ${temporalUi}`,
    `  API          ${api}/api/v1/status`,
    '',
    'Three things to try, in another terminal:',
    `  1. bin/umbra list                                what is protected, and by what`,
    `  2. bin/umbra sim fault 'node ${shop.node} off'            once shop is protected (within a minute): cut the power of its node, and watch the answer change:`,
    `     dig +short @${host} -p ${port} ${shop.names[0] ?? ''}`,
    `  3. bin/umbra sim fault 'crowd api 4x 5m'         a flash crowd: a bigger shadow, or several, take over`,
    '',
    'Ctrl-C ends everything.',
  ];
}

async function choosePorts(
  first: number | undefined,
  print: (line: string) => void,
): Promise<typeof preferred & { temporalMetrics: number }> {
  const taken = new Set<number>();
  const chosen: Record<string, number> = {};
  for (const [name, port] of Object.entries({ ...preferred, temporalMetrics: 7243 })) {
    const wanted = name === 'api' && first !== undefined ? first : port;
    const free = await freePort(wanted, taken);
    if (free !== wanted) print(`  port ${wanted} is busy: ${name} takes ${free}`);
    taken.add(free);
    chosen[name] = free;
  }
  return chosen as typeof preferred & { temporalMetrics: number };
}

type Secrets = {
  readonly heartbeat: Buffer;
  readonly tsig: { readonly name: string; readonly algorithm: 'hmac-sha256'; readonly secret: string };
  readonly tsigFile: string;
};

/** Random, in files that only we can read; kept with the rest of the state. */
async function obtainSecrets(dir: string): Promise<Secrets> {
  const kept = async (name: string, make: () => string): Promise<string> => {
    const file = join(dir, name);
    if (existsSync(file)) return (await readFile(file, 'utf8')).trim();
    const value = make();
    await writeSecret(file, value);
    return value;
  };
  const tsig = await kept('tsig.key', () => `hmac-sha256:umbra:${randomBytes(32).toString('base64')}`);
  const heartbeat = await kept('heartbeat.secret', () => randomBytes(32).toString('base64'));
  return {
    heartbeat: Buffer.from(heartbeat, 'base64'),
    tsig: { name: 'umbra', algorithm: 'hmac-sha256', secret: tsig.split(':')[2] ?? '' },
    tsigFile: join(dir, 'tsig.key'),
  };
}

async function writeSecret(file: string, value: string): Promise<void> {
  await writeFile(file, `${value}\n`, { mode: 0o600 });
  await chmod(file, 0o600);
}

async function applyInventory(api: string, text: string): Promise<void> {
  const response = await fetch(`${api}/api/v1/inventory`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text, force: true }),
  });
  if (!response.ok) throw new Error(`the API answered ${response.status}: ${await response.text()}`);
}
