import { createHash } from 'node:crypto';
import { startLoop } from '../background/loop.ts';
import type { ClusterSpec, Inventory } from '../domain/inventory.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import type { Pushed, PushLedger } from '../ports/push-ledger.ts';
import type { InventoryStore } from '../ports/registry.ts';
import { NotRunning } from './temporal-calls.ts';
import type { WorkflowCalls } from './temporal-calls.ts';

/** Pushes on their way at once: enough to be quick, too few to be a stampede. */
const mostAtOnce = 8;
/** After a failure the rest is tried again after this, doubled up to the longest pause. */
const firstPauseMs = 1_000;
const longestPauseMs = 15_000;
/** A notification may be lost; look this often in any case. */
const lookMs = 60_000;

export type Pending = { readonly what: Pushed['what']; readonly id: string; readonly why: string };

type Log = { info(facts: object, text: string): void; warn(facts: object, text: string): void };

export type PusherDeps = {
  readonly inventory: InventoryStore;
  readonly ledger: PushLedger;
  readonly calls: WorkflowCalls;
  readonly quorum?: number | undefined;
  readonly log: Log;
};

/** Brings every workflow to the current revision, and keeps trying until it is there. */
export type Pusher = {
  /** Looks now. Resolves once everything has been tried once; what could not be pushed stays pending. */
  push(): Promise<readonly Pending[]>;
  readonly pending: readonly Pending[];
  close(): Promise<void>;
};

type Job = { readonly what: Pushed['what']; readonly id: string; run(): Promise<void> };

export function startPusher(deps: PusherDeps): Pusher {
  const state: { pending: readonly Pending[]; pauseMs: number; again: boolean } = {
    pending: [],
    pauseMs: firstPauseMs,
    again: false,
  };

  const round = async (): Promise<void> => {
    state.again = true;
    const failed: Pending[] = [];
    // Clusters first: a hosted VM asks its cluster for leases as soon as it knows itself.
    for (const jobs of await jobsOf(deps)) failed.push(...(await runAll(jobs)));
    state.pending = failed;
    state.again = failed.length > 0;
    state.pauseMs = failed.length === 0 ? firstPauseMs : Math.min(longestPauseMs, state.pauseMs * 2);
    for (const { what, id, why } of failed) deps.log.warn({ what, id }, `not pushed yet: ${why}`);
  };
  const loop = startLoop({
    everyMs: () => (state.again ? state.pauseMs * (0.75 + Math.random() / 2) : lookMs),
    // Whoever starts this says when the first round is due.
    firstAfterMs: lookMs,
    holdsProcess: false,
    round,
    failed: (error) => deps.log.warn({}, `the inventory could not be looked at: ${sentence(error)}`),
  });

  return {
    /** Who asks during a round gets the next one, which sees what they have just written. */
    push: async () => {
      await loop.next();
      return state.pending;
    },
    get pending() {
      return state.pending;
    },
    close: () => loop.stop(),
  };
}

/** What differs between the current revision and what the workflows have taken; clusters, then hosted VMs. */
async function jobsOf({ inventory, ledger, calls, quorum }: PusherDeps): Promise<[Job[], Job[]]> {
  const current = await inventory.current();
  if (current === undefined) return [[], []];
  const { revision, by } = current;
  const taken = new Map((await ledger.all()).map((pushed) => [`${pushed.what} ${pushed.id}`, pushed]));
  const differs = (what: Pushed['what'], id: string, fingerprint: string): boolean =>
    taken.get(`${what} ${id}`)?.fingerprint !== fingerprint;

  const pushJob = (
    what: Pushed['what'],
    id: string,
    spec: ClusterSpec | HostedVmSpec,
    send: () => Promise<void>,
  ): Job[] => {
    const fingerprint = fingerprintOf(spec);
    if (!differs(what, id, fingerprint)) return [];
    return [
      {
        what,
        id,
        run: async () => {
          await send();
          await ledger.record({ what, id, fingerprint, revision });
        },
      },
    ];
  };
  const clusters = current.inventory.clusters.flatMap((spec) =>
    pushJob('cluster', spec.name, spec, () => calls.applyCluster(spec)),
  );
  const hostedVms = current.inventory.hostedVms.flatMap((spec) =>
    pushJob('hostedVm', spec.id, spec, () => calls.applySpec({ spec, revision, actor: by }, quorum)),
  );
  const removals = [...taken.values()]
    .filter(({ what, id }) => what === 'hostedVm' && !names(current.inventory).has(id))
    .map(({ id }) => ({ what: 'hostedVm' as const, id, run: () => retire(id, revision, by, { calls, ledger }) }));
  return [clusters, [...hostedVms, ...removals]];
}

/** Left out of the inventory: Umbra lets go. A refusal (it serves from a shadow now) is asked again until it is over. */
async function retire(
  id: string,
  revision: number,
  by: string,
  { calls, ledger }: Pick<PusherDeps, 'calls' | 'ledger'>,
): Promise<void> {
  try {
    // An update id can be answered once only, and this may have to be asked again after a refusal.
    const requestId = `removed-${id}-${revision}-${Math.floor(Date.now() / longestPauseMs)}`;
    const answer = await calls.command(id, 'retire', { requestId, actor: by, reason: 'no longer in the inventory' });
    if (answer.kind === 'refused') throw new Error(`retire was refused: ${answer.reason.text}`);
  } catch (error) {
    if (!(error instanceof NotRunning)) throw error;
  }
  await ledger.forget('hostedVm', id);
}

async function runAll(jobs: readonly Job[]): Promise<Pending[]> {
  const failed: Pending[] = [];
  const queue = [...jobs];
  const work = async (): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const { what, id } = job;
      await job.run().catch((error: unknown) => failed.push({ what, id, why: sentence(error) }));
    }
  };
  await Promise.all(Array.from({ length: mostAtOnce }, work));
  return failed;
}

function names(inventory: Inventory): Set<string> {
  return new Set(inventory.hostedVms.map(({ id }) => id));
}

function fingerprintOf(spec: object): string {
  return createHash('sha256').update(JSON.stringify(spec)).digest('hex').slice(0, 32);
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
