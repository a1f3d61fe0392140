import type { InstanceRole } from '../instance.ts';
import type { EpochMs } from '../time.ts';

/** What a node has, and what others than our leased guests take of it. */
export type NodeFacts = {
  readonly node: string;
  readonly online: boolean;
  readonly maintenance: boolean;
  /** Absent when the node's numbers were not told: unknown is never zero. */
  readonly cpus?: number;
  readonly memoryMiB?: number;
  /** Why an online node's numbers are not known. */
  readonly hidden?: string;
  /** Configured memory of running and paused guests that have no lease. */
  readonly othersMemoryMiB: number;
  readonly othersCores: number;
  /** What the host itself uses: kernel, storage caches, Proxmox. */
  readonly hostMemoryMiB: number;
};

export type GuestPlace = {
  readonly vmid: number;
  readonly node: string;
  /** By its marker; absent without one. */
  readonly role?: InstanceRole;
};

/**
 * The cluster as the bookkeeping needs it: small enough for history, whatever the number of guests. Made from a
 * hypervisor's view for the leases known when it was made.
 */
export type ClusterSnapshot = {
  readonly at: EpochMs;
  readonly quorate: boolean;
  readonly nodes: readonly NodeFacts[];
  /** Leased guests, and the primaries they stand by for. */
  readonly guests: readonly GuestPlace[];
  /** In our private ranges, though no lease covers them. */
  readonly strayVmids: readonly number[];
  readonly strayAddresses: readonly string[];
};
