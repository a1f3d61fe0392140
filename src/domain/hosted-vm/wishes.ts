import type { HostedVmState } from '../hosted-vm.ts';
import type { Instance, InstanceId, Warmth } from '../instance.ts';
import { isLost } from '../instance.ts';
import type { InstanceGoal, InstanceWish } from '../instance-messages.ts';
import type { Reason } from '../reason.ts';
import type { EpochMs } from '../time.ts';
import { wantedNow } from './standby.ts';

/** What every instance should be told that it has not been told yet. Nothing while only observing or adopting. */
export function wishesToTell(state: HostedVmState): { readonly id: InstanceId; readonly wish: InstanceWish }[] {
  if (state.phase.kind === 'adopting' || (state.generation === null && state.phase.kind !== 'retired')) return [];
  return state.instances.flatMap((instance) => {
    const told = state.told[instance.id];
    const goal = goalFor(state, instance) ?? told?.goal;
    if (goal === undefined) return [];
    const paused = state.paused !== null;
    if (told?.paused === paused && sameGoal(told.goal, goal)) return [];
    return [{ id: instance.id, wish: { goal, paused, reason: reasonFor(state, instance, goal) } }];
  });
}

/** @returns undefined when its present wish should stand */
function goalFor(state: HostedVmState, instance: Instance): InstanceGoal | undefined {
  if (state.phase.kind === 'retired') {
    // One that was cooled or given up was to be deleted anyway.
    const doomed = instance.state.kind === 'retired' && instance.state.deleteAt <= instance.state.since;
    const spare = (instance.role === 'shadow' || doomed) && !state.serving.includes(instance.id);
    return spare ? { kind: 'deleted' } : { kind: 'released' };
  }
  if (state.serving.includes(instance.id)) {
    return { kind: 'serving', role: instance.role === 'primary' ? 'primary' : 'shadow' };
  }
  switch (instance.state.kind) {
    case 'serving':
      return { kind: 'serving', role: 'primary' };
    case 'provisioning':
    case 'warm':
      return { kind: 'warm', warmth: warmthFor(state, instance), ...broughtBack(state, instance) };
    case 'fenced':
      return { kind: 'fenced', proof: instance.state.proof };
    case 'retired':
      return {
        kind: 'retired',
        deleteAt: instance.owned ? instance.state.deleteAt : null,
        ...(instance.state.served === undefined ? {} : { served: instance.state.served }),
      };
    case 'failed':
      if (isLost(instance)) return { kind: 'warm', warmth: warmthFor(state, instance), again: instance.state.since };
      return instance.state.why.code === 'failed-serving' || instance.role !== 'shadow'
        ? undefined
        : { kind: 'deleted' };
    case 'deleted':
      return undefined;
  }
}

/** The wish to bring it back stands after it has come back: else it would be told anew of what it has done. */
function broughtBack({ told }: HostedVmState, { id }: Instance): { readonly again?: EpochMs } {
  const goal = told[id]?.goal;
  return goal?.kind === 'warm' && goal.again !== undefined ? { again: goal.again } : {};
}

function warmthFor(state: HostedVmState, { tier }: Instance): Warmth {
  const wanted = wantedNow(state);
  return (wanted.find((wish) => wish.tier === tier) ?? wanted[0])?.warmth ?? state.spec.policy.warmth;
}

function reasonFor(state: HostedVmState, instance: Instance, goal: InstanceGoal): Reason {
  if (goal.kind === 'warm') {
    const wanted = wantedNow(state);
    const wish = wanted.find(({ tier }) => tier === instance.tier) ?? wanted[0];
    if (wish !== undefined) return wish.reason;
  }
  return { code: `wish-${goal.kind}`, text: `hosted VM ${state.spec.id} wants it ${goal.kind}` };
}

export function sameGoal(left: InstanceGoal, right: InstanceGoal): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
