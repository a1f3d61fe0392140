import type { UmbraEvent } from './event.ts';
import type { HealthReport } from './health.ts';
import type { Instance, InstanceId } from './instance.ts';
import type { Evaluation } from './plan.ts';
import type { HostedVmSpec } from './policy.ts';
import type { Reason } from './reason.ts';
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
    }
  | {
      readonly kind: 'probation';
      readonly since: EpochMs;
      /** An absolute deadline: extending it is just another message. */
      readonly endsAt: EpochMs;
      /** The primary that failed or was overloaded. */
      readonly former: InstanceId;
      readonly cause: Reason;
    }
  | { readonly kind: 'promoting'; readonly since: EpochMs; readonly to: InstanceId }
  | { readonly kind: 'needs-human'; readonly since: EpochMs; readonly reason: Reason; readonly proposal?: Proposal }
  | { readonly kind: 'retired'; readonly since: EpochMs };

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
};
