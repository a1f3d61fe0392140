import type { LeaseRequest } from '../cluster-messages.ts';
import type { InstanceId, InstanceRole, Tier, Warmth } from '../instance.ts';
import type { Reason } from '../reason.ts';
import type { EpochMs } from '../time.ts';

/** A VMID, an address and a place for one instance. Exactly one instance has it; nobody else may use it meanwhile. */
export type Lease = {
  readonly requestId: string;
  readonly replyTo: string;
  readonly instance: InstanceId;
  readonly hostedVmId: string;
  readonly role: InstanceRole;
  readonly tier: Tier;
  readonly warmth: Warmth;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly vmid: number;
  readonly address: string;
  readonly node: string;
  readonly storage?: string;
  readonly full: boolean;
  readonly source?: { readonly vmid: number; readonly snapshot?: string };
  readonly relaxed?: Reason;
  /** The instance it stands by for: the N-1 question asks who takes over when this one's node is gone. */
  readonly primaryVmid?: number;
  readonly grantedAt: EpochMs;
  /** Null once the guest exists. A lease that is never confirmed ends here. */
  readonly expiresAt: EpochMs | null;
};

/** Numbers that were somebody's a moment ago: packets, caches and late API calls still mean the former owner. */
export type Quarantined = {
  readonly instance: InstanceId;
  readonly vmid: number;
  readonly address: string;
  readonly until: EpochMs;
  /** The whole lease when it only expired: a confirmation that comes late brings it back. */
  readonly expired?: Lease;
};

export type Claim = { readonly memoryMiB: number; readonly cores: number };

/**
 * What a guest takes from its node: everything while it runs, its memory while it is paused, nothing while it is
 * stopped or retired. The instance of record always counts as running.
 */
export function claimOf(lease: Pick<Lease, 'role' | 'warmth' | 'cores' | 'memoryMiB'>): Claim {
  if (lease.role === 'retired') return { memoryMiB: 0, cores: 0 };
  if (lease.role === 'primary') return { memoryMiB: lease.memoryMiB, cores: lease.cores };
  return claimFor(lease.warmth, lease);
}

export function claimFor(warmth: Warmth, size: Claim): Claim {
  switch (warmth) {
    case 'hot':
      return { memoryMiB: size.memoryMiB, cores: size.cores };
    case 'paused':
      return { memoryMiB: size.memoryMiB, cores: 0 };
    case 'stopped':
      return { memoryMiB: 0, cores: 0 };
  }
}

/**
 * A request as the lease it would become: the budget asks about sets of leases, the headroom about sets on nodes.
 * @param node where it would lie; empty while no place has been chosen
 */
export function provisionalLease(request: LeaseRequest, node = ''): Lease {
  const primaryVmid = request.awayFrom.find((one) => one.strict)?.vmid;
  return {
    requestId: request.requestId,
    replyTo: request.replyTo,
    instance: request.instance,
    hostedVmId: request.hostedVmId,
    role: 'shadow',
    tier: request.tier,
    warmth: request.warmth,
    cores: request.cores,
    memoryMiB: request.memoryMiB,
    vmid: 0,
    address: '',
    node,
    full: false,
    ...(primaryVmid === undefined ? {} : { primaryVmid }),
    grantedAt: 0,
    expiresAt: null,
  };
}
