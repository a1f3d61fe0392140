import type { World } from '../../../src/sim/world/world.ts';

export type Condition = 'ok' | 'crashed' | 'hung';

export type Machine = {
  readonly vmid: number;
  readonly node: string;
  readonly address: string;
  readonly capacityQps: number;
  power: 'running' | 'paused' | 'stopped';
  condition: Condition;
};

/** Nodes with or without power, the guests on them, and the name server: all that can break. */
export class Machines {
  readonly nodes = new Map<string, { on: boolean; since: number }>();
  readonly guests = new Map<number, Machine>();
  dnsAway = false;
  #nextVmid = 9001;

  constructor(world: World, now: number) {
    for (const { name, on } of world.nodes.values()) this.nodes.set(name, { on, since: now });
  }

  /** The first node with power that is none of these; the first with power when all are. */
  create(n: number, capacityQps: number, awayFrom: readonly string[]): Machine {
    const alive = [...this.nodes].filter(([, { on }]) => on).map(([name]) => name);
    const node = alive.find((name) => !awayFrom.includes(name)) ?? alive[0] ?? 'nowhere';
    const vmid = this.#nextVmid;
    this.#nextVmid += 1;
    const address = `10.0.1.${n}`;
    const made: Machine = { vmid, node, address, capacityQps, power: 'running', condition: 'ok' };
    this.guests.set(vmid, made);
    return made;
  }

  reachable({ node }: Machine): boolean {
    return this.nodes.get(node)?.on === true;
  }

  answers(machine: Machine): boolean {
    return this.reachable(machine) && machine.power === 'running' && machine.condition === 'ok';
  }

  setNode(name: string, on: boolean, now: number): void {
    if (!this.nodes.has(name)) throw new Error(`the world has no node ${name}`);
    this.nodes.set(name, { on, since: now });
    for (const guest of this.guests.values()) {
      if (guest.node !== name) continue;
      // Guests with onboot come back with their node.
      if (on && guest.power === 'running') guest.condition = 'ok';
    }
  }

  of(vmid: number): Machine {
    const found = this.guests.get(vmid);
    if (found === undefined) throw new Error(`the world has no guest ${vmid}`);
    return found;
  }
}
