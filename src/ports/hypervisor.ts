import type { Fence } from '../domain/fence.ts';
import type { IdentityPolicy } from '../domain/policy.ts';
import type { Tier } from '../domain/instance.ts';
import type { EpochMs } from '../domain/time.ts';

export type GuestRef = { readonly cluster: string; readonly vmid: number };

/** What our marker in the guest's description says. */
export type Marker = {
  readonly hostedVmId: string;
  readonly n: number;
  readonly role: 'primary' | 'shadow' | 'retired';
  /** The provisioning operation, so that a repeated request recognises its own clone. */
  readonly operation: string;
  readonly retiredAt?: EpochMs;
  /** A clone that is not its own yet: its address may still be its source's. It is never started. */
  readonly unconfigured?: true;
};

export type PowerState = 'running' | 'paused' | 'stopped' | 'suspended' | 'unknown';

/** One guest as the hypervisor shows it now. */
export type GuestView = {
  readonly ref: GuestRef;
  readonly node: string;
  readonly nodeOnline: boolean;
  readonly name: string;
  readonly power: PowerState;
  /** `clone`, `backup`...: a lock by somebody's operation; ownership is unknown meanwhile. */
  readonly lock?: string;
  readonly marker?: Marker;
  readonly template: boolean;
  readonly cores: number;
  readonly memoryMiB: number;
  /** Fraction of the guest's vCPUs, 0..1. */
  readonly cpu?: number;
  /** Fraction of its memory, 0..1. */
  readonly memoryUsed?: number;
  /** Of its process; a live migration starts it anew. */
  readonly uptimeSeconds?: number;
  /** Managed by Proxmox HA, and the state asked of it. */
  readonly ha?: string;
  /** The resource pool it is in, where the token may see it; told by `observeCluster` only. */
  readonly pool?: string;
  readonly storages: readonly string[];
  readonly tags: readonly string[];
  /** Static addresses by cloud-init, without the prefix. */
  readonly addresses: readonly string[];
};

/** Numbers that were not told are absent: unknown is never zero. */
export type NodeView = {
  readonly node: string;
  readonly online: boolean;
  readonly maintenance: boolean;
  readonly cpus?: number;
  readonly memoryMiB?: number;
  readonly memoryUsedMiB?: number;
  readonly cpu?: number;
  /** Why an online node's memory is not known, and what mends it. */
  readonly hidden?: string;
};

/** One storage on one node. */
export type StorageView = {
  readonly storage: string;
  readonly node: string;
  /** The same volumes are seen from every node. */
  readonly shared: boolean;
  readonly available: boolean;
  /** Holds disks of guests. */
  readonly images: boolean;
  readonly totalMiB?: number;
  readonly usedMiB?: number;
};

export type ClusterView = {
  readonly at: EpochMs;
  readonly quorate: boolean;
  readonly nodes: readonly NodeView[];
  readonly guests: readonly GuestView[];
  readonly storages?: readonly StorageView[];
};

/** Everything a shadow is made from. Complete before the first call, so that any step may be repeated. */
export type ShadowSpec = {
  readonly ref: GuestRef;
  readonly marker: Marker;
  readonly name: string;
  /** The guest, template or snapshot it is a copy of. */
  readonly source: GuestRef & { readonly snapshot?: string };
  readonly node: string;
  readonly full: boolean;
  readonly storage?: string;
  readonly pool?: string;
  readonly tier: Tier;
  readonly cores: number;
  readonly memoryMiB: number;
  /** `10.0.0.11/24,gw=10.0.0.1` as cloud-init's ipconfig0 without `ip=`. */
  readonly address: string;
  readonly address6?: string;
  /** `<instance id>:<HMAC>`, rides in the SMBIOS serial for heartbeats. */
  readonly heartbeatSerial?: string;
  readonly identity?: Partial<IdentityPolicy>;
  /** The disk is grown to this absolute size; never shrunk. */
  readonly disk?: { readonly drive: string; readonly sizeGiB: number };
};

/** What the guest agent says. `frozen`: its file systems are held for a backup; it is not hung. */
export type AgentView =
  | { readonly kind: 'ready'; readonly frozen: boolean; readonly addresses: readonly string[] }
  | { readonly kind: 'silent'; readonly why: string };

/** Shares of time in which some task of a guest waited for CPU, memory or I/O (pressure stall), 0..1. */
export type GuestPressure = { readonly cpu: number; readonly memory: number; readonly io: number };

/** A difference between primary and shadow that matters to whoever relies on `identical`. */
export type ConfigDrift = {
  readonly key: string;
  readonly primary: string;
  readonly shadow: string;
  /** `tier`: its size, as it was ordered. `drift`: nobody asked for it. */
  readonly kind: 'tier' | 'drift';
  /** Whose value is no longer that of what the shadow was made from; absent where that cannot be told. */
  readonly changed?: 'primary' | 'shadow';
};

/** VMIDs outside the pool: each needs rights of its own. */
export type GuestsInUse = {
  readonly primaries: readonly number[];
  /** Templates, and other guests that shadows are copied from. */
  readonly templates: readonly number[];
};

/** A volume that belongs to no guest any more. Only an administrator can free it: `pvesm free <volume>` on the node. */
export type LeftOver = { readonly vmid: number; readonly volume: string; readonly node: string };

export type RightsFinding = {
  readonly privilege: string;
  readonly path: string;
  readonly granted: boolean;
  /** The `pveum` command that grants it. */
  readonly mend: string;
};

/**
 * One cluster. Every `ensure` may run twice and looks before it acts; an ambiguous answer is reconciled inside.
 * They may take minutes, each call inside with a deadline of its own. All reject with ProviderError.
 */
export interface Hypervisor {
  observeCluster(signal?: AbortSignal): Promise<ClusterView>;
  /**
   * Found wherever it is in the cluster; undefined only when the cluster is quorate and truly has no such VMID.
   * `permission` when somebody has it whom we may not see.
   */
  observeGuest(ref: GuestRef, signal?: AbortSignal): Promise<GuestView | undefined>;
  /**
   * Clone, configure, mark, measure. Adopts its own earlier clone by marker; `exists` when somebody else has the VMID,
   * `permanent` when the clone differs from its source in what nobody asked for.
   */
  ensureShadow(spec: ShadowSpec, signal?: AbortSignal): Promise<GuestView>;
  /** Brings a guest to a power state: start, resume, suspend, shutdown. Idempotent; HA-aware. */
  ensurePower(ref: GuestRef, wanted: PowerState, signal?: AbortSignal): Promise<GuestView>;
  /**
   * Makes certain the guest cannot serve: stop, verified; or proof that its node is dead. HA state `ignored` first. What
   * a lock keeps from being stopped is isolated where that is possible; after a minute it is said who holds it.
   */
  ensureFenced(ref: GuestRef, signal?: AbortSignal): Promise<Fence>;
  /** Writes marker, tags and `protection` (on for the serving instance). Also adopts an existing primary. */
  ensureMarked(
    ref: GuestRef,
    marker: Marker,
    options: { readonly protected: boolean },
    signal?: AbortSignal,
  ): Promise<GuestView>;
  /**
   * Deletes only a guest whose marker says retired and names this hosted VM, and that is stopped. Done when the guest is
   * gone; gone already is success.
   */
  ensureDeleted(ref: GuestRef, marker: Marker, signal?: AbortSignal): Promise<void>;
  /**
   * Cuts a linked clone loose from its template, so that the template may be replaced: each disk is copied, running or
   * not. Nothing to do for a full clone. `capacity` when no storage can take the copy.
   */
  ensureFlat?(ref: GuestRef, signal?: AbortSignal): Promise<GuestView>;
  /** Volumes in our range of VMIDs that no guest has, where they can be seen now: a storage whose node is off is not asked. */
  observeLeftOvers?(signal?: AbortSignal): Promise<LeftOver[]>;
  /** @param source what the shadow was made from, when that is not the primary: then it can be told which side changed */
  configDrift(
    primary: GuestRef,
    shadow: GuestRef,
    signal?: AbortSignal,
    source?: ShadowSpec['source'],
  ): Promise<ConfigDrift[]>;
  /** All that is needed, granted or not. */
  checkRights(signal?: AbortSignal, guests?: GuestsInUse): Promise<RightsFinding[]>;
  /** Whether a fence by firewall would hold; undefined where the inventory does not want one. */
  observeFirewall?(signal?: AbortSignal): Promise<boolean | undefined>;
  /** One call for one guest. Undefined where Proxmox does not tell it: before version 9, or while the guest is stopped. */
  observePressure?(ref: GuestRef, signal?: AbortSignal): Promise<GuestPressure | undefined>;
  observeAgent?(ref: GuestRef, signal?: AbortSignal): Promise<AgentView>;
  /** Ends the connections. */
  close?(): Promise<void>;
}
