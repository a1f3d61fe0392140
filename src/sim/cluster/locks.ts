import type { Clock } from '../clock.ts';
import { failed } from '../api/refusal.ts';

type Held = { exclusive: boolean; count: number };
type Waiter = { readonly exclusive: boolean; readonly grant: () => void };

/** File locks of a cluster, shared or exclusive, with the waits and the words of the real ones. */
export class Locks {
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();
  readonly #waiting = new Map<string, Waiter[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A guest's configuration lock on its node. Most callers wait 10 s; a clone waits 1 s. */
  guest<Result>(
    node: string,
    vmid: number,
    waitMs: number,
    work: () => Promise<Result>,
    shared = false,
  ): Promise<Result> {
    const file = `/var/lock/qemu-server/lock-${vmid}.conf`;
    return this.hold(`${node}:${file}`, !shared, waitMs, `can't lock file '${file}' - got timeout`, work);
  }

  /** The lock under which a storage allocates. Local ones are files of the node, shared ones are cluster-wide. */
  storage<Result>(
    node: string,
    storage: string,
    sharedStorage: boolean,
    waitMs: number,
    work: () => Promise<Result>,
  ): Promise<Result> {
    if (sharedStorage) {
      return this.hold(
        `cfs:${storage}`,
        true,
        waitMs,
        `cfs-lock 'storage-${storage}' error: got lock request timeout`,
        work,
      );
    }
    const file = `/var/lock/pve-manager/pve-storage-${storage}`;
    return this.hold(`${node}:${file}`, true, waitMs, `can't lock file '${file}' - got timeout`, work);
  }

  async hold<Result>(
    name: string,
    exclusive: boolean,
    waitMs: number,
    timeout: string,
    work: () => Promise<Result>,
  ): Promise<Result> {
    await this.#take(name, exclusive, waitMs, timeout);
    try {
      return await work();
    } finally {
      this.#release(name);
    }
  }

  #free(name: string, exclusive: boolean): boolean {
    const held = this.#held.get(name);
    return held === undefined || (!exclusive && !held.exclusive);
  }

  async #take(name: string, exclusive: boolean, waitMs: number, timeout: string): Promise<void> {
    const queue = this.#waiting.get(name) ?? [];
    if (queue.length === 0 && this.#free(name, exclusive)) {
      this.#grant(name, exclusive);
      return;
    }
    this.#waiting.set(name, queue);
    const turn = new AbortController();
    let waiter: Waiter | undefined;
    const granted = new Promise<void>((resolve) => {
      waiter = {
        exclusive,
        grant: () => {
          turn.abort();
          resolve();
        },
      };
      queue.push(waiter);
    });
    await Promise.race([granted, this.#clock.sleep(waitMs, turn.signal)]);
    if (turn.signal.aborted) return;
    queue.splice(queue.indexOf(waiter!), 1);
    this.#serve(name);
    throw failed(timeout);
  }

  #grant(name: string, exclusive: boolean): void {
    const held = this.#held.get(name);
    if (held) held.count += 1;
    else this.#held.set(name, { exclusive, count: 1 });
  }

  #release(name: string): void {
    const held = this.#held.get(name);
    if (!held) return;
    held.count -= 1;
    if (held.count === 0) this.#held.delete(name);
    this.#serve(name);
  }

  #serve(name: string): void {
    const queue = this.#waiting.get(name) ?? [];
    while (queue.length > 0 && this.#free(name, queue[0]!.exclusive)) {
      const waiter = queue.shift()!;
      this.#grant(name, waiter.exclusive);
      waiter.grant();
    }
    if (queue.length === 0) this.#waiting.delete(name);
  }
}
