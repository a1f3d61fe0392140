import type { Instance, InstanceId } from '../domain/instance.ts';
import type { Evaluation } from '../domain/plan.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import type { EpochMs } from '../domain/time.ts';

export type EvaluationRequest = {
  readonly spec: HostedVmSpec;
  /** Every instance the hosted VM has: shadows that exist count against what is wanted. */
  readonly instances: readonly Instance[];
  readonly serving: readonly InstanceId[];
  /** Automatic failovers of the last day: part of the failure history. */
  readonly failoversAt: readonly EpochMs[];
  readonly now: EpochMs;
};

/** Forecast, risk and standby plan of one hosted VM; stores the full forecast on the way. */
export interface Evaluator {
  /** @throws ProviderError transient while the demand store is away */
  evaluate(request: EvaluationRequest, signal?: AbortSignal): Promise<Evaluation>;
}
