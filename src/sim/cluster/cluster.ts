import { startGuest } from './start.ts';
import { failed, Refusal } from '../api/refusal.ts';
import type { Clock } from '../clock.ts';
import { Machines } from '../guests/machine.ts';
import type { World, WorldGuest } from '../world/world.ts';
import { Firewalls } from './firewall.ts';
import { HaManager } from './ha.ts';
import { Locks } from './locks.ts';
import { Tasks } from './tasks.ts';
import { Replication } from './replication.ts';
import type { Timing } from './timing.ts';
import { View } from './view.ts';
import { Volumes } from './volumes.ts';

/** A cluster at work: the world on disk, the processes that run, and the locks and tasks that keep them apart. */
export class Cluster {
  readonly world: World;
  readonly clock: Clock;
  readonly timing: Timing;
  readonly tasks: Tasks;
  readonly locks: Locks;
  readonly volumes: Volumes;
  readonly machines: Machines;
  readonly view: View;
  readonly log: (line: string) => void;
  /** Nodes without a network. They run on, and nobody hears of them. */
  readonly isolated = new Set<string>();
  /** Set by a fault; otherwise counted from the nodes that are up. */
  quorumLost = false;
  readonly ha: HaManager;
  readonly firewalls: Firewalls;
  readonly replication: Replication;
  /** SHA-256 of the certificate every node shows. */
  fingerprint: string | undefined;
  /** Whether guests come with an agent that answers. */
  guestAgents = true;

  readonly #foundOn: ReadonlySet<string>;
  readonly #offSince = new Map<string, number>();
  /** Until when a node's neighbours wait for one that has lost power, by who asks whom. */
  readonly #believedUntil = new Map<string, number>();

  constructor(world: World, clock: Clock, timing: Timing, log: (line: string) => void) {
    this.world = world;
    this.#foundOn = new Set([...world.nodes.values()].filter((node) => node.on).map((node) => node.name));
    this.clock = clock;
    this.timing = timing;
    this.log = log;
    this.tasks = new Tasks(clock);
    this.locks = new Locks(clock);
    this.volumes = new Volumes(world, clock);
    this.machines = new Machines(clock);
    this.view = new View(this);
    this.ha = new HaManager(this);
    this.firewalls = new Firewalls(world);
    this.replication = new Replication(world);
  }

  isUp(node: string): boolean {
    return this.world.nodes.get(node)?.on === true;
  }

  /** Whether one node hears another. */
  reaches(from: string, to: string): boolean {
    return from === to || (this.isUp(to) && !this.isolated.has(from) && !this.isolated.has(to));
  }

  /** Whether one node still counts another as a member: it hears it, or has not missed it for long enough. */
  isMember(from: string, node: string): boolean {
    if (this.reaches(from, node)) return true;
    const offSince = this.#offSince.get(node);
    return !this.isUp(node) && offSince !== undefined && this.clock.now() - offSince < this.timing.membershipMs;
  }

  /**
   * How long a node waits for one without power. The first request finds its address still known and is sent again and
   * again; once that was given up, the next ones fail as soon as nobody answers for the address.
   */
  unreachableForMs(from: string, to: string): number {
    const now = this.clock.now();
    const pair = `${from} ${to}`;
    const until = this.#believedUntil.get(pair) ?? now + this.timing.firstUnreachableMs;
    this.#believedUntil.set(pair, until);
    return Math.max(until - now, this.timing.unreachableMs);
  }

  /**
   * More than half of the members, as seen from a node. A world that is loaded with nodes off is taken to be quorate as
   * it is found: somebody has lowered the expected votes.
   */
  quorate(from: string): boolean {
    if (this.quorumLost) return false;
    const heard = [...this.world.nodes.keys()].filter((node) => this.isUp(node) && this.reaches(from, node));
    return heard.length * 2 > this.world.nodes.size || [...this.#foundOn].every((node) => heard.includes(node));
  }

  requireQuorum(node: string): void {
    if (!this.quorate(node)) throw failed('cluster not ready - no quorum?');
  }

  /**
   * A lock of the cluster's file system, under which one of its files is written. Nobody holds one for long; without
   * quorum it is asked for again and again before that is given up.
   */
  requireClusterLock(node: string, name: string): void {
    if (this.quorate(node)) return;
    throw new Refusal(500, `cfs-lock '${name}' error: no quorum!`, undefined, this.timing.clusterLockMs);
  }

  /** The words of writing a guest's configuration where the cluster's file system only reads. */
  requireWritable(node: string, vmid: number): void {
    if (this.quorate(node)) return;
    const file = `/etc/pve/nodes/${node}/qemu-server/${vmid}.conf.tmp.${4000 + (vmid % 1000)}`;
    throw failed(`unable to open file '${file}' - Permission denied`);
  }

  requireNode(node: string): void {
    if (!this.world.nodes.has(node)) throw failed(`no such cluster node '${node}'`);
  }

  /** Whether anything in the cluster has this id. */
  hasId(vmid: number): boolean {
    return this.world.guests.has(vmid) || this.world.containers.has(vmid);
  }

  guestOn(node: string, vmid: number): WorldGuest | undefined {
    const guest = this.world.guests.get(vmid);
    return guest?.node === node ? guest : undefined;
  }

  /** The words of reading a configuration that is not there. */
  load(node: string, vmid: number): WorldGuest {
    const guest = this.guestOn(node, vmid);
    if (!guest) throw failed(`Configuration file 'nodes/${node}/qemu-server/${vmid}.conf' does not exist`);
    return guest;
  }

  /** The words of looking for a process of a guest that is not there. */
  isRunning(node: string, vmid: number): boolean {
    if (!this.guestOn(node, vmid)) throw failed(`unable to find configuration file for VM ${vmid} on node '${node}'`);
    return this.machines.get(vmid) !== undefined;
  }

  /** Refuses while somebody's operation marks the guest. */
  requireUnlocked(guest: WorldGuest): void {
    const lock = guest.config.current['lock'];
    if (lock !== undefined) throw failed(`VM is locked (${lock})`);
  }

  isHaManaged(vmid: number): boolean {
    const resource = this.world.ha.get(`vm:${vmid}`);
    return resource !== undefined && resource.state !== 'ignored';
  }

  poolOf(vmid: number): string | undefined {
    return [...this.world.pools].find(([, pool]) => pool.vms.has(vmid))?.[0];
  }

  /** Ends QEMU's process of a guest and says so in the world. */
  halt(vmid: number): void {
    const guest = this.world.guests.get(vmid);
    if (guest) guest.running = false;
    this.machines.stop(vmid);
  }

  /** A node loses power: its guests and workers are gone, its file locks with it. */
  powerOff(node: string, why: string): void {
    const machine = this.world.nodes.get(node);
    if (!machine?.on) return;
    machine.on = false;
    this.#offSince.set(node, this.clock.now());
    this.tasks.killAll(node);
    for (const guest of this.machines.all.filter((one) => one.node === node)) this.halt(guest.vmid);
    this.log(`${node} is off: ${why}`);
    this.nodeChanged(node);
  }

  powerOn(node: string): void {
    const machine = this.world.nodes.get(node);
    if (!machine || machine.on) return;
    machine.on = true;
    for (const pair of this.#believedUntil.keys()) if (pair.endsWith(` ${node}`)) this.#believedUntil.delete(pair);
    this.log(`${node} is on`);
    this.nodeChanged(node);
    for (const guest of this.world.guests.values()) {
      const starts =
        guest.node === node && guest.config.current['onboot'] === '1' && guest.config.current['template'] !== '1';
      if (!starts || this.isHaManaged(guest.vmid)) continue;
      this.tasks.start(node, 'qmstart', String(guest.vmid), 'root@pam', (worker) =>
        startGuest(this, node, guest.vmid, worker),
      );
    }
  }

  /** Told when a node's power or network changes. */
  nodeChanged: (node: string) => void = () => undefined;
}
