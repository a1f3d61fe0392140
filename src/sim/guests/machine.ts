import type { Options } from '../world/guest-config.ts';
import type { Clock } from '../clock.ts';

/** What can be wrong with a guest while QEMU runs happily. */
type Trouble = 'none' | 'hang' | 'drop' | 'overload' | 'lose-disk';

/** Requests a guest answers, and how many it could. */
export type Load = { readonly qps: number; readonly capacityQps: number };

/** A QEMU process: what it was started with, and how its guest is doing. */
export type Machine = {
  readonly vmid: number;
  readonly pid: number;
  readonly node: string;
  /** The configuration QEMU was started with; later changes may wait until the next start. */
  readonly options: Options;
  readonly startedAt: number;
  /** When the guest's services and its agent answer. */
  bootedAt: number;
  /** `prelaunch` is a process whose processor has never run: a backup of a guest that is off has one. */
  qmp: 'running' | 'paused' | 'prelaunch' | 'io-error' | 'internal-error';
  trouble: Trouble;
  /** Cards whose cable QEMU was told to pull, whatever the configuration says. */
  readonly linksDown: Set<string>;
  /** The agent holds the file systems still: nothing is written, and it answers only about that. */
  frozen: boolean;
};

/** Above this share of its capacity a guest gets slow: queueing, not work, makes the time. */
const saturation = 0.85;

/** Every running guest of the cluster. */
export class Machines {
  readonly #clock: Clock;
  readonly #machines = new Map<number, Machine>();
  readonly #loads = new Map<number, Load>();
  readonly #listeners = new Set<(vmid: number) => void>();
  #pid = 4200;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Told after every start, stop, pause, trouble. */
  onChange(listener: (vmid: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get(vmid: number): Machine | undefined {
    return this.#machines.get(vmid);
  }

  get all(): Machine[] {
    return [...this.#machines.values()];
  }

  start(vmid: number, node: string, options: Options, bootMs: number): Machine {
    const now = this.#clock.now();
    this.#pid += 7;
    const machine: Machine = {
      vmid,
      pid: this.#pid,
      node,
      options: { ...options },
      startedAt: now,
      bootedAt: now + bootMs,
      qmp: 'running',
      trouble: 'none',
      linksDown: new Set(),
      frozen: false,
    };
    this.#machines.set(vmid, machine);
    this.changed(vmid);
    return machine;
  }

  /** The process is gone, whatever the reason. */
  stop(vmid: number): void {
    if (this.#machines.delete(vmid)) this.changed(vmid);
  }

  /** The guest runs on elsewhere without noticing: live migration. */
  moveTo(vmid: number, node: string): void {
    const machine = this.#machines.get(vmid);
    if (machine) this.#machines.set(vmid, { ...machine, node });
    this.changed(vmid);
  }

  /** The running guest now has these options: they were plugged while it ran. */
  plug(vmid: number, options: Options): void {
    const machine = this.#machines.get(vmid);
    if (machine) this.#machines.set(vmid, { ...machine, options: { ...options } });
  }

  changed(vmid: number): void {
    for (const listener of this.#listeners) listener(vmid);
  }

  setLoad(vmid: number, load: Load): void {
    this.#loads.set(vmid, load);
  }

  loadOf(vmid: number): Load {
    return this.#loads.get(vmid) ?? { qps: 0, capacityQps: 100 };
  }

  /** Share of its capacity that is asked for; more than 1 when it cannot keep up. */
  demandOf(machine: Machine): number {
    if (machine.trouble === 'overload') return 1.2;
    const { qps, capacityQps } = this.loadOf(machine.vmid);
    return capacityQps > 0 ? qps / capacityQps : 0;
  }

  /** Fraction of its vCPUs in use, 0..1: an idle system takes a little, a hung one nothing, a booting one a lot. */
  cpuOf(machine: Machine): number {
    if (machine.qmp !== 'running') return 0;
    if (machine.trouble === 'hang') return 0.001;
    if (this.#clock.now() < machine.bootedAt) return 0.6;
    return Math.min(1, 0.02 + 0.98 * this.demandOf(machine));
  }

  /** How long an answer takes. Above 85 % it rises as a queue does, and beyond 100 % it is seconds. */
  latencyMsOf(machine: Machine): number {
    const demand = this.demandOf(machine);
    const base = 4;
    if (demand <= saturation) return base;
    if (demand < 1) return base + (40 * (demand - saturation)) / (1 - demand + 0.01);
    return Math.min(10_000, 1000 + 6000 * (demand - 1));
  }

  isBooted(machine: Machine): boolean {
    return this.#clock.now() >= machine.bootedAt;
  }
}
