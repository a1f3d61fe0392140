import type { UmbraEvent } from './event.ts';
import type { HealthReport } from './health.ts';
import type { Instance, InstanceId } from './instance.ts';
import type { Evaluation } from './plan.ts';
import type { HostedVmSpec } from './policy.ts';
import type { Reason } from './reason.ts';
import type { BreakerNews } from './cluster-messages.ts';
import type { AskedCommand } from './commands.ts';
import type { InstanceWish } from './instance-messages.ts';
import type { Actor } from './event.ts';
import type { EpochMs } from './time.ts';

/** Where a hosted VM stands. Pausing is orthogonal: a paused VM keeps its phase and is not touched. */
export type Phase =
  | { readonly kind: 'adopting'; readonly since: EpochMs }
  | { readonly kind: 'guarded'; readonly since: EpochMs }
  | {
      readonly kind: 'failing-over';
      readonly since: EpochMs;
      readonly to: readonly InstanceId[];
      readonly cause: Reason;
      readonly move?: Move;
    }
  | Probation
  | {
      readonly kind: 'promoting';
      readonly since: EpochMs;
      readonly to: InstanceId;
      /** The probation it has passed, and goes back to when the promotion does not succeed. */
      readonly passed: Probation;
    }
  | {
      readonly kind: 'needs-human';
      readonly since: EpochMs;
      readonly reason: Reason;
      readonly proposal?: Proposal;
      /** Where it goes on once a human has seen to it: a probation keeps its deadline. */
      readonly backTo?: Phase;
    }
  | { readonly kind: 'retired'; readonly since: EpochMs };

/** A shadow serves, and must serve well until it is promoted. */
export type Probation = {
  readonly kind: 'probation';
  readonly since: EpochMs;
  /** An absolute deadline: extending it is just another message. */
  readonly endsAt: EpochMs;
  /** The primary that failed or was overloaded. */
  readonly former: InstanceId;
  readonly cause: Reason;
};

/** A change of the serving set that has been decided and is being carried out. */
export type Move = {
  readonly motive: 'failed' | 'overloaded' | 'asked' | 'hand-back' | 'narrow';
  /** The serving set before. */
  readonly from: readonly InstanceId[];
  /** Instances that must not serve any more once this is done: fenced `beside` the DNS change or `first`. */
  readonly fence: readonly InstanceId[];
  readonly fenceOrder: 'beside' | 'first' | 'none';
  readonly actor: Actor;
  /** Start of the first failing observation, and when the quorum was there; null when an operator asked. */
  readonly failedSinceMs: EpochMs | null;
  readonly detectedAtMs: EpochMs | null;
  readonly decidedAtMs: EpochMs;
  /** The cluster itself says why: a node that is off. Does not count against the budget. */
  readonly explained: boolean;
  /** The phase to return to when it cannot be carried out. */
  readonly backTo: Phase;
};

/** What Umbra would do if somebody approved. */
export type Proposal = {
  readonly id: string;
  readonly action: 'failover' | 'share';
  readonly to: readonly InstanceId[];
  readonly reason: Reason;
};

export type Paused = { readonly since: EpochMs; readonly by: string; readonly reason: string };

/**
 * Everything a hosted VM's workflow knows, carried over continue-as-new. Plain JSON.
 * Raise `schemaVersion` with a migration when the shape changes after a release.
 */
export type HostedVmState = {
  readonly schemaVersion: 1;
  readonly spec: HostedVmSpec;
  readonly revision: number;
  readonly phase: Phase;
  readonly paused: Paused | null;
  readonly instances: readonly Instance[];
  /** Number for the next shadow; never reused. */
  readonly nextN: number;
  /** Named in the DNS answers now. Never empty once adopted. */
  readonly serving: readonly InstanceId[];
  /** DNS generation; undefined until adopted. */
  readonly generation: number | null;
  readonly evaluation: Evaluation | null;
  readonly nextEvaluationAt: EpochMs;
  /** Newest report per instance and vantage point. */
  readonly reports: readonly HealthReport[];
  /** Reports not looked at yet: carried, because `allHandlersFinished` does not protect them. */
  readonly inbox: readonly HealthReport[];
  /** Automatic failovers of the last 24 h, for the block period and the daily limit. */
  readonly failoversAt: readonly EpochMs[];
  readonly blockedUntil: EpochMs;
  /** Failovers this hosted VM may do without asking the cluster. */
  readonly failoverTokens: number;
  /** Ids of commands already answered, oldest first, bounded. */
  readonly seen: readonly string[];
  /** Events not yet written to the store: the hot path asks no database. */
  readonly events: readonly UmbraEvent[];
  /** In `observe` mode: what it would have done last. */
  readonly wouldHave: Reason | null;
  /** Vantage points that must agree at least: two unless the installation has only one. */
  readonly quorum: number;
  /** Numbers the events, so that each has an id of its own. */
  readonly eventCount: number;
  /** What stands in its way now, as the last attempt said; null when nothing does. */
  readonly trouble: Reason | null;
  /** No look again before this instant, so that a held decision does not spin. */
  readonly lookAgainAt: EpochMs;
  /** When the quorum on the trouble being looked at was there first. */
  readonly detectedAt: EpochMs | null;
  /** The cluster's breaker on unexplained correlated failures. */
  readonly breaker: BreakerNews | null;
  /** When failover tokens were last asked for; null when none are awaited. */
  readonly tokensAskedAt: EpochMs | null;
  /** Operator commands accepted and not yet carried out. */
  readonly asked: readonly AskedCommand[];
  /** The wish each instance's workflow was last told. */
  readonly told: Readonly<Record<InstanceId, InstanceWish>>;
  /** From here on no resolver should hold an answer that names the former instance. */
  readonly drainedAt: EpochMs;
  /** Last instant at which a serving instance was found failed. */
  readonly unhealthyAt: EpochMs | null;
  /** Starts of provisioning that ended badly, newest last, bounded: the next waits longer. */
  readonly provisionFailuresAt: readonly EpochMs[];
  /** Next comparison of the state with Proxmox and DNS. */
  readonly nextReconcileAt: EpochMs;
  /** The answers have to be written again for the same serving set, not before this instant; null when they stand. */
  readonly answersDueAt: EpochMs | null;
};
