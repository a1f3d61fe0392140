import { without } from '../without.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Task, Worker } from '../cluster/tasks.ts';
import type { Identity } from '../access/permissions.ts';
import type { Release } from '../world/world.ts';
import type { Parameters } from './parameters.ts';

/** Who may call. `{name}` in a path is filled from the parameters. */
export type Permission =
  | { readonly kind: 'anybody' }
  | { readonly kind: 'world' }
  | {
      readonly kind: 'privileges';
      readonly path: string;
      readonly all?: readonly string[];
      readonly any?: readonly string[];
      /** Counts as missing when this parameter is not given. */
      readonly requireParameter?: string;
    }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Permission[] }
  /** The user of the path in person, which no token is. */
  | { readonly kind: 'self' }
  /** On the realm of the user named. */
  | { readonly kind: 'realm'; readonly privilege: string }
  /** On all groups, or on one the user is in; a user who is made or moved needs it on each group of the call. */
  | { readonly kind: 'userGroups'; readonly any: readonly string[]; readonly groups?: 'create' | 'update' }
  /** Who may hand out rights on a path. */
  | { readonly kind: 'modify'; readonly path: string };

/** One row of the tables: what a method at a path takes and needs. */
export type Operation = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `/nodes/{node}/qemu/{vmid}/config` */
  readonly path: string;
  readonly parameters: Parameters;
  readonly permission: Permission | ((release: Release) => Permission);
  /** Done by the privileged daemon, so a stalled daemon stalls it. */
  readonly isProtected: boolean;
  /** Done on the node the path names. */
  readonly onNode: boolean;
  readonly tokenAllowed: boolean;
  /** The releases that have it; all when absent. */
  readonly only?: readonly Release[];
};

/** The checked parameters of a call, by the type the caller expects. */
export class Arguments {
  readonly #values: Readonly<Record<string, string | string[]>>;

  constructor(values: Readonly<Record<string, string | string[]>>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return Array.isArray(value) ? value.join(',') : value;
  }

  /** A parameter the tables require. */
  need(name: string): string {
    return this.text(name) ?? '';
  }

  number(name: string): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : Number(value);
  }

  flag(name: string): boolean {
    return this.text(name) === '1';
  }

  list(name: string): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value : (value ?? '').split(/[,;\s]+/).filter(Boolean);
  }

  /** The same arguments with others beside them, and without one. */
  with(more: Readonly<Record<string, string>>, less: string): Arguments {
    return new Arguments({ ...without(this.#values, less), ...more });
  }

  /** Everything but what the path says. */
  rest(): Record<string, string> {
    return Object.fromEntries(
      Object.keys(this.#values)
        .filter((name) => name !== 'node' && name !== 'vmid')
        .map((name) => [name, this.need(name)]),
    );
  }
}

export type Call = {
  readonly cluster: Cluster;
  readonly who: Identity;
  /** The node that carries it out. */
  readonly node: string;
  readonly args: Arguments;
};

/** What goes into `data`, when something goes beside it. */
export class Listing {
  readonly data: unknown;
  readonly total: number;

  constructor(data: unknown, total: number) {
    this.data = data;
    this.total = total;
  }
}

/** Returns what `data` holds; throws a Refusal otherwise. */
export type Handler = (call: Call) => unknown;

/** Forks a worker for the caller and answers its UPID. */
export function fork(call: Call, type: string, id: string, work: (worker: Worker) => Promise<void>): Task {
  const task = call.cluster.tasks.start(call.node, type, id, call.who.id, work);
  call.cluster.log(`${call.node} ${type} ${id} by ${call.who.id}`);
  return task;
}
