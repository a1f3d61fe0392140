import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { getExternalWorkflowHandle, ParentClosePolicy, startChild } from '@temporalio/workflow';
import { taskQueues } from '../../domain/cluster-messages.ts';
import type { HostedVmState } from '../../domain/hosted-vm.ts';
import { instanceOf, nameOf, primaryOf } from '../../domain/hosted-vm/instances.ts';
import { wishesToTell } from '../../domain/hosted-vm/wishes.ts';
import type { Instance, InstanceId } from '../../domain/instance.ts';
import { shadowVmWorkflowId } from '../../domain/instance.ts';
import type { InstanceWish, ShadowVmInput } from '../../domain/instance-messages.ts';
import { shadowVm } from '../shadow-vm.ts';
import { reasonOf } from '../trouble.ts';
import type { Story } from './story.ts';
import { become } from './story.ts';

/** Starts the workflows of new instances and tells the others what is wanted of them. */
export async function tellInstances(story: Story): Promise<void> {
  await Promise.all(
    wishesToTell(story.state).map(async ({ id, wish }) => {
      const known = story.state.told[id] !== undefined;
      // Noted before it is sent: what happens meanwhile may change the wish again.
      become(story, { ...story.state, told: { ...story.state.told, [id]: wish } });
      if (known && (await signalled(id, wish))) return;
      await begun(story, id, wish);
    }),
  );
}

/** @returns false when the instance's workflow is gone */
async function signalled(id: InstanceId, wish: InstanceWish): Promise<boolean> {
  try {
    await getExternalWorkflowHandle(shadowVmWorkflowId(id)).signal('wish', wish);
    return true;
  } catch (error) {
    reasonOf(error, `telling ${id}`);
    return false;
  }
}

/** One workflow per guest, found by id; it outlives promotion and this run. */
async function begun(story: Story, id: InstanceId, wish: InstanceWish): Promise<void> {
  const instance = story.state.instances.find((other) => other.id === id);
  if (instance === undefined) return;
  if ((wish.goal.kind === 'deleted' || wish.goal.kind === 'released') && instance.vmid === undefined) {
    become(story, without(story.state, id));
    return;
  }
  try {
    await startChild(shadowVm, {
      workflowId: shadowVmWorkflowId(id),
      taskQueue: taskQueues.workflows,
      args: [inputFor(story.state, instance, wish)],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: `${nameOf(instance)} of ${story.state.spec.id}`,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) reasonOf(error, `starting the workflow of ${id}`);
    else await signalled(id, wish);
  }
}

function inputFor(state: HostedVmState, instance: Instance, wish: InstanceWish): ShadowVmInput {
  const primary = primaryOf(state);
  const others = state.instances.filter((other) => other.id !== instance.id && other.vmid !== undefined);
  const source = state.spec.source ?? {
    vmid: primary?.vmid ?? instanceOf(state, `${state.spec.id}/0`).vmid ?? state.spec.primary.vmid,
  };
  return {
    hostedVmId: state.spec.id,
    spec: state.spec,
    instance,
    wish,
    awayFrom: others.map(({ id, vmid, node }) => ({
      vmid: vmid ?? 0,
      ...(node === undefined ? {} : { node }),
      // Never on the node of what serves; spread over the others where it can be.
      strict: state.serving.includes(id) || id === primary?.id,
    })),
    source,
    otherSources: copiesOf(state).filter(({ vmid }) => vmid !== source.vmid),
  };
}

/** Its shadows are copies of what shadows are copied from. One that only stands ready is disturbed before one that serves. */
function copiesOf(state: HostedVmState): { readonly vmid: number }[] {
  const { serving, instances } = state;
  return instances
    .filter(({ role, state: { kind } }) => role !== 'retired' && (kind === 'warm' || kind === 'serving'))
    .sort((left, right) => Number(serving.includes(left.id)) - Number(serving.includes(right.id)))
    .flatMap(({ vmid }) => (vmid === undefined ? [] : [{ vmid }]));
}

function without(state: HostedVmState, id: InstanceId): HostedVmState {
  return {
    ...state,
    instances: state.instances.filter((instance) => instance.id !== id),
    told: Object.fromEntries(Object.entries(state.told).filter(([told]) => told !== id)),
  };
}
