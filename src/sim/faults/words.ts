import type { Cluster } from '../cluster/cluster.ts';
import type { Faults } from './api-faults.ts';

export type Scene = { readonly cluster: Cluster; readonly faults: Faults };
export type Verb = {
  /** `node <node> off` */
  readonly form: string;
  readonly help: string;
  /** The third words that mean this one, where several begin alike. */
  readonly words?: readonly string[];
  readonly run: (scene: Scene, words: readonly string[]) => string;
};

/** A command that makes no sense: what was tried, on what, and what would make sense. */
export class BadCommand extends Error {}

export function nodeNamed({ cluster }: Scene, name: string | undefined): string {
  if (name !== undefined && cluster.world.nodes.has(name)) return name;
  throw new BadCommand(
    `there is no node ${name ?? '(missing)'}; nodes are ${[...cluster.world.nodes.keys()].join(', ')}`,
  );
}

export function guestNumbered({ cluster }: Scene, vmid: string | undefined): number {
  const id = Number(vmid);
  if (cluster.world.guests.has(id)) return id;
  const known = [...cluster.world.guests.keys()].sort((a, b) => a - b).join(', ');
  throw new BadCommand(`there is no VM ${vmid ?? '(missing)'}; VMs are ${known}`);
}

export function storageNamed({ cluster }: Scene, name: string | undefined): string {
  if (name !== undefined && cluster.world.storages.has(name)) return name;
  throw new BadCommand(
    `there is no storage ${name ?? '(missing)'}; storages are ${[...cluster.world.storages.keys()].join(', ')}`,
  );
}

export const oneOf = <Word extends string>(word: string | undefined, ...words: readonly Word[]): Word => {
  const found = words.find((other) => other === word);
  if (found !== undefined) return found;
  throw new BadCommand(`${word ?? '(missing)'} is not one of ${words.join(', ')}`);
};
