import { startLoop } from '../../background/loop.ts';
import type { Calls } from './calls.ts';
import { isFailure, ProxmoxError } from './errors.ts';

/*
 * One rule for every call that goes to a node: a node the quorate cluster calls off is not asked. Whoever is asked for it
 * anyway waits: 12 s the first time after it has lost power, 3 s later, while /cluster/status answers at once.
 */

/** That a node is on is believed for so long: a look at many guests asks once. */
const believedMs = 1_000;
/** A call that takes longer than this is watched: its node may have died since it was sent. */
const watchMs = 1_000;
/** Nobody waits longer than this for the members' word; without it the node itself is asked. */
const patienceMs = 3_000;

/** A row of `/cluster/status`. */
export type MemberRow = {
  readonly type: string;
  readonly name?: string | undefined;
  readonly quorate?: boolean | undefined;
  readonly online?: boolean | undefined;
};

/** The members of one cluster, asked at most once at a time and once a second. */
export class Members {
  readonly #read: () => Promise<readonly MemberRow[]>;
  #newest: { readonly at: number; readonly off: ReadonlySet<string> } | undefined;
  #asking: Promise<ReadonlySet<string>> | undefined;

  constructor(read: () => Promise<readonly MemberRow[]>) {
    this.#read = read;
  }

  /**
   * Does work on a node, unless it is off, and gives it up when the node is called off meanwhile.
   * @throws ProxmoxError offline; for a write that was sent before the node died whatever `work` says of a lost answer
   */
  async whileOn<T>(
    node: string,
    caller: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    // That it is on is believed for a moment; that it is off is asked each time, for it may be back.
    if (this.#believed()?.has(node) !== false && (await this.#ask()).has(node)) throw offline(node);
    const died = new AbortController();
    const watch = startLoop({
      everyMs: watchMs,
      firstAfterMs: watchMs,
      round: async () => {
        if ((await this.#ask()).has(node)) died.abort();
      },
      // Members that cannot be asked are no reason to give up what is under way.
      failed: () => undefined,
    });
    try {
      return await work(caller === undefined ? died.signal : AbortSignal.any([caller, died.signal]));
    } catch (error) {
      const lost = isFailure(error, 'transient') && caller?.aborted !== true;
      if (lost && (died.signal.aborted || (await this.#ask()).has(node))) throw offline(node, error);
      throw error;
    } finally {
      void watch.stop();
    }
  }

  #believed(): ReadonlySet<string> | undefined {
    const newest = this.#newest;
    return newest !== undefined && Date.now() - newest.at < believedMs ? newest.off : undefined;
  }

  /** The nodes that are off; nobody when the members cannot be asked in time, or have no quorum. */
  async #ask(): Promise<ReadonlySet<string>> {
    this.#asking ??= this.#answer().finally(() => {
      this.#asking = undefined;
    });
    return await this.#asking;
  }

  async #answer(): Promise<ReadonlySet<string>> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<readonly MemberRow[]>((resolve) => {
      timer = setTimeout(resolve, patienceMs, []);
    });
    const off = await Promise.race([this.#read().catch(() => []), late]).then(offIn);
    clearTimeout(timer);
    this.#newest = { at: Date.now(), off };
    return off;
  }
}

function offIn(rows: readonly MemberRow[]): ReadonlySet<string> {
  const quorate = rows.some((row) => row.type === 'cluster' && row.quorate === true);
  const off = rows.filter((row) => row.type === 'node' && row.online === false);
  return new Set(quorate ? off.map((row) => row.name ?? '') : []);
}

/** @throws ProxmoxError offline unless the members say at this moment that the node is on; as `clusterStatus` when they cannot be asked */
export async function requireOn(calls: Calls, node: string): Promise<void> {
  const row = (await calls.clusterStatus()).find(({ type, name }) => type === 'node' && name === node);
  if (row?.online === false) throw offline(node);
}

function offline(node: string, cause?: unknown): ProxmoxError {
  return new ProxmoxError(
    {
      operation: 'reach',
      target: `node ${node}`,
      failureClass: 'offline',
      message: `node ${node} is off or out of reach; the rest of its cluster says so`,
    },
    cause === undefined ? undefined : { cause },
  );
}

/** @throws ProxmoxError quorum: what this part of the cluster does not show may well exist */
export async function requireQuorum(calls: Calls, cluster: string): Promise<void> {
  const row = (await calls.clusterStatus()).find(({ type }) => type === 'cluster');
  // A single node that never joined a cluster has no such row, and decides alone.
  if (row?.quorate !== false) return;
  throw new ProxmoxError({
    operation: 'observe',
    target: 'cluster',
    failureClass: 'quorum',
    message: `the part of ${cluster} that answers has no quorum; nothing it does not show can be believed absent`,
  });
}
