import type { Move } from '../hosted-vm.ts';
import type { InstanceId } from '../instance.ts';
import type { Reason } from '../reason.ts';

/** What should be done about a serving instance that fails or saturates. Made by the planner, carried out by the workflow. */
export type FailoverDecision =
  /** Traffic moves to `to`. */
  | {
      readonly kind: 'move';
      readonly to: readonly InstanceId[];
      readonly fence: readonly InstanceId[];
      readonly fenceOrder: Move['fenceOrder'];
      readonly reason: Reason;
      /** False when an instance only joins those that serve already. */
      readonly counts: boolean;
    }
  /** Not now: it answers after all, or a guard refuses. */
  | { readonly kind: 'hold'; readonly reason: Reason; readonly lookAgainInMs: number }
  /** A human must say: `to` is what would be done, when anything can be. */
  | {
      readonly kind: 'ask';
      readonly reason: Reason;
      readonly to: readonly InstanceId[];
      readonly lookAgainInMs: number;
    };

/** What the look again saw of one instance. */
export type SecondLook = {
  readonly instance: InstanceId;
  readonly answers: boolean;
  readonly latencyMs: number;
  readonly detail: string;
};

/** The answer of the look-again activity: what it saw, what should be done. */
export type LookAgainResult = {
  readonly looks: readonly SecondLook[];
  readonly decision: FailoverDecision;
  /** Of everything that was decided on: two decisions of the same hash saw the same. */
  readonly inputsHash?: string;
};
