import { createHash } from 'node:crypto';
import type { Fence } from '../domain/fence.ts';
import type { FailoverDecision, LookAgainResult, SecondLook } from '../domain/hosted-vm/decision.ts';
import type { Instance } from '../domain/instance.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import type { Refusal } from '../domain/reason.ts';
import type { DnsOutcome } from '../ports/name-server.ts';
import type { GuestRef } from '../ports/hypervisor.ts';
import { planAnswers } from '../planning/dns-plan.ts';
import type { Situation } from '../planning/failover.ts';
import { decideFailover, isAsleep } from '../planning/failover.ts';
import { beat, cancellation, steadily } from './attempt.ts';
import type { ActivityDeps } from './deps.ts';
import { lookAt, secondLookMs } from './looking.ts';
import { becomesHealthy } from './waiting.ts';

export type AnswersChange = {
  readonly spec: Pick<HostedVmSpec, 'id' | 'zone' | 'names' | 'ttlSeconds'>;
  readonly serving: readonly Pick<Instance, 'id' | 'address' | 'address6' | 'state'>[];
  /** Generation the ownership record must hold. */
  readonly from: number;
  /** Addresses that a name new in the inventory may lead to; those of `serving` unless told. */
  readonly known?: readonly string[];
};

export type WakeOrder = {
  readonly spec: HostedVmSpec;
  readonly instance: Instance;
  /** False when a moment's silence costs nothing, because what served before is dead anyway. */
  readonly untilItAnswers: boolean;
};

/** Answer of a woken guest's check is awaited this long: a stopped guest boots in it. */
const wakeMs = 120_000;

/** What a failover may call: a look, DNS, a fence, one start or resume. No clone, no forecast, no database. */
export function createFailoverActivities(deps: Pick<ActivityDeps, 'probe' | 'hypervisorOf' | 'nameServerOf'>) {
  return {
    /** Looks again at what is said to fail and at what could take over, and decides. */
    async lookAgain(situation: Omit<Situation, 'looks' | 'frozen'>): Promise<LookAgainResult> {
      const { spec, serving, candidates, troubled, finding } = situation;
      const awake = [...serving, ...candidates.filter((instance) => !isAsleep(instance))];
      const inTrouble = serving.filter(({ id }) => finding === 'failed' && troubled.includes(id));
      const freezes = inTrouble.map((instance) => ({ id: instance.id, held: isFrozen(deps, instance) }));
      const looks = await Promise.all(
        awake.map((instance) => lookAt(deps.probe, spec, instance, secondLookMs, cancellation())),
      );
      const silent = freezes.filter(({ id }) => looks.some((look) => look.instance === id && isSilent(look)));
      const held = await Promise.all(silent.map(async (each) => ({ ...each, held: await each.held })));
      const frozen = held.filter((each) => each.held).map(({ id }) => id);
      const seen: Situation = { ...situation, looks, frozen };
      const decision: FailoverDecision = decideFailover(seen);
      return { looks, decision, inputsHash: hashOf(seen) };
    },

    /** Makes DNS name exactly these instances, one generation further; refuses an empty answer. */
    async ensureAnswers({ spec, serving, from, known }: AnswersChange): Promise<DnsOutcome | Refusal> {
      const plan = planAnswers({ ...spec, serving, from });
      if (plan.kind === 'refused') return plan;
      const nameServer = await deps.nameServerOf(spec.zone);
      const { zone, names, ttlSeconds, a, aaaa, to } = plan;
      return nameServer.ensureAnswers(
        {
          ...{ owner: spec.id, from, to, records: { zone, names, ttlSeconds, a, aaaa } },
          takingOver: { only: known ?? [...a, ...aaaa] },
        },
        cancellation(),
      );
    },

    /** Makes certain that a guest cannot serve any more, or says how far it came. */
    async ensureFenced(ref: GuestRef): Promise<Fence> {
      const hypervisor = await deps.hypervisorOf(ref.cluster);
      return steadily(() => hypervisor.ensureFenced(ref, cancellation()));
    },

    /** Resumes or starts a shadow that is not hot, and waits until it answers when asked to. */
    async ensureAwake({ spec, instance, untilItAnswers }: WakeOrder): Promise<{ readonly answers: boolean }> {
      const hypervisor = await deps.hypervisorOf(instance.cluster);
      await steadily(() => hypervisor.ensurePower(refOf(instance), 'running', cancellation()));
      if (!untilItAnswers) return { answers: false };
      return { answers: await becomesHealthy(deps.probe, spec, instance, wakeMs, beat, cancellation()) };
    },
  };
}

/** Enough of it to tell decisions apart at a glance. */
function hashOf(seen: Situation): string {
  return createHash('sha256').update(JSON.stringify(seen)).digest('hex').slice(0, 16);
}

/** A refusal comes at once, and a guest that refuses is not frozen: nobody has to wait for Proxmox then. */
function isSilent({ answers, latencyMs }: SecondLook): boolean {
  return !answers && latencyMs >= secondLookMs * 0.9;
}

/**
 * Does a backup or snapshot hold this guest's file systems just now? Asked beside the look, which takes as long when a guest
 * is silent, and never waited for longer: a Proxmox that does not answer delays no failover. Only a guest that somebody's
 * backup has locked is asked by its agent, because a hung one would keep one of its node's few API workers busy.
 */
async function isFrozen({ hypervisorOf }: Pick<ActivityDeps, 'hypervisorOf'>, instance: Instance): Promise<boolean> {
  const signal = AbortSignal.any([cancellation(), AbortSignal.timeout(secondLookMs)]);
  const ask = async (): Promise<boolean> => {
    const hypervisor = await hypervisorOf(instance.cluster);
    if (hypervisor.observeAgent === undefined || instance.vmid === undefined) return false;
    const ref = refOf(instance);
    const lock = (await hypervisor.observeGuest(ref, signal))?.lock;
    if (lock !== 'backup' && lock !== 'snapshot') return false;
    const agent = await hypervisor.observeAgent(ref, signal);
    return agent.kind === 'ready' && agent.frozen;
  };
  const late = new Promise<false>((resolve) => {
    signal.addEventListener('abort', () => resolve(false), { once: true });
  });
  return await Promise.race([ask().catch(() => false), late]);
}

/** @throws when the instance has no guest yet: a bug of the caller */
export function refOf({ id, cluster, vmid }: Pick<Instance, 'id' | 'cluster' | 'vmid'>): GuestRef {
  if (vmid === undefined) throw new Error(`${id} has no VMID yet`);
  return { cluster, vmid };
}
