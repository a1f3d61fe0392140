import type { HostedVmState } from '../hosted-vm.ts';
import type { Instance, Tier } from '../instance.ts';
import { instanceId, isLost } from '../instance.ts';
import type { WantedShadows } from '../plan.ts';
import type { Reason } from '../reason.ts';
import { storageClassRules } from '../storage-class.ts';
import type { EpochMs } from '../time.ts';
import { hourMs, minuteMs, secondMs } from '../time.ts';
import { capacityOf } from '../traffic.ts';
import { withEvent } from './chronicle.ts';
import { servingTrouble } from './evidence.ts';
import { givenUpAt, withLostGivenUp } from './losing.ts';
import { instanceOf, nameOf, standbys, withInstance } from './instances.ts';

/** After a start that ended badly the next one waits, doubling up to half an hour. */
const firstRetryMs = 30 * secondMs;
const longestRetryMs = 30 * minuteMs;

/**
 * What should stand ready now: the plan of the last evaluation, and, whatever a forecast says, something larger
 * while the serving set is found overloaded.
 */
export function wantedNow(state: HostedVmState): readonly WantedShadows[] {
  const { policy, storageClass } = state.spec;
  if (policy.mode === 'observe' || !storageClassRules[storageClass].hasShadows) return [];
  const wanted = state.evaluation?.plan.wanted ?? firstWanted(state);
  const trouble = servingTrouble(state);
  if (trouble?.finding !== 'overloaded') return wanted;
  const has = capacityOf(state.serving.map((id) => instanceOf(state, id)));
  const bigger = policy.tiers.find((tier) => tier * state.spec.capacityQps > has) ?? policy.tiers.at(-1) ?? 1;
  if (wanted.some(({ tier, count }) => tier >= bigger && count > 0)) return wanted;
  const reason: Reason = {
    code: 'overloaded-now',
    text: 'the serving instance is overloaded; something larger is wanted',
  };
  return [...wanted, { tier: bigger, count: 1, warmth: 'hot', reason }];
}

/** Before the first evaluation the policy's minimum is all that is known. */
function firstWanted({ spec }: HostedVmState): readonly WantedShadows[] {
  if (spec.policy.minShadows === 0) return [];
  const tier = spec.policy.tiers.find((other) => other >= 1) ?? spec.policy.tiers.at(-1) ?? 1;
  const reason: Reason = { code: 'min-shadows', text: `policy keeps ${spec.policy.minShadows} ready` };
  return [{ tier, count: spec.policy.minShadows, warmth: spec.policy.warmth, reason }];
}

/** Starts what is missing and cools what is not wanted any more; the same state when there is nothing to do. */
export function withStandby(state: HostedVmState, now: EpochMs): HostedVmState {
  if (state.phase.kind !== 'guarded' && state.phase.kind !== 'probation' && state.phase.kind !== 'needs-human')
    return state;
  let next = withLostGivenUp(state, now);
  const { missing, surplus } = compare(standbys(next), wantedNow(next));
  if (now >= mayStartAt(next)) {
    const room = roomOf(next);
    for (const { tier, reason } of missing.slice(0, room)) next = withShadowStarted(next, tier, reason, now);
  }
  for (const instance of surplus) {
    if (now >= mayCoolAt(state, instance)) next = withCooled(next, instance, now);
  }
  return next;
}

/** When `withStandby` would next do something because time has passed; undefined when only news can change it. */
export function standbyDueAt(state: HostedVmState): EpochMs | undefined {
  if (state.phase.kind !== 'guarded' && state.phase.kind !== 'probation' && state.phase.kind !== 'needs-human')
    return undefined;
  const { missing, surplus } = compare(standbys(state), wantedNow(state));
  const room = roomOf(state);
  const due = surplus.map((instance) => mayCoolAt(state, instance)).filter((at) => at < Infinity);
  due.push(...state.instances.filter(isLost).map(givenUpAt));
  if (missing.length > 0 && room > 0) due.push(mayStartAt(state));
  return due.length === 0 ? undefined : Math.min(...due);
}

/** Shadows that may still be started. Those that share with the primary count; one that stands in for it does not. */
function roomOf(state: HostedVmState): number {
  const sharing = state.serving.filter((id) => instanceOf(state, id).role === 'shadow').length;
  const standsIn = state.serving.some((id) => instanceOf(state, id).role === 'primary') ? 0 : 1;
  return Math.max(0, state.spec.policy.maxShadows - standbys(state).length - Math.max(0, sharing - standsIn));
}

/** The first wish of each tier takes what fits exactly, then a larger one serves as well: no churn for tidiness. */
function compare(
  existing: readonly Instance[],
  wanted: readonly WantedShadows[],
): { missing: { tier: Tier; reason: Reason }[]; surplus: Instance[] } {
  const free = [...existing].sort((left, right) => left.tier - right.tier || left.n - right.n);
  const wishes = wanted.flatMap(({ tier, count, reason }) => Array.from({ length: count }, () => ({ tier, reason })));
  const unmet = wishes.filter(({ tier }) => !take(free, (instance) => instance.tier === tier));
  const missing = unmet.filter(({ tier }) => !take(free, (instance) => instance.tier > tier));
  return { missing, surplus: free };
}

function take(free: Instance[], fits: (instance: Instance) => boolean): boolean {
  const index = free.findIndex(fits);
  if (index >= 0) free.splice(index, 1);
  return index >= 0;
}

function mayStartAt({ provisionFailuresAt }: HostedVmState): EpochMs {
  const last = provisionFailuresAt.at(-1);
  if (last === undefined) return 0;
  return last + Math.min(longestRetryMs, firstRetryMs * 2 ** (provisionFailuresAt.length - 1));
}

function mayCoolAt(state: HostedVmState, { state: { kind, since } }: Instance): EpochMs {
  // One that is being made is finished first: half a clone is the worst of both.
  if (kind !== 'warm' || state.detectedAt !== null) return Infinity;
  return since + state.spec.policy.minDwellMs;
}

function withShadowStarted(state: HostedVmState, tier: Tier, reason: Reason, now: EpochMs): HostedVmState {
  const shadow: Instance = {
    id: instanceId(state.spec.id, state.nextN),
    n: state.nextN,
    role: 'shadow',
    tier,
    capacityQps: tier * state.spec.capacityQps,
    cluster: state.spec.primary.cluster,
    owned: true,
    state: { kind: 'provisioning', since: now, step: 'leasing' },
  };
  const started = withInstance({ ...state, nextN: state.nextN + 1 }, shadow);
  return withEvent(started, now, 'shadow-wanted', 'planner', reason, { instance: shadow.id, tier });
}

function withCooled(state: HostedVmState, instance: Instance, now: EpochMs): HostedVmState {
  const reason: Reason = {
    code: 'not-wanted',
    text: `${nameOf(instance)} is not wanted any more: ${state.evaluation?.plan.reasons[0]?.text ?? 'the plan has changed'}`,
  };
  const cooled = withInstance(state, {
    ...instance,
    role: 'retired',
    state: { kind: 'retired', since: now, deleteAt: now },
  });
  return withEvent(cooled, now, 'shadow-cooled', 'planner', reason, { instance: instance.id });
}

/** A start that ended badly: remembered for an hour, so that the next waits. */
export function withProvisionFailure(state: HostedVmState, now: EpochMs): HostedVmState {
  return {
    ...state,
    provisionFailuresAt: [...state.provisionFailuresAt.filter((at) => now - at < hourMs), now].slice(-8),
  };
}
