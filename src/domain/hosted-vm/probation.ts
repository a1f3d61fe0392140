import type { HostedVmState, Probation } from '../hosted-vm.ts';
import type { InstanceId } from '../instance.ts';
import type { Reason } from '../reason.ts';
import type { EpochMs } from '../time.ts';
import { formatDuration, minuteMs } from '../time.ts';
import { withEvent, withTrouble } from './chronicle.ts';
import { instanceOf, nameOf, withInstance, withInstanceState } from './instances.ts';

/** When the look before the promotion is not satisfied it is looked at again after this. */
const lookAgainMs = 10 * minuteMs;

/** What the activity saw when probation was over. */
export type PromotionLook = {
  readonly serving: readonly { readonly instance: InstanceId; readonly answers: boolean; readonly detail: string }[];
  /** Every authoritative server names exactly the serving set at our generation. */
  readonly dnsAgrees: boolean;
  readonly dnsDetail: string;
  /** Load the former instance still reports, queries per second; null when it reports nothing. */
  readonly formerQps: number | null;
};

/** A former instance that still carries more than this share of its capacity has not drained. */
const drainedShare = 0.01;

/** Why the shadow may not be promoted yet; undefined when it may. Healthy throughout, drained, and DNS as we left it. */
export function whyNotPromote(
  state: HostedVmState,
  phase: Probation,
  look: PromotionLook,
  now: EpochMs,
): Reason | undefined {
  if (now < state.drainedAt) {
    return {
      code: 'not-drained',
      text: `resolvers may name the former for another ${formatDuration(state.drainedAt - now)}`,
    };
  }
  if (state.unhealthyAt !== null && state.unhealthyAt >= phase.since) {
    return { code: 'was-unhealthy', text: 'it was found failed during probation' };
  }
  const silent = look.serving.find(({ answers }) => !answers);
  if (silent !== undefined) {
    return { code: 'does-not-answer', text: `${silent.instance} does not answer now: ${silent.detail}` };
  }
  if (!look.dnsAgrees) return { code: 'dns-differs', text: `DNS is not as it was left: ${look.dnsDetail}` };
  const former = state.instances.find(({ id }) => id === phase.former);
  if (look.formerQps !== null && former !== undefined && look.formerQps > drainedShare * former.capacityQps) {
    const text = `${nameOf(former)} still serves ${Math.round(look.formerQps)} q/s`;
    return { code: 'not-drained', text, facts: { formerQps: look.formerQps } };
  }
  return undefined;
}

/** Not yet: probation goes on; after trouble in between it starts anew. */
export function withProbationExtended(
  state: HostedVmState,
  phase: Probation,
  reason: Reason,
  now: EpochMs,
): HostedVmState {
  const fresh = reason.code === 'was-unhealthy';
  const again = now < state.drainedAt ? state.drainedAt : now + lookAgainMs;
  const endsAt = fresh ? (state.unhealthyAt ?? now) + state.spec.policy.probationMs : again;
  const extended: HostedVmState = {
    ...state,
    unhealthyAt: fresh ? null : state.unhealthyAt,
    phase: { ...phase, endsAt: Math.max(endsAt, now + 1) },
  };
  return withTrouble(extended, now, 'promotion-held', reason);
}

/** Probation is over and the look is satisfied: which instance becomes the primary. */
export function withPromotionBegun(state: HostedVmState, passed: Probation, now: EpochMs): HostedVmState {
  const serving = state.serving.map((id) => instanceOf(state, id));
  const largest = [...serving].sort((left, right) => right.capacityQps - left.capacityQps || left.n - right.n)[0]!;
  return { ...state, trouble: null, phase: { kind: 'promoting', since: now, to: largest.id, passed } };
}

/** The shadow is the primary now; the old one is retired: stopped at once, its disk kept. */
export function withPromoted(state: HostedVmState, to: InstanceId, now: EpochMs): HostedVmState {
  let next: HostedVmState = { ...state, phase: { kind: 'guarded', since: now } };
  for (const instance of state.instances.filter(({ role, id }) => role === 'primary' && id !== to)) {
    const deleteAt = now + state.spec.policy.keepDiskMs;
    const retired = { kind: 'retired', since: now, deleteAt, served: true } as const;
    next = withInstance(next, { ...instance, role: 'retired', state: retired });
    const kept = instance.owned
      ? `its disk is deleted in ${formatDuration(state.spec.policy.keepDiskMs)}`
      : 'it was never adopted, so it is never deleted';
    const reason: Reason = { code: 'retired', text: `${nameOf(instance)} is stopped; ${kept}` };
    next = withEvent(next, now, 'primary-retired', 'workflow', reason, { deleteAt });
  }
  const promoted = instanceOf(next, to);
  next = withInstance(next, { ...promoted, role: 'primary' });
  next = withInstanceState(next, to, { kind: 'serving', since: now });
  const reason: Reason = {
    code: 'promoted',
    text: `${nameOf(promoted)} served well through its probation and is the primary now`,
  };
  return withEvent(next, now, 'promoted', 'workflow', reason);
}
