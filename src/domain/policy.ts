import type { Tier, Warmth } from './instance.ts';
import type { Quantile } from './quantile.ts';
import type { StorageClass } from './storage-class.ts';

/** `observe` records what it would have done, `approve` asks first, `act` acts. */
export type PolicyMode = 'observe' | 'approve' | 'act';

export type Policy = {
  readonly mode: PolicyMode;
  /** 0..1. At or above: a shadow is wanted. */
  readonly riskThreshold: number;
  /** A shadow is wanted when this quantile of predicted demand passes this share of capacity. */
  readonly volumeThreshold: { readonly share: number; readonly quantile: Quantile };
  /** Sorted ascending. */
  readonly tiers: readonly Tier[];
  readonly warmth: Warmth;
  readonly minShadows: number;
  readonly maxShadows: number;
  readonly probationMs: number;
  readonly keepDiskMs: number;
  /** A shadow is kept at least this long once warm, so that plans do not flap. */
  readonly minDwellMs: number;
  /** No second automatic failover of the same hosted VM within this time. */
  readonly blockMs: number;
};

export type HealthCheck = {
  readonly kind: 'http' | 'tcp';
  readonly port: number;
  /** HTTP only. */
  readonly path?: string;
  /** HTTP only; the hosted VM's first name by default. */
  readonly host?: string;
  readonly tls?: boolean;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Consecutive failures before the instance counts as failed at one vantage point. */
  readonly failures: number;
  /** Answers slower than this count as overload; undefined: twice the timeout's half, see planning. */
  readonly slowMs?: number;
};

/** A planned change of demand: a sale, a maintenance window. Factors of overlapping events multiply. */
export type PlannedEvent = {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly factor: number;
};

/**
 * What of its source's identity a shadow has, field by field. The address is always its own. New machine-id and host
 * keys come from cloud-init, which sees a new instance because name and address differ; the template's machine-id must
 * be empty. Keeping them needs vendor data for cloud-init, with `ssh_deletekeys: false`, on a storage of the cluster.
 */
export type IdentityPolicy = {
  readonly hostname: 'own' | 'same';
  /** `same` only for a source that never runs again beside the shadow. */
  readonly mac: 'new' | 'same';
  readonly machineId: 'new' | 'same';
  readonly sshHostKeys: 'new' | 'same';
  /** `local:snippets/umbra-vendor.yaml`: cloud-init vendor data that carries out what is `same`. */
  readonly vendorSnippet?: string;
};

/** What the inventory says of one hosted VM, after validation and defaults. Plain JSON: it is carried in history. */
export type HostedVmSpec = {
  readonly id: string;
  /** Absolute names without the final dot, lower case; a first label `*` is a wildcard. All in one zone. */
  readonly names: readonly string[];
  readonly zone: string;
  readonly ttlSeconds: number;
  readonly primary: { readonly cluster: string; readonly vmid: number; readonly address?: string };
  /** What shadows are cloned from: a template or a snapshot. The primary itself when absent. */
  readonly source?: { readonly vmid: number; readonly snapshot?: string };
  /** What shadows keep of their source's identity; what is not named is their own. */
  readonly identity?: Partial<IdentityPolicy>;
  /** Port of the vantage points' probes is in `checks`; memory and cores of a 1x shadow default to the primary's. */
  readonly resources?: { readonly cores: number; readonly memoryMiB: number };
  /** Queries per second at which one 1x instance saturates. */
  readonly capacityQps: number;
  readonly storageClass: StorageClass;
  readonly checks: readonly HealthCheck[];
  readonly policy: Policy;
  readonly events: readonly PlannedEvent[];
  /** IANA zone name for weekends and holidays. */
  readonly timeZone: string;
};
