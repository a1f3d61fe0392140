import { ApplicationFailure, condition, continueAsNew, workflowInfo } from '@temporalio/workflow';
import { patienceMs } from '../domain/hosted-vm/losing.ts';
import type { InstanceGoal, ShadowVmInput } from '../domain/instance-messages.ts';
import { assertNever } from '../domain/reason.ts';
import { storageClassRules } from '../domain/storage-class.ts';
import { minuteMs } from '../domain/time.ts';
import { patiently } from './proxies.ts';
import type { Life } from './shadow-vm/life.ts';
import { asWished, beginLife, enter, listenAs, show, tellCluster } from './shadow-vm/life.ts';
import { mark, provision } from './shadow-vm/provision.ts';
import { reasonOf } from './trouble.ts';

/** What Proxmox refused is tried again after this, or as soon as the wish changes. */
const againMs = minuteMs;

/**
 * One Proxmox guest from its lease to its deletion; the adopted original too. Its hosted VM says what it wants by
 * signal `wish`; this workflow makes it so, one goal after another, and tells what has become of the guest.
 */
export async function shadowVm(input: ShadowVmInput): Promise<void> {
  const life = beginLife(input);
  listenAs(life);
  for (;;) {
    life.moved = false;
    show(life);
    if (workflowInfo().continueAsNewSuggested) return carryOn(life);
    const { goal, paused } = life.wish;
    if (goal.kind === 'released') return;
    if (paused) {
      await condition(() => life.moved);
      continue;
    }
    if (life.reached === JSON.stringify(goal)) {
      const over = await waitWhileReached(life, goal);
      if (over) return;
      continue;
    }
    await reach(life, goal);
    if (life.instance.state.kind === 'deleted') return;
  }
}

async function reach(life: Life, goal: InstanceGoal): Promise<void> {
  life.pursued = life.wish.goal;
  try {
    await makeItSo(life, goal);
    life.trouble = null;
    life.reached = JSON.stringify(goal);
  } catch (error) {
    life.trouble = reasonOf(error, `making it ${goal.kind}`);
    show(life);
    await condition(() => life.moved, againMs, { summary: `tries again to make it ${goal.kind}` });
  }
}

async function makeItSo(life: Life, goal: InstanceGoal): Promise<void> {
  const now = Date.now();
  const { instance } = life;
  switch (goal.kind) {
    case 'warm':
      return keepWarm(life, goal);
    case 'serving':
      // It may have been on its way to a pause when traffic came; the fence of another class is not undone here.
      if (instance.n > 0 && storageClassRules[life.input.spec.storageClass].severalMayRun) {
        const name = `VM ${instance.vmid ?? '-'}`;
        await asWished(life, () => patiently(`${name} serves: it runs`).ensureRunning(instance));
      }
      await asWished(life, () => mark(life, goal.role, true));
      return enter(life, { kind: 'serving', since: now }, { role: goal.role });
    case 'fenced':
      return enter(life, { kind: 'fenced', since: now, proof: goal.proof });
    case 'retired':
      if (instance.vmid !== undefined) {
        const { hostedVmId } = life.input;
        const name = `retire VM ${instance.vmid}: stop, keep the disk`;
        await asWished(life, () => patiently(name).ensureRetired({ hostedVmId, instance, now }));
      }
      return enter(
        life,
        {
          kind: 'retired',
          since: now,
          deleteAt: goal.deleteAt ?? Number.MAX_SAFE_INTEGER,
          ...(goal.served === undefined ? {} : { served: goal.served }),
        },
        { role: 'retired' },
      );
    case 'deleted':
      return remove(life, goal.kept === true);
    case 'released':
      return;
    default:
      assertNever(goal);
  }
}

async function keepWarm(life: Life, { warmth, again }: InstanceGoal & { kind: 'warm' }): Promise<void> {
  const { instance } = life;
  if (instance.state.kind === 'provisioning') return provision(life, warmth);
  if (instance.state.kind === 'failed') return;
  if (instance.state.kind === 'serving') await asWished(life, () => mark(life, 'shadow', false));
  const name = `VM ${instance.vmid ?? '-'}`;
  if (again !== undefined && warmth !== 'stopped') await bringBack(life, name);
  await asWished(life, () => patiently(`keep ${name} ${warmth}`).ensureWarmth({ instance, warmth }));
  await enter(life, { kind: 'warm', since: Date.now(), warmth }, { role: 'shadow' });
}

/** It was lost: that Proxmox runs it does not mean that it answers. The hosted VM's patience ends before ours does. */
async function bringBack(life: Life, name: string): Promise<void> {
  const { instance, input } = life;
  await asWished(life, () => patiently(`start ${name} again`).ensureRunning(instance));
  const order = { spec: input.spec, instance, withinMs: patienceMs };
  const answers = await asWished(life, () => patiently(`wait until ${name} answers again`).awaitHealthy(order));
  if (!answers) throw ApplicationFailure.nonRetryable(`${name} runs and does not answer`, 'no-answer');
}

/** @returns true when there is nothing left to do for ever */
async function waitWhileReached(life: Life, goal: InstanceGoal): Promise<boolean> {
  const news = (): boolean => life.moved;
  if (goal.kind !== 'retired' || goal.deleteAt === null) {
    await condition(news);
    return false;
  }
  const leftMs = goal.deleteAt - Date.now();
  if (leftMs > 0 && (await condition(news, leftMs, { summary: 'keeps the disk of the retired VM' }))) return false;
  // A shadow that was only cooled has nothing to keep: its days had ended when it was stopped.
  const { state } = life.instance;
  const wasKept = goal.served === true || (state.kind === 'retired' && goal.deleteAt > state.since);
  await reach(life, { kind: 'deleted', ...(wasKept ? { kept: true } : {}) });
  return life.instance.state.kind === 'deleted';
}

/** Stop, mark as retired, delete, free the lease. Never a guest that is not ours: its marker guards it. */
async function remove(life: Life, kept: boolean): Promise<void> {
  const { instance, input } = life;
  const { hostedVmId, spec } = input;
  if (instance.vmid !== undefined && instance.owned) {
    const name = `VM ${instance.vmid}`;
    const retire = { hostedVmId, instance, now: Date.now() };
    const deletion = { ...retire, spec, served: kept };
    await asWished(life, () => patiently(`stop ${name} before it is deleted`).ensureRetired(retire));
    await asWished(life, () => patiently(`delete ${name}`).ensureDeleted(deletion));
    if (instance.n > 0) await tellCluster(life, 'releaseLease', { instance: instance.id, vmid: instance.vmid });
  }
  await enter(life, { kind: 'deleted', since: Date.now() });
}

/** Between two goals nothing is in flight: what is carried is small. */
function carryOn(life: Life): Promise<never> {
  const { input, instance, wish, reached } = life;
  return continueAsNew<typeof shadowVm>({ ...input, instance, wish, carried: { schemaVersion: 1, reached } });
}
