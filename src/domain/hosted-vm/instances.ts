import type { HostedVmState } from '../hosted-vm.ts';
import type { Instance, InstanceId, InstanceState } from '../instance.ts';
import { isLost } from '../instance.ts';
import { invariant } from '../reason.ts';
import type { TrafficMotive, TrafficPlan } from '../traffic.ts';
import { planTraffic, readyToServe } from '../traffic.ts';

export function instanceOf(state: HostedVmState, id: InstanceId): Instance {
  const found = state.instances.find((instance) => instance.id === id);
  invariant(found !== undefined, `${state.spec.id} knows instance ${id}`);
  return found;
}

export function primaryOf(state: HostedVmState): Instance | undefined {
  return state.instances.find(({ role }) => role === 'primary');
}

export function withInstance(state: HostedVmState, changed: Instance): HostedVmState {
  const known = state.instances.some(({ id }) => id === changed.id);
  return {
    ...state,
    instances: known
      ? state.instances.map((instance) => (instance.id === changed.id ? changed : instance))
      : [...state.instances, changed],
  };
}

export function withInstanceState(state: HostedVmState, id: InstanceId, to: InstanceState): HostedVmState {
  return withInstance(state, { ...instanceOf(state, id), state: to });
}

/**
 * Shadows that are ready, on their way or being brought back, not serving: what the standby plan is compared with.
 * While the serving set is in trouble nobody waits for a lost one: another is started beside it.
 */
export function standbys(state: HostedVmState): Instance[] {
  const patient = state.detectedAt === null;
  return state.instances.filter(
    (instance) =>
      instance.role === 'shadow' &&
      !state.serving.includes(instance.id) &&
      (instance.state.kind === 'warm' || instance.state.kind === 'provisioning' || (patient && isLost(instance))),
  );
}

/** Who would carry traffic if everybody who stands ready answered just now. */
export function trafficAfter(state: HostedVmState, motive: TrafficMotive): TrafficPlan {
  const serving = state.serving.map((id) => instanceOf(state, id));
  return planTraffic({ serving, ready: readyToServe(state), evaluation: state.evaluation }, motive);
}

/** Says which guest in a sentence: `primary 101` or `shadow 9002 (2x)`. */
export function nameOf(instance: Instance): string {
  const vmid = instance.vmid === undefined ? instance.id : String(instance.vmid);
  return instance.role === 'primary' ? `primary ${vmid}` : `${instance.role} ${vmid} (${instance.tier}x)`;
}
