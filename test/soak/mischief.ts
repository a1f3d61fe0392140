import type { Lab } from '../integration/proxmox/lab.ts';
import type { Dice } from './random.ts';

const nodes = ['pve1', 'pve2', 'pve3'] as const;
const writes = [
  'POST /clone',
  'PUT /config',
  'POST /status/start',
  'POST /status/stop',
  'POST /status/suspend',
  'POST /status/shutdown',
  'DELETE /qemu/',
  'PUT /pools',
] as const;
const tasks = ['qmclone', 'qmstart', 'qmstop', 'qmdestroy', 'qmpause'] as const;

type Prank = { readonly do: string; readonly undo?: string };

/** One thing that goes wrong. Nothing here leaves behind what only a human at a node's shell could mend. */
function prank(dice: Dice): Prank {
  const node = dice.pick(nodes);
  switch (dice.pick(['write', 'write', 'write', 'any', 'stall', 'lock', 'storage', 'quorum', 'task', 'agent'])) {
    case 'write':
      return {
        do: `api ${node} ${dice.pick(['reset-before', 'reset-after', '596', 'truncate'])} 1 ${dice.pick(writes)}`,
      };
    case 'any':
      return { do: `api ${node} ${dice.pick(['reset-before', 'reset-after', '500', 'truncate'])} 1` };
    case 'stall':
      return { do: `api ${node} stall`, undo: `api ${node} ok` };
    case 'lock':
      return { do: 'vm 9000 lock backup', undo: 'vm 9000 unlock' };
    case 'storage':
      return { do: 'storage tank full', undo: 'storage tank on' };
    case 'quorum':
      return { do: 'cluster quorum off', undo: 'cluster quorum on' };
    case 'agent':
      return { do: 'agent off', undo: 'agent on' };
    default:
      return { do: `task fail next ${dice.pick(tasks)} simulated failure` };
  }
}

/** Plays so many pranks on a cluster, or until it is told to stop; then everything is as it should be again. */
export class Mischief {
  readonly #lab: Lab;
  readonly #dice: Dice;
  readonly #ended: Promise<void>;
  #going = true;
  /** Everything that was done, for whoever has to find out what went wrong. */
  readonly played: string[] = [];

  constructor(lab: Lab, dice: Dice, pranks: number) {
    this.#lab = lab;
    this.#dice = dice;
    this.#ended = this.#play(pranks);
  }

  async stop(): Promise<void> {
    this.#going = false;
    await this.#ended;
  }

  async #play(pranks: number): Promise<void> {
    while (this.#going && this.played.length < pranks) {
      const next = prank(this.#dice);
      this.played.push(next.do);
      await this.#lab.sim.fault(next.do);
      await pause(this.#dice.between(100, 700));
      if (next.undo === undefined) continue;
      await pause(this.#dice.between(0, 500));
      await this.#lab.sim.fault(next.undo);
    }
    await this.#mend();
  }

  async #mend(): Promise<void> {
    for (const node of nodes) await this.#lab.sim.fault(`api ${node} ok`);
    for (const line of ['vm 9000 unlock', 'storage tank on', 'cluster quorum on', 'agent on']) {
      await this.#lab.sim.fault(line);
    }
  }
}

export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
