import {
  ApplicationFailure,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  getExternalWorkflowHandle,
  setCurrentDetails,
  setHandler,
  TemporalFailure,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { CloneTurn, LeaseGrant, LeaseRefusal } from '../../domain/cluster-messages.ts';
import { clusterWorkflowId, hostedVmWorkflowId } from '../../domain/cluster-messages.ts';
import { hostedVmSignals } from '../../domain/hosted-vm/messages.ts';
import type { Instance, InstanceState, ProvisionStep } from '../../domain/instance.ts';
import type { InstanceGoal, InstanceNews, InstanceWish, ShadowVmInput } from '../../domain/instance-messages.ts';
import type { Reason } from '../../domain/reason.ts';
import { changedAttributes, instanceAttributesOf } from '../../domain/search-attributes.ts';
import type { SearchAttributeValues } from '../../domain/search-attributes.ts';
import { reasonOf } from '../trouble.ts';

export const wishSignal = defineSignal<[InstanceWish]>('wish');
export const leaseGrantedSignal = defineSignal<[LeaseGrant]>('leaseGranted');
export const leaseRefusedSignal = defineSignal<[LeaseRefusal]>('leaseRefused');
export const cloneTurnSignal = defineSignal<[CloneTurn]>('cloneTurn');
export const instanceQuery = defineQuery<Instance>('state');

/** What one run of an instance's workflow holds. */
export type Life = {
  readonly input: ShadowVmInput;
  instance: Instance;
  wish: InstanceWish;
  /** What was wished when the work under way began. */
  pursued: InstanceGoal;
  /** The goal that has been reached, as JSON; the next wish is compared with it. */
  reached: string;
  grant: LeaseGrant | null;
  refusal: LeaseRefusal | null;
  /** Clone turns granted, by request id. */
  readonly turns: Set<string>;
  /** What stands in the way now. */
  trouble: Reason | null;
  moved: boolean;
  published: SearchAttributeValues;
};

export function beginLife(input: ShadowVmInput): Life {
  const { instance, wish } = input;
  // Adoption has marked the original already, and has started nothing.
  const adopted = instance.n === 0 && instance.state.kind === 'serving' && wish.goal.kind === 'serving';
  return {
    input,
    instance,
    wish,
    pursued: wish.goal,
    reached: input.carried?.reached ?? (adopted ? JSON.stringify(wish.goal) : ''),
    grant: null,
    refusal: null,
    turns: new Set(),
    trouble: null,
    moved: false,
    published: {},
  };
}

/** Handlers only note. */
export function listenAs(life: Life): void {
  setHandler(wishSignal, (wish) => {
    life.wish = wish;
    life.moved = true;
  });
  setHandler(leaseGrantedSignal, (grant) => {
    life.grant = grant;
    life.moved = true;
  });
  setHandler(leaseRefusedSignal, (refusal) => {
    life.refusal = refusal;
    life.moved = true;
  });
  setHandler(cloneTurnSignal, ({ requestId }) => {
    life.turns.add(requestId);
    life.moved = true;
  });
  setHandler(instanceQuery, () => life.instance);
}

/** Something else is wished by now, so that work for the goal before must not go on. One that is being made is made whole. */
export function isOvertaken({ wish, pursued, instance }: Life): boolean {
  if (instance.state.kind === 'provisioning' && wish.goal.kind === 'warm') return false;
  return JSON.stringify(wish.goal) !== JSON.stringify(pursued);
}

/**
 * Work on the guest, as long as it is wished: it waits while the hosted VM is paused, and is called off by another
 * wish; then it has ended, so that nothing of it meets the work for the next goal.
 */
export async function asWished<T>(life: Life, work: () => Promise<T>): Promise<T> {
  await condition(() => !life.wish.paused || isOvertaken(life));
  if (isOvertaken(life)) throw overtaken(life);
  const scope = new CancellationScope();
  let over = false;
  void condition(() => over || isOvertaken(life)).then(() => {
    if (!over) scope.cancel();
  });
  try {
    return await scope.run(work);
  } catch (error) {
    // However the attempt ended: it was called off.
    throw error instanceof TemporalFailure && isOvertaken(life) ? overtaken(life) : error;
  } finally {
    over = true;
  }
}

function overtaken({ wish }: Life): ApplicationFailure {
  return ApplicationFailure.nonRetryable(`it is wished ${wish.goal.kind} by now`, 'overtaken');
}

/** A new state of the instance: shown in the registry and told to its hosted VM. */
export async function enter(life: Life, state: InstanceState, facts: Partial<Instance> = {}): Promise<void> {
  life.instance = { ...life.instance, ...facts, state };
  show(life);
  const news: InstanceNews = { instance: life.instance };
  try {
    await getExternalWorkflowHandle(hostedVmWorkflowId(life.input.hostedVmId)).signal(
      hostedVmSignals.instanceChanged,
      news,
    );
  } catch (error) {
    // A hosted VM that is gone does not need to know.
    reasonOf(error, 'telling the hosted VM');
  }
}

export function enterStep(life: Life, step: ProvisionStep, facts: Partial<Instance> = {}): Promise<void> {
  const since = life.instance.state.kind === 'provisioning' ? life.instance.state.since : Date.now();
  return enter(life, { kind: 'provisioning', since, step }, facts);
}

/** Card and search attributes in the Temporal UI. */
export function show(life: Life): void {
  const { instance, wish, trouble, input } = life;
  setCurrentDetails(
    [
      `### ${instance.id}: ${instance.state.kind}${instance.state.kind === 'provisioning' ? ` (${instance.state.step})` : ''}`,
      '',
      `${instance.role}, ${instance.tier}x, VM ${instance.vmid ?? '-'} on ${instance.node ?? '-'}, ${instance.address ?? 'no address yet'}`,
      '',
      `Wanted: ${wish.goal.kind}${wish.paused ? ' (paused: not touched)' : ''}, because ${wish.reason.text}`,
      ...(trouble === null ? [] : ['', `In the way: ${trouble.text}`]),
    ].join('\n'),
  );
  const wanted = instanceAttributesOf(input.hostedVmId, instance, input.spec.storageClass);
  const changes = changedAttributes(life.published, wanted);
  if (changes.length > 0) upsertSearchAttributes(changes);
  life.published = wanted;
}

/** @returns false when the cluster's workflow does not run */
export async function tellCluster(life: Life, signal: string, payload: object): Promise<boolean> {
  try {
    await getExternalWorkflowHandle(clusterWorkflowId(life.instance.cluster)).signal(signal, payload);
    return true;
  } catch (error) {
    life.trouble = reasonOf(error, `telling cluster ${life.instance.cluster} ${signal}`);
    return false;
  }
}
