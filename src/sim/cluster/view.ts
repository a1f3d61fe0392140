import type { Cluster } from './cluster.ts';
import { isDriveSlot, parseDrive } from './drive.ts';
import { parseSize } from './volumes.ts';

/** What pvestatd said of a guest. */
export type GuestSample = {
  readonly name: string;
  readonly status: string;
  readonly template: boolean;
  readonly uptime: number;
  readonly maxcpu: number;
  readonly cpu: number;
  readonly maxmem: number;
  readonly mem: number;
  readonly maxdisk: number;
  readonly netin: number;
  readonly netout: number;
  readonly diskread: number;
  readonly diskwrite: number;
};

export type NodeSample = {
  readonly at: number;
  readonly startedAt: number;
  readonly cpu: number;
  readonly mem: number;
  readonly guests: ReadonlyMap<number, GuestSample>;
  readonly storages: ReadonlyMap<string, { readonly used: number; readonly total: number; readonly active: boolean }>;
};

/**
 * The cluster as its members last told each other. Each node publishes every 10 s; a silent one is believed for 300 s.
 * Which guests exist and where is known at once; how they are is as old as the last sample.
 */
export class View {
  readonly #cluster: Cluster;
  readonly #samples = new Map<string, NodeSample>();
  readonly #bootedAt = new Map<string, number>();
  #silent = false;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Every node that has power and a network publishes. */
  publish(): void {
    if (this.#silent) return;
    const { world, isolated } = this.#cluster;
    for (const node of world.nodes.values()) {
      if (!node.on) this.#bootedAt.delete(node.name);
      else if (!isolated.has(node.name)) this.#samples.set(node.name, this.#sample(node.name));
    }
  }

  /** Nobody publishes any more, and what was published is forgotten. */
  silence(on: boolean): void {
    this.#silent = on;
    if (on) this.#samples.clear();
    else this.publish();
  }

  /** What a node published, while it counts. */
  of(node: string): NodeSample | undefined {
    const sample = this.#samples.get(node);
    return sample && this.#cluster.clock.now() - sample.at <= this.#cluster.timing.statusExpiryMs ? sample : undefined;
  }

  #sample(name: string): NodeSample {
    const { world, machines, volumes, clock } = this.#cluster;
    const node = world.nodes.get(name)!;
    const now = clock.now();
    const startedAt = this.#bootedAt.get(name) ?? now - 3_600_000;
    this.#bootedAt.set(name, startedAt);
    const guests = new Map<number, GuestSample>();
    let busyCores = 0.02 * node.cpus;
    let memory = 2 * 2 ** 30;
    for (const guest of world.guests.values()) {
      if (guest.node !== name) continue;
      const metrics = guestMetrics(this.#cluster, guest.vmid);
      guests.set(guest.vmid, metrics);
      busyCores += metrics.cpu * metrics.maxcpu;
      if (machines.get(guest.vmid)) memory += metrics.mem;
    }
    const storages = new Map(
      [...world.storages.values()].map((storage) => [
        storage.id,
        {
          used: volumes.usedBytes(storage, name),
          total: storage.totalBytes,
          active: !volumes.offline.has(storage.id),
        },
      ]),
    );
    return { at: now, startedAt, cpu: Math.min(1, busyCores / node.cpus), mem: memory, guests, storages };
  }
}

const bytesOf = (options: Readonly<Record<string, string>>): number =>
  Number(/(?:current=)?(\d+)/.exec(options['memory'] ?? '512')?.[1]) * 2 ** 20;

/** Never more than the node has, unless `vcpus` says so. */
const coresOf = (options: Readonly<Record<string, string>>, ofNode: number): number =>
  Number(options['vcpus'] ?? Math.min(ofNode, Number(options['sockets'] ?? 1) * Number(options['cores'] ?? 1)));

/** The size of the first disk of the boot order, as noted in the configuration; 0 when there is no order. */
function bootDiskBytes(options: Readonly<Record<string, string>>): number {
  const order = /order=([^,]*)/.exec(options['boot'] ?? '')?.[1]?.split(';') ?? [options['bootdisk'] ?? ''];
  for (const slot of order.filter(isDriveSlot)) {
    const drive = options[slot] === undefined ? undefined : parseDrive(slot, options[slot]);
    if (drive && drive.options['media'] !== 'cdrom') return parseSize(drive.options['size'] ?? '0');
  }
  return 0;
}

/** How a guest is right now. */
export function guestMetrics(cluster: Cluster, vmid: number): GuestSample {
  const guest = cluster.world.guests.get(vmid)!;
  const machine = cluster.machines.get(vmid);
  const options = machine?.options ?? guest.config.current;
  const maxmem = bytesOf(options);
  const seconds = machine ? Math.floor((cluster.clock.now() - machine.startedAt) / 1000) : 0;
  const load = machine ? cluster.machines.loadOf(vmid) : { qps: 0, capacityQps: 0 };
  return {
    name: guest.config.current['name'] ?? `VM ${vmid}`,
    status: machine ? machine.qmp : 'stopped',
    template: guest.config.current['template'] === '1',
    uptime: seconds,
    maxcpu: coresOf(options, cluster.world.nodes.get(guest.node)?.cpus ?? 1),
    cpu: machine ? cluster.machines.cpuOf(machine) : 0,
    maxmem,
    mem: machine ? Math.floor(maxmem * Math.min(0.95, 0.35 + 0.4 * cluster.machines.demandOf(machine))) : 0,
    maxdisk: bootDiskBytes(options),
    netin: Math.floor(seconds * load.qps * 700),
    netout: Math.floor(seconds * load.qps * 9000),
    diskread: machine ? 180_000_000 + Math.floor(seconds * load.qps * 200) : 0,
    diskwrite: machine ? 20_000_000 + Math.floor(seconds * (4000 + load.qps * 300)) : 0,
  };
}
