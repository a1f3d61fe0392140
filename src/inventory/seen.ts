import type { HealthCheck } from '../domain/policy.ts';
import type { EpochMs } from '../domain/time.ts';

/*
 * What first contact has seen of a cluster, its zones and the counts: plain values, so that what is proposed from them is a function.
 */

export type SeenGuest = {
  readonly vmid: number;
  readonly name: string;
  readonly node: string;
  readonly pool?: string;
  readonly template: boolean;
  readonly running: boolean;
  readonly cores: number;
  readonly memoryMiB: number;
  /** Fraction of its vCPUs just now, 0..1. */
  readonly cpu?: number;
  readonly managedByHa: boolean;
  /** The hosted VM that Umbra's marker in its description names. */
  readonly hostedVmId?: string;
  readonly addresses: readonly SeenAddress[];
};

export type SeenAddress = { readonly address: string; readonly from: 'cloud-init' | 'guest agent' };

/** One name with addresses, or another name for one (CNAME). */
export type SeenName = {
  readonly zone: string;
  readonly name: string;
  readonly a: readonly string[];
  readonly aaaa: readonly string[];
  readonly aliasOf?: string;
  /** The hosted VM whose claim stands beside it. */
  readonly owner?: string;
  readonly nameServer?: boolean;
};

export type ProposedCheck = Pick<HealthCheck, 'kind' | 'port' | 'path' | 'tls'>;

export type TriedCheck = {
  readonly address: string;
  readonly check: ProposedCheck;
  readonly answered: boolean;
  /** `200 on 10.0.0.11:80/`, `connection refused on 10.0.0.11:443`. */
  readonly detail: string;
};

/** What the collector has counted about names that a running Umbra knows. */
export type SeenDemand = {
  readonly hostedVmId: string;
  readonly names: readonly string[];
  /** Queries per second in the newest minutes; undefined when they are missing. */
  readonly nowQps?: number;
  readonly peakQps: number;
  /** How far back the peak was looked for. */
  readonly since: string;
};

export type Seen = {
  readonly at: EpochMs;
  readonly cluster: string;
  /** VMIDs and addresses that shadows get: nothing in them is a primary. */
  readonly vmids: { readonly from: number; readonly to: number };
  readonly addresses: { readonly from: string; readonly to: string };
  readonly nodes: readonly { readonly node: string; readonly online: boolean }[];
  /** Storages that hold disks of guests. */
  readonly storages: readonly { readonly storage: string; readonly shared: boolean }[];
  readonly guests: readonly SeenGuest[];
  readonly names: readonly SeenName[];
  readonly demand: readonly SeenDemand[];
  /** What the inventory at hand has already. */
  readonly known: readonly { readonly id: string; readonly vmid: number; readonly names: readonly string[] }[];
  /** What could not be read, each a sentence with what would let it be read. */
  readonly unread: readonly string[];
};
