import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { heartbeatSerial } from '../api/heartbeat-serial.ts';
import { heartbeatSecret } from '../composition/process-options.ts';
import { bundleWorkflows } from '../workers/bundle.ts';
import { demoConfig } from './configuration.ts';
import { listenForControl } from './control.ts';
import { choosePorts } from './dev-ports.ts';
import { demoFleet, demoInventory } from './fleet.ts';
import { followGuests } from './guests.ts';
import { loadedAs, loadShape } from './history.ts';
import { startLoad } from './load.ts';
import type { NameServerKind } from './name-server.ts';
import { startProcesses } from './processes.ts';
import { Progress } from './progress.ts';
import { obtainSecrets, writeSecret } from './secrets.ts';
import { startServers } from './servers.ts';
import type { DevServers } from './servers.ts';
import { welcome } from './welcome.ts';

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

const stopLimitMs = 4_500;

/** Everything Umbra is, in one process with its servers as children, all on loopback. */
export async function startDev(options: DevOptions): Promise<RunningDev> {
  const dir = options.data === undefined ? await mkdtemp(join(tmpdir(), 'umbra-')) : resolve(options.data);
  await mkdir(dir, { recursive: true });
  const log = pino({ level: 'info' }, pino.destination({ dest: join(dir, 'umbra.log'), sync: false }));
  const progress = new Progress(options.print, log);
  const stopping = { now: false };
  const stop = async (): Promise<void> => {
    if (stopping.now) return;
    stopping.now = true;
    options.announce(undefined);
    await Promise.race([progress.end(), sleep(stopLimitMs, undefined, { ref: false })]);
    if (options.data === undefined) await rm(dir, { recursive: true, force: true });
  };
  try {
    return { ...(await start(options, { dir, log, progress })), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  options: DevOptions,
  { dir, log, progress }: { readonly dir: string; readonly log: Logger; readonly progress: Progress },
): Promise<Omit<RunningDev, 'stop'>> {
  const begun = performance.now();
  const { print, webRoot } = options;
  // Bundling takes seconds, and the servers start meanwhile; who needs the bundle hears of a failure.
  void bundleWorkflows().catch(() => undefined);

  const ports = await choosePorts(options.port, print);
  const secrets = await obtainSecrets(dir);
  const { heartbeatFile: heartbeatSecretFile } = secrets;
  const heartbeats = (await heartbeatSecret({ heartbeatSecretFile }))!;
  const servers = await startServers(
    {
      ...{ dir, ports, secrets, log, keep: options.data !== undefined },
      serialOf: (instance) => heartbeatSerial(heartbeats, instance),
      temporalCli: options.temporalCli,
      nameServer: options.nameServer,
    },
    progress,
  );
  const { sim, names, temporal } = servers;

  const config = await demoConfig({ dir, ports, servers, heartbeatSecretFile, webRoot });
  const dnstap = `127.0.0.1:${ports.dnstap}`;
  const { parts, api, died } = await startProcesses(config, { log, dnstap }, progress);
  sim.setHeartbeatUrl(`${api.url}/api/v1/heartbeats`);
  await progress.step('inventory of six hosted VMs', async () => {
    const text = await writeInventory(dir, servers, secrets.tsigFile, options.probation ?? '24h');
    await applyInventory(api.url, text);
  });

  const guests = followGuests(parts.stores.registry, demoFleet);
  progress.started(() => guests.stop());
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
  progress.started(() => load.stop());
  const ids = demoFleet.map(({ id }) => id);
  const control = await listenForControl(sim.fault, load, ids);
  progress.started(() => control.close());

  const addresses = {
    dashboard: `${api.url}/`,
    api: api.url,
    temporal: temporal.address,
    temporalUi: temporal.uiUrl,
    dns: `${names.host}:${names.port}`,
    dnstap,
    proxmox: sim.url,
  };
  const running = { addresses, simControl: control.url };
  options.announce(running);
  const seconds = ((performance.now() - begun) / 1_000).toFixed(0);
  print('');
  print(`Umbra is up after ${seconds} s (${names.kind} answers DNS; log, umbra.yaml and inventory in ${dir}).`);
  for (const line of welcome(addresses)) print(line);
  return { ...running, died };
}

/** @returns its text, which also stands in the folder for the user to change and apply */
async function writeInventory(
  dir: string,
  { sim, names }: DevServers,
  tsigKeyFile: string,
  probation: string,
): Promise<string> {
  const token = sim.tokens[0];
  if (token === undefined) throw new Error('the simulated cluster has no token');
  const tokenFile = join(dir, 'proxmox.token');
  await writeSecret(tokenFile, `${token.id}=${token.secret}`);
  const text = demoInventory({
    endpoints: sim.endpoints.map(({ url }) => url),
    ...(sim.fingerprint === undefined ? {} : { fingerprint: sim.fingerprint }),
    tokenFile,
    dns: `${names.host}:${names.port}`,
    tsigKeyFile,
    probation,
  });
  await writeFile(join(dir, 'inventory.yaml'), text);
  return text;
}

async function applyInventory(api: string, text: string): Promise<void> {
  const response = await fetch(`${api}/api/v1/inventory`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text, force: true }),
  });
  if (!response.ok) throw new Error(`the API answered ${response.status}: ${await response.text()}`);
}
