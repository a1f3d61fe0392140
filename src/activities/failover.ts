import type { FailoverDecision, LookAgainResult } from '../domain/hosted-vm/decision.ts';
import type { Instance } from '../domain/instance.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import type { Refusal } from '../domain/reason.ts';
import type { DnsOutcome } from '../ports/name-server.ts';
import type { Fence, GuestRef } from '../ports/hypervisor.ts';
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
    async lookAgain(situation: Omit<Situation, 'looks'>): Promise<LookAgainResult> {
      const { spec, serving, candidates } = situation;
      const awake = [...serving, ...candidates.filter((instance) => !isAsleep(instance))];
      const looks = await Promise.all(
        awake.map((instance) => lookAt(deps.probe, spec, instance, secondLookMs, cancellation())),
      );
      const decision: FailoverDecision = decideFailover({ ...situation, looks });
      return { looks, decision };
    },

    /** Makes DNS name exactly these instances, one generation further; refuses an empty answer. */
    async ensureAnswers({ spec, serving, from }: AnswersChange): Promise<DnsOutcome | Refusal> {
      const plan = planAnswers({ ...spec, serving, from });
      if (plan.kind === 'refused') return plan;
      const nameServer = await deps.nameServerOf(spec.zone);
      const { zone, names, ttlSeconds, a, aaaa, to } = plan;
      return nameServer.ensureAnswers(
        { owner: spec.id, from, to, records: { zone, names, ttlSeconds, a, aaaa } },
        cancellation(),
      );
    },

    /** Makes certain that a guest cannot serve any more, or says that it could not be proved. */
    async ensureFenced(ref: GuestRef): Promise<Fence> {
      const hypervisor = await deps.hypervisorOf(ref.cluster);
      return steadily(() => hypervisor.ensureFenced(ref, beat, cancellation()));
    },

    /** Resumes or starts a shadow that is not hot, and waits until it answers when asked to. */
    async ensureAwake({ spec, instance, untilItAnswers }: WakeOrder): Promise<{ readonly answers: boolean }> {
      const hypervisor = await deps.hypervisorOf(instance.cluster);
      await steadily(() => hypervisor.ensurePower(refOf(instance), 'running', beat, cancellation()));
      if (!untilItAnswers) return { answers: false };
      return { answers: await becomesHealthy(deps.probe, spec, instance, wakeMs, beat, cancellation()) };
    },
  };
}

/** @throws when the instance has no guest yet: a bug of the caller */
export function refOf({ id, cluster, vmid }: Pick<Instance, 'id' | 'cluster' | 'vmid'>): GuestRef {
  if (vmid === undefined) throw new Error(`${id} has no VMID yet`);
  return { cluster, vmid };
}
