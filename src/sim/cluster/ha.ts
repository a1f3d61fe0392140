import type { Cluster } from './cluster.ts';
import { failed } from '../api/refusal.ts';
import { startGuest } from './start.ts';

/** What the manager knows of one resource. */
type Service = {
  /** As shown to users: started, stopped, fence, recovery, migrate, freeze, error, queued, ignored... */
  state: string;
  node: string;
  failedStarts: number;
  moveTo: string | undefined;
};

/** Between two rounds the managers look this often whether a node has gone; the watchdogs do it too. */
const looksPerRound = 5;

/**
 * The HA manager: rounds of ten seconds, a watchdog that kills nodes without quorum, a fence that waits for it. One node
 * is its master. When the master itself goes nobody acts until its lock has run out, and its successor learns only then
 * which nodes are silent: so a guest is recovered after two minutes, and after three when the master is what failed.
 */
export class HaManager {
  readonly #cluster: Cluster;
  readonly #services = new Map<string, Service>();
  /** Since when a node is silent. */
  readonly #silentSince = new Map<string, number>();
  readonly maintenance = new Set<string>();
  /** Set while the stack is disarmed. */
  disarmed: 'freeze' | 'ignore' | undefined;
  #busy = false;
  #looks = 0;
  #master: string | undefined;
  /** When the master's lock was last renewed, and since when the present one is master. */
  #renewedAt = 0;
  #electedAt = -Infinity;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** A node that has lost the others resets itself when its watchdog is not fed any more. */
  get armed(): boolean {
    return this.disarmed === undefined && [...this.#cluster.world.ha.values()].some((r) => r.state !== 'ignored');
  }

  stateOf(sid: string): string {
    const resource = this.#cluster.world.ha.get(sid);
    if (resource?.state === 'ignored') return 'ignored';
    if (this.disarmed !== undefined) return this.disarmed === 'freeze' ? 'freeze' : 'ignored';
    return this.#services.get(sid)?.state ?? 'queued';
  }

  nodeOf(sid: string): string {
    return this.#cluster.world.guests.get(Number(sid.slice(3)))?.node ?? '';
  }

  /** Whether a round has looked at it. */
  knows(sid: string): boolean {
    return this.#services.has(sid);
  }

  forget(sid: string): void {
    this.#services.delete(sid);
  }

  /** Somebody asks for a state; the next rounds bring it about. */
  request(sid: string, state: 'started' | 'stopped'): void {
    const resource = this.#cluster.world.ha.get(sid);
    if (!resource) throw failed(`no such resource '${sid}'`);
    resource.state = state;
  }

  requestMove(sid: string, node: string): void {
    if (!this.#cluster.world.ha.has(sid)) throw failed(`no such resource '${sid}'`);
    const service = this.#service(sid);
    service.moveTo = node;
  }

  #service(sid: string): Service {
    const known = this.#services.get(sid) ?? {
      state: 'queued',
      node: this.nodeOf(sid),
      failedStarts: 0,
      moveTo: undefined,
    };
    this.#services.set(sid, known);
    return known;
  }

  #hears(node: string): boolean {
    const { world } = this.#cluster;
    return (
      this.#cluster.isUp(node) &&
      [...world.nodes.keys()].some(
        (other) => other !== node && this.#cluster.isUp(other) && this.#cluster.reaches(node, other),
      )
    );
  }

  /** The node whose manager decides; the last one while its successor waits for the lock. */
  get master(): string {
    return this.#master ?? [...this.#cluster.world.nodes.values()].find((node) => node.on)?.name ?? '';
  }

  /** How often `look` is to be called. */
  get lookMs(): number {
    return this.#cluster.timing.haRoundMs / looksPerRound;
  }

  /** A look at the nodes; every fifth is a round, in which the managers look at all services too. */
  async look(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const isRound = this.#looks % looksPerRound === 0;
      this.#looks += 1;
      this.#watchNodes();
      this.#elect(isRound);
      if (this.disarmed !== undefined || this.#cluster.quorumLost || this.#silentSince.has(this.master)) return;
      const { ha } = this.#cluster.world;
      const due = isRound ? [...ha.keys()] : [...ha.keys()].filter((sid) => this.#isSilent(sid));
      for (const sid of due.sort()) await this.#serve(sid);
    } finally {
      this.#busy = false;
    }
  }

  #isSilent(sid: string): boolean {
    return this.#silentSince.has(this.#services.get(sid)?.node ?? this.nodeOf(sid));
  }

  /** The master renews its lock each round. Who takes it over does so when it has run out, not before. */
  #elect(isRound: boolean): void {
    const { world, clock, timing } = this.#cluster;
    const now = clock.now();
    const heard = [...world.nodes.keys()].filter((node) => this.#hears(node));
    if (this.#master === undefined) {
      this.#master = heard[0];
      this.#renewedAt = now;
    } else if (heard.includes(this.#master)) {
      if (isRound) this.#renewedAt = now;
    } else if (now - this.#renewedAt >= timing.lockLifetimeMs && heard.length > 0) {
      this.#master = heard[0];
      this.#renewedAt = now;
      this.#electedAt = now;
    }
  }

  #watchNodes(): void {
    const { world, clock, timing } = this.#cluster;
    for (const node of world.nodes.values()) {
      if (this.#hears(node.name)) {
        this.#silentSince.delete(node.name);
        continue;
      }
      const since = this.#silentSince.get(node.name) ?? clock.now();
      this.#silentSince.set(node.name, since);
      const guarded = [...this.#services.values()].some((service) => service.node === node.name);
      if (node.on && guarded && this.armed && clock.now() - since >= timing.watchdogMs) {
        this.#cluster.powerOff(node.name, 'the watchdog of a node without quorum expired');
      }
    }
  }

  async #serve(sid: string): Promise<void> {
    const { world, machines, clock, timing } = this.#cluster;
    const resource = world.ha.get(sid);
    const guest = world.guests.get(Number(sid.slice(3)));
    if (!resource || !guest || resource.state === 'ignored') return;
    const service = this.#service(sid);
    const silent = this.#silentSince.get(service.node);
    if (silent !== undefined) {
      // The node counts as gone after the fence delay, and as dead once its cluster lock has run out. A new master
      // counts the delay from when it took over.
      const known = clock.now() - Math.max(silent, this.#electedAt);
      service.state = known >= timing.fenceDelayMs ? 'fence' : 'started';
      if (known < timing.fenceDelayMs || clock.now() - silent < timing.lockLifetimeMs) return;
      if (this.#cluster.isUp(service.node)) return;
      service.state = 'recovery';
      const gone = service.node;
      const target = this.#placeFor(gone);
      if (target === undefined) return;
      guest.node = target;
      service.node = target;
      this.#cluster.volumes.move(guest.vmid, gone, target);
    }
    service.node = guest.node;
    if (service.moveTo !== undefined) {
      const target = service.moveTo;
      service.moveTo = undefined;
      if (this.#cluster.isUp(target)) {
        guest.node = target;
        machines.moveTo(guest.vmid, target);
        service.node = target;
      }
    }
    const wanted = ['started', 'enabled'].includes(resource.state ?? 'started');
    const runs = machines.get(guest.vmid) !== undefined;
    if (!wanted) {
      if (runs) {
        service.state = 'request_stop';
        await clock.sleep(timing.shutdownMs);
        this.#cluster.halt(guest.vmid);
      }
      service.state = 'stopped';
      // Asking for a stop is also how a human takes a service out of `error`.
      service.failedStarts = 0;
      return;
    }
    if (runs) {
      service.state = 'started';
      service.failedStarts = 0;
      return;
    }
    if (service.state === 'error' || service.failedStarts > (resource.maxRestart ?? 1)) {
      service.state = 'error';
      return;
    }
    service.state = 'request_start';
    const task = this.#cluster.tasks.start(guest.node, 'qmstart', String(guest.vmid), 'root@pam', (worker) =>
      startGuest(this.#cluster, guest.node, guest.vmid, worker),
    );
    await task.ended;
    if (task.exit === 'OK') service.state = 'started';
    else service.failedStarts += 1;
  }

  #placeFor(from: string): string | undefined {
    const { world, machines } = this.#cluster;
    return [...world.nodes.values()]
      .filter(
        (node) =>
          node.name !== from && node.on && !this.maintenance.has(node.name) && !this.#cluster.isolated.has(node.name),
      )
      .sort(
        (a, b) =>
          machines.all.filter((m) => m.node === a.name).length - machines.all.filter((m) => m.node === b.name).length,
      )[0]?.name;
  }
}
