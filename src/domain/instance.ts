import type { EpochMs } from './time.ts';

/** `shop/0` is the adopted original of hosted VM `shop`; `shop/1`, `shop/2`... are its shadows, numbered for ever. */
export type InstanceId = string;

/** Capacity class relative to the hosted VM's declared capacity: 0.5, 1, 2... Never relative to the current primary. */
export type Tier = number;

/** How ready a shadow is kept. `hot` runs; `paused` holds its RAM with its CPUs stopped; `stopped` holds disk only. */
export type Warmth = 'hot' | 'paused' | 'stopped';

export type ProvisionStep = 'leasing' | 'cloning' | 'configuring' | 'starting' | 'checking';

export type InstanceRole = 'primary' | 'shadow' | 'retired';

export type FailureReason = { readonly code: string; readonly text: string };

/** The life of one Proxmox guest as Umbra sees it. */
export type InstanceState =
  | { readonly kind: 'provisioning'; readonly since: EpochMs; readonly step: ProvisionStep }
  | { readonly kind: 'warm'; readonly since: EpochMs; readonly warmth: Warmth }
  | { readonly kind: 'serving'; readonly since: EpochMs }
  | { readonly kind: 'fenced'; readonly since: EpochMs; readonly proof: string }
  /** `served`: something depended on it, so that its successor must be well before it is deleted, however short its disk is kept. */
  | { readonly kind: 'retired'; readonly since: EpochMs; readonly deleteAt: EpochMs; readonly served?: true }
  | { readonly kind: 'deleted'; readonly since: EpochMs }
  | { readonly kind: 'failed'; readonly since: EpochMs; readonly why: FailureReason };

/** One Proxmox guest: where it is, what it carries, what it is to us. */
export type Instance = {
  readonly id: InstanceId;
  /** The number in the id; 0 is the adopted original. */
  readonly n: number;
  readonly role: InstanceRole;
  readonly tier: Tier;
  readonly capacityQps: number;
  readonly cluster: string;
  /** Undefined until the cluster has granted a lease. */
  readonly node?: string;
  readonly vmid?: number;
  /** IPv4 in dotted form, as published in DNS. */
  readonly address?: string;
  /** IPv6, published beside `address` where the address pool has one. */
  readonly address6?: string;
  /** True when Umbra made the guest or has adopted it; otherwise it may be stopped but never deleted. */
  readonly owned: boolean;
  readonly state: InstanceState;
};

/** Why of a shadow that stood ready and does not any more: it may come back. */
export const lostCode = 'shadow-lost';

export function isLost({ role, state }: Instance): boolean {
  return role === 'shadow' && state.kind === 'failed' && state.why.code === lostCode;
}

export function instanceId(hostedVmId: string, n: number): InstanceId {
  return `${hostedVmId}/${n}`;
}

export function parseInstanceId(id: InstanceId): { hostedVmId: string; n: number } {
  const slash = id.lastIndexOf('/');
  return { hostedVmId: id.slice(0, slash), n: Number(id.slice(slash + 1)) };
}

/** Workflow id of the `shadowVm` that owns this guest. */
export function shadowVmWorkflowId(id: InstanceId): string {
  return `shadow-vm/${id}`;
}
