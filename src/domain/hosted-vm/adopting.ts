import type { HostedVmState } from '../hosted-vm.ts';
import { instanceId } from '../instance.ts';
import type { HostedVmSpec } from '../policy.ts';
import type { Reason } from '../reason.ts';
import type { EpochMs } from '../time.ts';
import { hourMs, secondMs } from '../time.ts';
import { withEvent, withoutTrouble, withTrouble } from './chronicle.ts';
import { instanceOf, withInstance } from './instances.ts';
import type { SpecChange } from './messages.ts';
import { jittered } from './spread.ts';

/** A refused adoption is tried again after this: rights are granted and names freed by people. */
const adoptAgainMs = 30 * secondMs;
/** Comparison of the state with DNS, jittered: repairs what a lost signal left. */
export const reconcileEveryMs = hourMs;

export type AdoptedFacts = {
  readonly node: string;
  readonly address: string;
  readonly generation: number | null;
  readonly resources: { readonly cores: number; readonly memoryMiB: number };
};

export function withAdopted(state: HostedVmState, facts: AdoptedFacts, now: EpochMs): HostedVmState {
  const id = instanceId(state.spec.id, 0);
  const { node, address, generation } = facts;
  const owned = generation !== null;
  const adopted: HostedVmState = {
    ...withoutTrouble(state),
    spec: { ...state.spec, resources: state.spec.resources ?? facts.resources },
    phase: { kind: 'guarded', since: now },
    serving: [id],
    generation,
    nextEvaluationAt: now,
    lookAgainAt: 0,
    nextReconcileAt: now + jittered(reconcileEveryMs, id, 0),
  };
  const next = withInstance(adopted, {
    ...instanceOf(adopted, id),
    node,
    address,
    owned,
    state: { kind: 'serving', since: now },
  });
  const reason: Reason = owned
    ? { code: 'adopted', text: `VM ${state.spec.primary.vmid} on ${node} is adopted; its names are ours to change` }
    : { code: 'observed', text: `VM ${state.spec.primary.vmid} on ${node} is only observed: nothing was written` };
  return withEvent(next, now, reason.code, 'workflow', reason, { address, generation, node });
}

export function withAdoptionHeld(state: HostedVmState, reason: Reason, now: EpochMs): HostedVmState {
  return withTrouble({ ...state, lookAgainAt: now + adoptAgainMs }, now, 'adoption-held', reason);
}

/** A new revision of the inventory. Going from observing to acting adopts now. */
export function withSpec(state: HostedVmState, { spec, revision, actor }: SpecChange, now: EpochMs): HostedVmState {
  if (revision <= state.revision) return state;
  const resources = spec.resources ?? state.spec.resources;
  const merged: HostedVmSpec = resources === undefined ? spec : { ...spec, resources };
  const mustAdopt = state.generation === null && merged.policy.mode !== 'observe' && state.phase.kind !== 'retired';
  const instances = state.instances.map((instance) => ({ ...instance, capacityQps: instance.tier * spec.capacityQps }));
  const next: HostedVmState = {
    ...state,
    spec: merged,
    revision,
    instances,
    nextEvaluationAt: now,
    lookAgainAt: 0,
    wouldHave: null,
    phase: mustAdopt ? { kind: 'adopting', since: now } : state.phase,
    answersDueAt: state.generation !== null && answersDiffer(state.spec, merged) ? now : state.answersDueAt,
  };
  const reason: Reason = { code: 'spec-applied', text: `inventory revision ${revision} is in force` };
  return withEvent(next, now, 'spec-applied', actor, reason, { revision, mode: spec.policy.mode });
}

/** DNS no longer says what the inventory asks for. */
function answersDiffer(before: HostedVmSpec, after: HostedVmSpec): boolean {
  return before.names.join() !== after.names.join() || before.ttlSeconds !== after.ttlSeconds;
}
