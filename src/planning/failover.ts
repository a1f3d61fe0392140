import type { BreakerNews } from '../domain/cluster-messages.ts';
import type { Verdict } from '../domain/health.ts';
import type { FailoverDecision, SecondLook } from '../domain/hosted-vm/decision.ts';
import { nameOf } from '../domain/hosted-vm/instances.ts';
import type { Instance, InstanceId } from '../domain/instance.ts';
import type { Evaluation } from '../domain/plan.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import { storageClassRules } from '../domain/storage-class.ts';
import type { EpochMs } from '../domain/time.ts';
import { formatDuration, secondMs } from '../domain/time.ts';
import { capacityOf, planTraffic } from '../domain/traffic.ts';
import { guardAutomaticMove } from './guards.ts';

/** Everything a failover is decided on; all of it was carried in the workflow's state or has just been looked at. */
export type Situation = {
  readonly spec: HostedVmSpec;
  readonly finding: 'failed' | 'overloaded';
  /** The serving instances that the verdict is about. */
  readonly troubled: readonly InstanceId[];
  readonly verdict: Verdict;
  readonly quorum: number;
  readonly explained: boolean;
  readonly serving: readonly Instance[];
  /** Instances traffic could move to, looked at or not. */
  readonly candidates: readonly Instance[];
  readonly looks: readonly SecondLook[];
  /** Silent ones whose guest agent has just said that a backup or snapshot holds their file systems. */
  readonly frozen: readonly InstanceId[];
  readonly evaluation: Evaluation | null;
  readonly breaker: BreakerNews | null;
  readonly failoversAt: readonly EpochMs[];
  readonly blockedUntil: EpochMs;
  readonly failoverTokens: number;
  readonly now: EpochMs;
};

/** How soon a finding that did not hold is looked at again: the monitors will have said otherwise by then. */
const notConfirmedMs = 2 * secondMs;
/** A backup or snapshot holds a guest's file systems for seconds. What is silent for longer is not waiting for a thaw. */
const longestFreezeMs = 30 * secondMs;
/** How soon an empty hand is looked at again; a shadow that becomes warm wakes it earlier. */
const nothingReadyMs = 30 * secondMs;

/** Fail over, share, wait or ask. Pure: the same situation gives the same decision and the same reason. */
export function decideFailover(situation: Situation): FailoverDecision {
  return situation.finding === 'failed' ? decideFailed(situation) : decideOverloaded(situation);
}

function decideFailed(situation: Situation): FailoverDecision {
  const { verdict, looks, now, spec } = situation;
  const alive = looks.find(({ instance, answers }) => answers && situation.troubled.includes(instance));
  if (alive !== undefined && situation.troubled.length === 1) {
    const text = `${verdict.agree} of ${verdict.reporting} vantage points found it failed, but it answers: ${alive.detail}`;
    return { kind: 'hold', lookAgainInMs: notConfirmedMs, reason: { code: 'answers-after-all', text } };
  }
  const frozen = situation.frozen.filter((id) => situation.troubled.includes(id));
  if (frozen.length === situation.troubled.length && now - verdict.sinceMs < longestFreezeMs) {
    const text = `${frozen.join(' and ')} is silent for ${formatDuration(now - verdict.sinceMs)} because a backup or snapshot holds its file systems: it is awaited for ${formatDuration(longestFreezeMs)}`;
    return { kind: 'hold', lookAgainInMs: notConfirmedMs, reason: { code: 'frozen', text } };
  }
  const dead = situation.troubled.filter((id) => !looks.some((look) => look.instance === id && look.answers));
  const staying = situation.serving.filter(({ id }) => !dead.includes(id));
  const lost = situation.serving.filter(({ id }) => dead.includes(id));
  const who = lost.map(nameOf).join(' and ');
  const silentMs = now - verdict.sinceMs;
  const what = `${who} silent for ${formatDuration(silentMs)} at ${verdict.agree} of ${verdict.reporting} vantage points`;
  const plan = planTraffic({ ...situation, ready: answering(situation) }, { kind: 'failed', lost: dead });
  const to = plan.serving.map(({ id }) => id);
  if (to.length === 0) {
    const text = !storageClassRules[spec.storageClass].hasShadows
      ? `${what}; it is ${spec.storageClass}: no shadow is kept, and only a human decides`
      : `${what}, and no shadow is ready`;
    return { kind: 'ask', to: [], lookAgainInMs: nothingReadyMs, reason: { code: 'no-shadow', text } };
  }
  const reason = {
    code: situation.explained ? 'primary-dead' : 'primary-silent',
    text: `${what}; ${plan.reason.text}`,
    facts: {
      silentMs,
      agree: verdict.agree,
      reporting: verdict.reporting,
      neededQps: plan.neededQps,
      capacityQps: plan.capacityQps,
    },
  };
  // Taking a dead one of several out of the answers adds nothing new, so only the storage class and the quorum guard it.
  const counts = staying.length === 0 || !staying.every(({ id }) => to.includes(id));
  const refused = guardAutomaticMove(
    counts ? situation : { ...situation, failoversAt: [], blockedUntil: 0, failoverTokens: 1, breaker: null },
  );
  if (refused !== undefined) return { ...refused, to };
  const { fenceOrder } = storageClassRules[spec.storageClass];
  return { kind: 'move', to, fence: dead, fenceOrder, reason, counts };
}

function decideOverloaded(situation: Situation): FailoverDecision {
  const { verdict, serving } = situation;
  const what = `${serving.map(nameOf).join(' and ')} overloaded (${verdict.evidence[0] ?? 'demand above capacity'})`;
  const plan = planTraffic({ ...situation, ready: answering(situation) }, { kind: 'overloaded' });
  const to = plan.serving.map(({ id }) => id);
  if (!to.some((id) => !serving.some((other) => other.id === id))) {
    const text = `${what}, and no shadow is ready to help; a bigger one is wanted`;
    return { kind: 'hold', lookAgainInMs: nothingReadyMs, reason: { code: 'no-shadow', text } };
  }
  const counts = !serving.every(({ id }) => to.includes(id));
  const refused = guardAutomaticMove(
    counts ? situation : { ...situation, failoversAt: [], blockedUntil: 0, failoverTokens: 1 },
  );
  if (refused !== undefined) return { ...refused, to };
  const reason = {
    code: counts ? 'outgrown' : 'shared',
    text: `${what}; ${plan.reason.text}`,
    facts: { capacityQps: plan.capacityQps, neededQps: plan.neededQps, before: capacityOf(serving) },
  };
  return { kind: 'move', to, fence: [], fenceOrder: 'none', reason, counts };
}

/** Candidates that answered just now, or that have to be woken first and so could not be asked. */
function answering({ candidates, looks }: Situation): Instance[] {
  return candidates.filter((instance) => {
    const look = looks.find(({ instance: id }) => id === instance.id);
    return look?.answers ?? isAsleep(instance);
  });
}

/** Paused and stopped shadows cannot answer a probe. */
export function isAsleep(instance: Instance): boolean {
  return instance.state.kind === 'warm' && instance.state.warmth !== 'hot';
}
