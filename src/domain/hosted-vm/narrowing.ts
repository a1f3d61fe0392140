import type { HostedVmState } from '../hosted-vm.ts';
import type { Reason } from '../reason.ts';
import type { EpochMs } from '../time.ts';
import { verdictFor } from './evidence.ts';
import { instanceOf, nameOf, primaryOf } from './instances.ts';
import type { MoveOrder } from './deciding.ts';
import { neededQps, plainTuning } from '../traffic.ts';

/**
 * Several share an overload; when demand now, the p90 to come and the dwell time all allow it, the primary serves alone
 * again and the others go back to being warm. Never on a forecast alone.
 * @returns undefined while they should go on sharing
 */
export function narrowingOf(state: HostedVmState, now: EpochMs): MoveOrder | undefined {
  const { phase, serving, evaluation, spec, detectedAt } = state;
  const primary = primaryOf(state);
  const mode = spec.policy.mode === 'act';
  if (!mode || phase.kind !== 'guarded' || serving.length < 2 || detectedAt !== null || primary === undefined)
    return undefined;
  if (!serving.includes(primary.id) || verdictFor(state, primary.id).finding !== 'healthy') return undefined;
  const since = Math.max(...serving.map((id) => instanceOf(state, id).state.since));
  if (evaluation?.demandQps == null || evaluation.at < since || now < since + spec.policy.minDwellMs) return undefined;
  const needed = neededQps(evaluation);
  const { scaleInShare } = evaluation.traffic ?? plainTuning;
  if (needed > scaleInShare * primary.capacityQps) return undefined;
  const reason: Reason = {
    code: 'carries-alone',
    text: `${nameOf(primary)} carries p90 ${Math.round(needed)} q/s alone again`,
    facts: { neededQps: needed, capacityQps: primary.capacityQps },
  };
  return {
    motive: 'narrow',
    to: [primary.id],
    fence: [],
    fenceOrder: 'none',
    reason,
    actor: 'planner',
    explained: true,
    failedSinceMs: null,
    counts: false,
  };
}
