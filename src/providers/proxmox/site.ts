import type { ClusterSpec } from '../../domain/inventory.ts';
import type { GuestView } from '../../ports/hypervisor.ts';
import type { Calls } from './calls.ts';
import type { ProxmoxLog } from './log.ts';
import type { Lack } from './rights.ts';
import type { Waiting } from './waiting.ts';
import { waiting } from './waiting.ts';

/** Waits of the provider; shorter in tests. */
export type Timing = {
  /** After an ambiguous write nothing is re-sent for so long: the call may still be carried out (Proxmox gives up at 30 s). */
  readonly settleMs: number;
  /** Between two looks at something that changes by itself. */
  readonly lookMs: number;
  /** Locks of others (backup, storage) are waited for so long before the caller hears of them. */
  readonly lockedMs: number;
  /** A power change, without the graceful shutdown's own timeout. */
  readonly powerMs: number;
  /** HA carries out a request in rounds of 10 s and may wait for a lock first. */
  readonly haMs: number;
  readonly shutdownSeconds: number;
  /** A fence that is refused is tried again for so long; then it is said what stands in its way. */
  readonly fenceMs: number;
  /** pve-firewall reads every ten seconds what was written; until then it holds nothing back. */
  readonly firewallMs: number;
  /** A look at the whole cluster, in all: what has not been read by then is shown as the cluster's list has it. */
  readonly observationMs: number;
};

export const defaultTiming: Timing = {
  settleMs: 36_000,
  lookMs: 1_500,
  lockedMs: 15 * 60_000,
  powerMs: 120_000,
  haMs: 180_000,
  shutdownSeconds: 60,
  fenceMs: 60_000,
  firewallMs: 12_000,
  observationMs: 5_000,
};

/** One cluster as the provider knows it; shared by all calls. */
export type Site = {
  readonly spec: Pick<ClusterSpec, 'name' | 'vmids' | 'pool' | 'storage' | 'fenceFirewall'>;
  readonly calls: Calls;
  readonly log: ProxmoxLog;
  readonly timing: Timing;
  /** The commands that grant a right; undefined for one that Umbra does not ask for. */
  readonly mendOf: (lack: Lack) => Promise<string | undefined>;
  /** Where a guest was seen last: asked first, never trusted. */
  readonly lastNode: Map<number, string>;
  /** What a guest looked like when its node still answered. */
  readonly lastView: Map<number, GuestView>;
  /** Clones into these VMIDs that may still be carried out late, and since when that is in doubt. */
  readonly doubts: Map<number, number>;
  /** Tags that the datacenter keeps to itself: said once. */
  readonly refusedTags: Set<string>;
};

/** One operation on a site: its calls and its waits can be given up. */
export type Work = Site & { readonly waiting: Waiting };

/** Whether a clone into this VMID, whose answer was lost, may still come: then its absence proves nothing yet. */
export function mayStillCome(work: Work, vmid: number): boolean {
  const since = work.doubts.get(vmid);
  if (since === undefined) return false;
  if (work.waiting.now() - since < work.timing.settleMs) return true;
  work.doubts.delete(vmid);
  return false;
}

export function work(site: Site, signal: AbortSignal | undefined, options: { readonly urgent?: boolean } = {}): Work {
  const calls = site.calls.with({
    ...(signal === undefined ? {} : { signal }),
    ...(options.urgent === true ? { urgent: true } : {}),
  });
  return { ...site, calls, waiting: waiting(signal) };
}
