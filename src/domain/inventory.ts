import type { HostedVmSpec } from './policy.ts';

/** A Proxmox VE cluster and the private ranges Umbra allocates from. Files are named, never their contents. */
export type ClusterSpec = {
  readonly name: string;
  readonly provider: 'proxmox';
  /** `https://pve1.example:8006`; several for redundancy. */
  readonly endpoints: readonly string[];
  /** File holding `user@realm!name=secret`. */
  readonly tokenFile: string;
  /** SHA-256 of the certificate, `AA:BB:...`; or a CA file; or neither for a publicly trusted certificate. */
  readonly fingerprint?: string;
  readonly caFile?: string;
  /** Both ends included; nobody else may allocate here. */
  readonly vmids: { readonly from: number; readonly to: number };
  /** Static addresses for shadows, both ends included. */
  readonly addresses: {
    readonly from: string;
    readonly to: string;
    readonly prefix: number;
    readonly gateway?: string;
  };
  readonly pool?: string;
  readonly storage?: string;
  readonly budget: {
    readonly maxShadows: number;
    readonly maxMemoryMiB: number;
    /** Memory held over time: at most so many GiB-hours in each window, counted from midnight UTC for whole days. */
    readonly memoryTime?: { readonly maxGiBHours: number; readonly windowMs: number };
  };
  /** Shadows get a firewall that drops everything, switched on as the last rung of a fence. */
  readonly fenceFirewall?: boolean;
  /** Clones running at once on one storage. */
  readonly clonesPerStorage: number;
  /** A freed VMID or address is not given out again for this long. */
  readonly quarantineMs: number;
  /** Failovers allowed per window; explained node deaths do not count. */
  readonly failovers: { readonly limit: number; readonly windowMs: number };
};

export type ZoneSpec = {
  readonly zone: string;
  readonly provider: 'rfc2136';
  /** `host:port`; the first takes updates, all are read back. */
  readonly servers: readonly string[];
  /** File in `tsig-keygen` form or `algorithm:name:secret`. */
  readonly tsigKeyFile: string;
  readonly ttlSeconds: number;
};

/** One numbered revision of what the operator applied, validated and with all defaults filled in. */
export type Inventory = {
  readonly clusters: readonly ClusterSpec[];
  readonly zones: readonly ZoneSpec[];
  readonly hostedVms: readonly HostedVmSpec[];
};

export type InventoryChange =
  | { readonly kind: 'add' | 'remove'; readonly what: 'cluster' | 'zone' | 'hostedVm'; readonly id: string }
  | {
      readonly kind: 'change';
      readonly what: 'cluster' | 'zone' | 'hostedVm';
      readonly id: string;
      readonly fields: readonly string[];
    };
