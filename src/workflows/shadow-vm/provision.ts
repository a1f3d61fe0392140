import { condition, workflowInfo } from '@temporalio/workflow';
import type { LeaseGrant, LeaseRequest } from '../../domain/cluster-messages.ts';
import type { Warmth } from '../../domain/instance.ts';
import type { Reason } from '../../domain/reason.ts';
import { minuteMs, secondMs } from '../../domain/time.ts';
import { briefly, patiently } from '../proxies.ts';
import { reasonOf } from '../trouble.ts';
import type { Life } from './life.ts';
import { asWished, enter, enterStep, isOvertaken, tellCluster } from './life.ts';

/** A lease that is not answered is asked for again (same id: never granted twice), and given up after a while. */
const askAgainMs = 30 * secondMs;
const leaseMs = 10 * minuteMs;
/** Clones queue up per storage; a long queue is better than a failed clone. */
const turnMs = 30 * minuteMs;
/** From power on to a steady answer. */
const bootMs = 10 * minuteMs;

/** When its node goes off, another shadow is made elsewhere, and the next one in the clone queue has its turn. */
const making = (summary: string): ReturnType<typeof patiently> => patiently(summary, 'offline');

/** Lease, clone, boot, check, warm. A failure ends in the state `failed` with its reason; the hosted VM decides what then. */
export async function provision(life: Life, warmth: Warmth): Promise<void> {
  const why = await attempt(life, warmth);
  if (why !== undefined) await enter(life, { kind: 'failed', since: Date.now(), why });
}

async function attempt(life: Life, warmth: Warmth): Promise<Reason | undefined> {
  const { input } = life;
  const { spec } = input;
  const what = `${life.instance.tier}x shadow of ${input.hostedVmId}`;
  if (life.grant === null) await enterStep(life, 'leasing');
  const grant = await lease(life, warmth);
  if (!('vmid' in grant)) return grant;
  try {
    const { vmid, address, address6, node } = grant;
    await enterStep(life, 'cloning', { vmid, address, node, ...(address6 === undefined ? {} : { address6 }) });
    const made = await cloned(life, grant, what);
    if (!('node' in made)) return made;
    await tellCluster(life, 'confirmLease', { instance: life.instance.id, vmid });
    await enterStep(life, 'starting', { node: made.node });
    await asWished(life, () => making(`start the ${what}`).ensureRunning(life.instance));
    await enterStep(life, 'checking');
    const order = { spec, instance: life.instance, withinMs: bootMs };
    const healthy = await asWished(life, () => patiently(`wait until the ${what} answers`).awaitHealthy(order));
    if (!healthy) return { code: 'no-answer', text: 'its health check does not answer after the start' };
    if (warmth !== 'hot') {
      const { instance } = life;
      await asWished(life, () => making(`keep the ${what} ${warmth}`).ensureWarmth({ instance, warmth }));
    }
    await enter(life, { kind: 'warm', since: Date.now(), warmth });
    return undefined;
  } catch (error) {
    return reasonOf(error, `making the ${what}`);
  }
}

/** VMID, address and node from the single allocator. */
async function lease(life: Life, warmth: Warmth): Promise<LeaseGrant | Reason> {
  const { instance, input } = life;
  const { tier, id } = instance;
  const resources = input.spec.resources ?? { cores: 1, memoryMiB: 1024 };
  const request: LeaseRequest = {
    requestId: `lease/${id}`,
    replyTo: workflowInfo().workflowId,
    instance: id,
    hostedVmId: input.hostedVmId,
    tier,
    warmth,
    cores: Math.max(1, Math.ceil(resources.cores * tier)),
    memoryMiB: Math.max(128, Math.ceil((resources.memoryMiB * tier) / 16) * 16),
    awayFrom: input.awayFrom,
    source: input.source,
    ...(input.otherSources === undefined ? {} : { otherSources: input.otherSources }),
  };
  const until = Date.now() + leaseMs;
  while (life.grant === null && life.refusal === null && Date.now() < until && !isOvertaken(life)) {
    await tellCluster(life, 'requestLease', request);
    await condition(() => life.grant !== null || life.refusal !== null || isOvertaken(life), askAgainMs, {
      summary: 'waits for a VMID and an address',
    });
  }
  if (life.grant !== null) return life.grant;
  return life.refusal?.reason ?? { code: 'no-lease', text: `cluster ${instance.cluster} does not answer` };
}

async function cloned(life: Life, grant: LeaseGrant, what: string): Promise<{ readonly node: string } | Reason> {
  const { instance, input } = life;
  const requestId = `clone/${instance.id}`;
  const turn = {
    requestId,
    replyTo: workflowInfo().workflowId,
    storage: grant.storage ?? 'any',
    instance: instance.id,
  };
  const until = Date.now() + turnMs;
  while (!life.turns.has(requestId) && Date.now() < until && !isOvertaken(life)) {
    await tellCluster(life, 'requestClone', turn);
    await condition(() => life.turns.has(requestId) || isOvertaken(life), askAgainMs, {
      summary: 'waits for its turn to clone',
    });
  }
  if (!life.turns.has(requestId)) return { code: 'no-turn', text: 'the clone queue did not get to it' };
  try {
    await condition(() => !life.wish.paused || isOvertaken(life));
    if (isOvertaken(life)) return { code: 'overtaken', text: 'it is not wanted any more' };
    // Not called off: half a clone is the worst of both.
    const order = { spec: input.spec, instance, lease: grant, source: grant.source ?? input.source };
    return await making(`clone and configure the ${what} as VM ${grant.vmid} on ${grant.node}`).ensureShadow(order);
  } finally {
    await tellCluster(life, 'cloneDone', { requestId });
  }
}

/** Marker and protection of the serving instance; nothing else has to happen on Proxmox for a warm guest to serve. */
export async function mark(life: Life, role: 'primary' | 'shadow', protect: boolean): Promise<void> {
  const { instance, input } = life;
  await briefly(`mark VM ${instance.vmid ?? '-'} as ${role}${protect ? ', protected' : ''}`).ensureMarked({
    hostedVmId: input.hostedVmId,
    instance,
    role,
    protect,
  });
}
