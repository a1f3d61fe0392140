import type {
  CloneDone,
  CloneRequest,
  FailoverNews,
  LeaseNews,
  LeaseRequest,
  TokenRequest,
  AdoptedLease,
} from '../cluster-messages.ts';
import type { ClusterSpec } from '../inventory.ts';
import type { Reason } from '../reason.ts';
import type { EpochMs } from '../time.ts';
import type { Breaker, Unexplained } from './breaker.ts';
import { closedBreaker } from './breaker.ts';
import type { MemoryTime } from './budget.ts';
import type { CloneQueue } from './clone-queue.ts';
import { emptyCloneQueue } from './clone-queue.ts';
import type { FailoverTokens } from './failover-tokens.ts';
import { noTokens } from './failover-tokens.ts';
import type { Lease, Quarantined } from './lease.ts';
import type { ClusterSnapshot } from './snapshot.ts';

/** Everything the workflow of one cluster knows, carried over continue-as-new. Plain JSON. */
export type ClusterState = {
  readonly schemaVersion: 1;
  readonly spec: ClusterSpec;
  readonly leases: readonly Lease[];
  readonly quarantine: readonly Quarantined[];
  /** Requests that wait for a place; each is answered once. */
  readonly waiting: readonly (LeaseRequest & { readonly since: EpochMs })[];
  /** The newest refusals, so that asking again is answered the same. Oldest first, bounded. */
  readonly refusals: readonly { readonly requestId: string; readonly reason: Reason }[];
  readonly clones: CloneQueue;
  readonly tokens: FailoverTokens;
  readonly breaker: Breaker;
  /** Unexplained failures, oldest first, bounded. */
  readonly failures: readonly Unexplained[];
  /** Every hosted VM that has asked for anything. */
  readonly fleet: readonly string[];
  readonly snapshot: ClusterSnapshot | null;
  readonly memoryTime: MemoryTime;
  /** Given out last: numbers go round, so that a freed one rests. */
  readonly lastVmid: number | null;
  readonly lastAddress: string | null;
};

/** Where a request was found a place, or why it has none. Made outside the workflow, from a fresh view. */
export type Placement =
  | {
      readonly kind: 'placed';
      readonly requestId: string;
      readonly node: string;
      readonly storage?: string;
      readonly full: boolean;
      readonly source?: { readonly vmid: number; readonly snapshot?: string };
      readonly relaxed?: Reason;
    }
  | { readonly kind: 'refused'; readonly requestId: string; readonly reason: Reason };

/** What reaches the bookkeeping. */
export type ClusterMessage =
  | { readonly kind: 'leaseRequested'; readonly request: LeaseRequest }
  | { readonly kind: 'leaseConfirmed'; readonly news: LeaseNews }
  | { readonly kind: 'leaseReleased'; readonly news: LeaseNews }
  | { readonly kind: 'leaseAdopted'; readonly lease: AdoptedLease }
  | { readonly kind: 'cloneRequested'; readonly request: CloneRequest }
  | { readonly kind: 'cloneDone'; readonly done: CloneDone }
  | { readonly kind: 'tokensRequested'; readonly request: TokenRequest }
  | { readonly kind: 'failoverHappened'; readonly news: FailoverNews }
  | { readonly kind: 'breakerReset'; readonly by: string }
  | { readonly kind: 'observed'; readonly snapshot: ClusterSnapshot }
  | { readonly kind: 'placed'; readonly snapshot: ClusterSnapshot; readonly placements: readonly Placement[] }
  | { readonly kind: 'unobservable'; readonly why: string }
  | { readonly kind: 'specApplied'; readonly spec: ClusterSpec }
  | { readonly kind: 'undeliverable'; readonly to: string }
  | { readonly kind: 'timePassed' };

/** A signal to send. */
export type Outgoing = { readonly to: string; readonly signal: string; readonly payload: unknown };

export type ClusterStep = { readonly state: ClusterState; readonly outgoing: readonly Outgoing[] };

export function newCluster(spec: ClusterSpec, now: EpochMs): ClusterState {
  return {
    schemaVersion: 1,
    spec,
    leases: [],
    quarantine: [],
    waiting: [],
    refusals: [],
    clones: emptyCloneQueue,
    tokens: noTokens,
    breaker: closedBreaker,
    failures: [],
    fleet: [],
    snapshot: null,
    memoryTime: { windowStart: 0, countedUntil: now, gibHours: 0 },
    lastVmid: null,
    lastAddress: null,
  };
}
