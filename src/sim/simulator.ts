import { RealClock, VirtualClock } from './clock.ts';
import { Cluster } from './cluster/cluster.ts';
import { schedulerPeriodMs } from './cluster/replication.ts';
import { usualTiming } from './cluster/timing.ts';
import type { Timing } from './cluster/timing.ts';
import { listenForCommands } from './control.ts';
import { Faults } from './faults/api-faults.ts';
import { runFault } from './faults/commands.ts';
import { beatHearts } from './guests/heartbeats.ts';
import { GuestServices } from './guests/services.ts';
import { selfSigned } from './http/certificate.ts';
import { NodeListener } from './http/listener.ts';
import { loadWorld, saveWorld } from './world/directory.ts';
import type { World } from './world/world.ts';

export { demoWorld } from './world/demo.ts';

export type SimulatorOptions = {
  /** A folder (see `docs/simulator-differences.md`) or a world already read. */
  readonly world: string | World;
  readonly host: string;
  /** Of the first node; 0 lets the system choose. The other nodes get ports of their own. */
  readonly port: number;
  readonly tls: boolean;
  readonly clock?: 'real' | 'virtual';
  /** Whether guests listen on their addresses. On by default. */
  readonly guests?: boolean;
  readonly guestPort?: number;
  /** Where it takes faults; a free port of 127.0.0.1 unless told. */
  readonly control?: { readonly host: string; readonly port: number };
  /** Further names by which clients reach it, for its certificate. */
  readonly names?: readonly string[];
  /** Where running guests post their heartbeats. */
  readonly heartbeatUrl?: string;
  readonly timing?: Partial<Timing>;
  readonly log?: (line: string) => void;
};

export type Simulator = {
  /** The API of the first node that is on. */
  readonly url: string;
  /** The API of every node; each answers for all, while its own node is up. */
  readonly endpoints: readonly { readonly node: string; readonly url: string }[];
  /** SHA-256 of the certificate, `AA:BB:...`; absent without TLS. */
  readonly fingerprint?: string;
  /** The certificate as PEM, for clients that take a CA. */
  readonly certificate?: string;
  /** Secrets of the world's tokens. */
  readonly tokens: readonly { readonly id: string; readonly secret: string }[];
  /** `POST <controlUrl>/umbra-sim/fault {"command": "..."}` from another process. */
  readonly controlUrl: string;
  /** Runs a command of the fault vocabulary; resolves to what is now true, rejects with what would be understood. */
  readonly fault: (command: string) => Promise<string>;
  /** Requests a guest answers now, and how many it could. */
  readonly setLoad: (vmid: number, qps: number, capacityQps: number) => void;
  readonly setHeartbeatUrl: (url: string | undefined) => void;
  /** Virtual clock only: lets time pass. */
  readonly advance: (ms: number) => Promise<void>;
  readonly now: () => number;
  /** The cluster itself, for tests that look behind the API. */
  readonly cluster: Cluster;
  readonly save: (folder: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Guests say that they live this often. */
const heartbeatMs = 1000;

/** A Proxmox VE cluster on this machine. Rejects when a port is taken or the world cannot be read. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const world = typeof options.world === 'string' ? await loadWorld(options.world) : options.world;
  const clock = options.clock === 'virtual' ? new VirtualClock(Date.now()) : new RealClock();
  const cluster = new Cluster(world, clock, { ...usualTiming, ...options.timing }, options.log ?? (() => undefined));
  const faults = new Faults();
  // Made without TLS too: nodes tell each other's fingerprint whatever a client connects with.
  const made = selfSigned(['localhost', options.host, ...world.nodes.keys(), ...(options.names ?? [])], new Date());
  const certificate = options.tls ? made : undefined;
  cluster.fingerprint = made.fingerprint;
  const services = options.guests === false ? undefined : new GuestServices(cluster, options.guestPort ?? 8080);
  if (services) cluster.machines.onChange((vmid) => services.follow(vmid));

  const nodes = [...world.nodes.values()].sort((a, b) => Number(b.on) - Number(a.on) || (a.name < b.name ? -1 : 1));
  const listeners = nodes.map((node) => new NodeListener(node.name, cluster, faults, certificate));
  for (const [at, listener] of listeners.entries()) await listener.listen(options.host, at === 0 ? options.port : 0);
  cluster.nodeChanged = (name) => {
    const listener = listeners.find((one) => one.node === name);
    if (!listener) return;
    const away = !cluster.isUp(name) || cluster.isolated.has(name);
    void (away ? listener.silence() : listener.resume()).catch((error: unknown) => {
      cluster.log(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    });
  };
  for (const node of nodes) if (!node.on) await listeners.find((one) => one.node === node.name)!.silence();

  for (const guest of world.guests.values()) {
    if (guest.running && cluster.isUp(guest.node))
      cluster.machines.start(guest.vmid, guest.node, guest.config.current, 0);
    else guest.running = false;
  }
  cluster.view.publish();
  const { timing } = cluster;
  clock.every(timing.statusPeriodMs, () => cluster.view.publish());
  cluster.firewalls.apply();
  clock.every(timing.firewallPeriodMs, () => cluster.firewalls.apply());
  clock.every(schedulerPeriodMs, () => cluster.replication.run(clock.now()));
  clock.every(cluster.ha.lookMs, () => void cluster.ha.look().catch((error: unknown) => cluster.log(String(error))));
  const heartbeat: { url: string | undefined } = { url: options.heartbeatUrl };
  clock.every(heartbeatMs, () => beatHearts(cluster, () => heartbeat.url));

  const scheme = options.tls ? 'https' : 'http';
  const endpoints = listeners.map((listener) => ({
    node: listener.node,
    url: `${scheme}://${options.host}:${listener.port}`,
  }));
  const fault = (command: string): Promise<string> =>
    new Promise((resolve) => {
      resolve(runFault({ cluster, faults }, command));
    });
  const control = await listenForCommands(options.control ?? { host: '127.0.0.1', port: 0 }, fault);
  return {
    url: endpoints[0]!.url,
    endpoints,
    ...(certificate ? { fingerprint: certificate.fingerprint, certificate: certificate.cert } : {}),
    tokens: [...world.tokens.values()].map(({ id, secret }) => ({ id, secret })),
    controlUrl: control.url,
    fault,
    setLoad: (vmid, qps, capacityQps) => cluster.machines.setLoad(vmid, { qps, capacityQps }),
    setHeartbeatUrl: (url) => {
      heartbeat.url = url;
    },
    advance: async (ms) => {
      if (!(clock instanceof VirtualClock))
        throw new Error('only a virtual clock can be advanced; start with clock: "virtual"');
      await clock.advance(ms);
    },
    now: () => clock.now(),
    cluster,
    save: (folder) => saveWorld(world, folder),
    close: async () => {
      clock.close();
      control.server.closeAllConnections();
      await new Promise((resolve) => control.server.close(resolve));
      await Promise.all(listeners.map((listener) => listener.silence()));
      await services?.close();
    },
  };
}
