import type { HostedVmState, Phase } from '../hosted-vm.ts';
import type { Instance, InstanceState, Tier } from '../instance.ts';
import { instanceId, lostCode } from '../instance.ts';
import type { HostedVmSpec } from '../policy.ts';
import type { Reason, Refusal } from '../reason.ts';
import { refuse } from '../reason.ts';
import type { EpochMs } from '../time.ts';
import { formatDuration } from '../time.ts';
import { reconcileEveryMs } from './adopting.ts';
import { withEvent, withoutTrouble } from './chronicle.ts';
import { nameOf } from './instances.ts';
import { drainedAfter } from './moving.ts';
import { storageClassRules } from '../storage-class.ts';
import { jittered } from './spread.ts';

/** A guest that carries our marker for this hosted VM, or the original that the inventory names. */
export type FoundGuest = {
  readonly n: number;
  /** What its marker says; the original of a node that is off does not say anything and is taken for the primary. */
  readonly role: 'primary' | 'shadow' | 'retired';
  readonly retiredAt?: EpochMs;
  readonly vmid: number;
  readonly node: string;
  readonly nodeOnline: boolean;
  readonly power: string;
  readonly address?: string;
  readonly address6?: string;
  readonly cores: number;
  readonly memoryMiB: number;
};

/**
 * What Proxmox and DNS still know of a hosted VM whose workflow is new: Temporal's state was lost. The owner's record is
 * ours, so somebody has answered for it before.
 */
export type FoundAgain = {
  readonly kind: 'found-again';
  readonly generation: number;
  /** Addresses that DNS answers now. */
  readonly answers: readonly string[];
  readonly guests: readonly FoundGuest[];
};

type Standing = {
  readonly serving: readonly Instance[];
  readonly others: readonly Instance[];
  /** The primary of record when it does not serve: then a probation begins anew. */
  readonly former: Instance | undefined;
};

/**
 * Takes up what was there before: who serves is who DNS names *and* whose guest carries our marker; anything less is
 * refused, because two writers or an answer that belongs to somebody else are worse than an hour of waiting.
 */
export function withFoundAgain(
  state: HostedVmState,
  found: FoundAgain,
  now: EpochMs,
): { readonly kind: 'taken-up'; readonly state: HostedVmState } | Refusal {
  const { spec } = state;
  const standing = standingOf(spec, found, now);
  if ('kind' in standing) return standing;
  const { serving, others, former } = standing;
  const { probationMs } = spec.policy;
  const names = serving.map(nameOf).join(' and ');
  const text = `DNS names ${found.answers.join(' and ')} at generation ${found.generation}: ${names} serves, as its marker and the answers agree`;
  const cause: Reason = { code: 'found-again', text };
  const phase: Phase =
    former === undefined
      ? { kind: 'guarded', since: now }
      : { kind: 'probation', since: now, endsAt: now + probationMs, former: former.id, cause };
  const base = baseResources(spec, found.guests);
  const taken: HostedVmState = {
    ...withoutTrouble(state),
    spec: { ...spec, ...(base === undefined ? {} : { resources: base }) },
    phase,
    instances: [...serving, ...others],
    nextN: Math.max(0, ...found.guests.map(({ n }) => n)) + 1,
    serving: serving.map(({ id }) => id),
    generation: found.generation,
    drainedAt: drainedAfter(spec.ttlSeconds, now),
    nextEvaluationAt: now,
    lookAgainAt: 0,
    nextReconcileAt: now + jittered(reconcileEveryMs, spec.id, 0),
  };
  const probation =
    former === undefined
      ? ''
      : `; how well it has served is not known, so probation of ${formatDuration(probationMs)} begins anew`;
  const reason: Reason = { code: 'found-again', text: `${text}${probation}` };
  const facts = { generation: found.generation, serving: taken.serving.join(' '), addresses: found.answers.join(' ') };
  return { kind: 'taken-up', state: withEvent(taken, now, 'found-again', 'workflow', reason, facts) };
}

function standingOf(spec: HostedVmSpec, { answers, guests }: FoundAgain, now: EpochMs): Standing | Refusal {
  const named = guests.filter((guest) => guest.address !== undefined && answers.includes(guest.address));
  const foreign = answers.filter((answer) => !named.some(({ address }) => address === answer));
  if (foreign.length > 0 || named.length === 0) return answersElsewhere(spec, foreign);
  const retired = named.find(({ role }) => role === 'retired');
  if (retired !== undefined) {
    return refuse(
      'retired-serves',
      `DNS names ${retired.address ?? '?'}, which is VM ${retired.vmid}, and its marker says that it is retired: ${byHand(spec, retired)}`,
    );
  }
  const promoted = guests.filter(({ n, role }) => n > 0 && role === 'primary').sort((a, b) => b.n - a.n)[0];
  const primary = promoted ?? guests.find(({ n, role }) => n === 0 && role !== 'retired');
  if (primary === undefined) {
    const [first] = named;
    return refuse(
      'primary-missing',
      `VM ${spec.primary.vmid} is gone, and VM ${first!.vmid}, which serves, was never promoted: ${byHand(spec, first!)}`,
    );
  }
  const tierOf = tiersBy(spec, guests);
  const isNamed = (guest: FoundGuest): boolean => named.includes(guest);
  const instances = guests.map((guest): { guest: FoundGuest; instance: Instance } => ({
    guest,
    instance: {
      id: instanceId(spec.id, guest.n),
      n: guest.n,
      role: guest === primary ? 'primary' : isNamed(guest) || guest.role === 'shadow' ? 'shadow' : 'retired',
      tier: tierOf(guest),
      capacityQps: tierOf(guest) * spec.capacityQps,
      cluster: spec.primary.cluster,
      node: guest.node,
      vmid: guest.vmid,
      ...(guest.address === undefined ? {} : { address: guest.address }),
      ...(guest.address6 === undefined ? {} : { address6: guest.address6 }),
      owned: true,
      state: isNamed(guest) ? { kind: 'serving', since: now } : standingBy(spec, guest, guest === primary, now),
    },
  }));
  const former = instances.find(({ guest }) => guest === primary && !isNamed(guest))?.instance;
  return {
    serving: instances.filter(({ guest }) => isNamed(guest)).map(({ instance }) => instance),
    others: instances.filter(({ guest }) => !isNamed(guest)).map(({ instance }) => instance),
    former,
  };
}

/** What one that DNS does not name is: it is never taken for better than what can be seen of it. */
function standingBy(spec: HostedVmSpec, guest: FoundGuest, isPrimary: boolean, now: EpochMs): InstanceState {
  const { role, power, node, nodeOnline, retiredAt = now } = guest;
  if (isPrimary) {
    const stopped = nodeOnline && power === 'stopped';
    if (stopped) return { kind: 'fenced', since: now, proof: `found stopped on ${node}` };
    // Whether it was left running on purpose nobody knows any more. Where two may not run, it is fenced now.
    if (nodeOnline && power === 'running' && storageClassRules[spec.storageClass].severalMayRun)
      return { kind: 'serving', since: now };
    return { kind: 'failed', since: now, why: { code: 'failed-serving', text: 'does not serve; being fenced' } };
  }
  if (role !== 'shadow') {
    const deleteAt = retiredAt + spec.policy.keepDiskMs;
    return { kind: 'retired', since: retiredAt, deleteAt, served: true };
  }
  if (!nodeOnline) return { kind: 'failed', since: now, why: { code: lostCode, text: `${node} is off` } };
  if (power === 'running' || power === 'unknown') return { kind: 'warm', since: now, warmth: 'hot' };
  return { kind: 'warm', since: now, warmth: power === 'paused' ? 'paused' : 'stopped' };
}

function answersElsewhere(spec: HostedVmSpec, foreign: readonly string[]): Refusal {
  const what = foreign.join(', ') || 'nothing';
  return refuse(
    'answers-elsewhere',
    `DNS names ${what} under our own record, and no guest that is visible in cluster ${spec.primary.cluster} with the marker of ${spec.id} has that address. ` +
      `Find the guest that serves (qm config VMID | grep ipconfig0) and name it: ${apply(spec, 'VMID', foreign[0] ?? 'ADDRESS')}`,
  );
}

function byHand(spec: HostedVmSpec, guest: FoundGuest): string {
  return `if it is to be the primary, name it: ${apply(spec, String(guest.vmid), guest.address ?? 'ADDRESS')}`;
}

function apply({ id, primary }: HostedVmSpec, vmid: string, address: string): string {
  const named = `primary: { cluster: ${primary.cluster}, vmid: ${vmid}, address: ${address} }`;
  return `umbra retire ${id} (it deletes nothing and leaves the answers), then ${named} in the inventory and umbra apply -f inventory.yaml --force`;
}

/** Sizes of a 1x: as the inventory or the original says; unknown when the original is gone. */
function baseResources(
  { resources }: HostedVmSpec,
  guests: readonly FoundGuest[],
): { readonly cores: number; readonly memoryMiB: number } | undefined {
  const original = guests.find(({ n }) => n === 0);
  if (resources !== undefined || original === undefined) return resources;
  return { cores: original.cores, memoryMiB: original.memoryMiB };
}

/** The marker does not say the tier; its memory does, to the nearest that the policy knows. */
function tiersBy(spec: HostedVmSpec, guests: readonly FoundGuest[]): (guest: FoundGuest) => Tier {
  const base = baseResources(spec, guests);
  const tiers = [...new Set([1, ...spec.policy.tiers])];
  return (guest) => {
    if (guest.n === 0 || base === undefined) return 1;
    const share = guest.memoryMiB / base.memoryMiB;
    return tiers.reduce((best, tier) => (Math.abs(tier - share) < Math.abs(best - share) ? tier : best));
  };
}
