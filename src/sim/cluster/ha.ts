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

/** The HA manager: rounds of ten seconds, a watchdog that kills nodes without quorum, a fence that waits for it. */
export class HaManager {
  readonly #cluster: Cluster;
  readonly #services = new Map<string, Service>();
  /** Since when a node is silent. */
  readonly #silentSince = new Map<string, number>();
  readonly maintenance = new Set<string>();
  /** Set while the stack is disarmed. */
  disarmed: 'freeze' | 'ignore' | undefined;
  #busy = false;

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

  /** One round of the managers. */
  async round(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      this.#watchNodes();
      if (this.disarmed !== undefined || this.#cluster.quorumLost) return;
      for (const sid of [...this.#cluster.world.ha.keys()].sort()) await this.#serve(sid);
    } finally {
      this.#busy = false;
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
      // The node counts as gone after the fence delay, and as dead once its cluster lock has run out.
      service.state = clock.now() - silent >= timing.fenceDelayMs ? 'fence' : 'started';
      if (clock.now() - silent < timing.lockLifetimeMs || this.#cluster.isUp(service.node)) return;
      service.state = 'recovery';
      const target = this.#placeFor(service.node);
      if (target === undefined) return;
      guest.node = target;
      service.node = target;
      this.#cluster.volumes.move(guest.vmid, service.node, target);
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
