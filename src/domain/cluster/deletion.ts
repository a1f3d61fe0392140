import type { InstanceId } from '../instance.ts';
import { parseInstanceId } from '../instance.ts';
import type { Refusal } from '../reason.ts';
import { refuse } from '../reason.ts';
import type { EpochMs } from '../time.ts';
import { formatDuration } from '../time.ts';

/** Everything that is known of a guest somebody wants to delete, gathered just before. */
export type DeletionEvidence = {
  readonly now: EpochMs;
  readonly instance: InstanceId;
  readonly vmid: number;
  /** Undefined where only the hypervisor knows it: it looks at VMID and marker again, just before. */
  readonly range?: { readonly from: number; readonly to: number };
  /** Ours by adoption, though outside the range. */
  readonly adopted: boolean;
  /** As read from the guest itself; undefined when it carries none. */
  readonly marker?: {
    readonly hostedVmId: string;
    readonly n: number;
    readonly role: string;
    readonly retiredAt?: EpochMs;
  };
  readonly address?: string;
  /** Read back from every authoritative server just now; null when one of them could not be read. */
  readonly answers: readonly string[] | null;
  /** From the hosted VM's own state. */
  readonly serving: readonly InstanceId[];
  readonly primary: { readonly instance: InstanceId; readonly healthy: boolean } | null;
  /** False for one that never served: nothing depends on it, and its disk is a copy that nobody has written to. */
  readonly served: boolean;
  readonly keepDiskMs: number;
};

/**
 * The five guards of deletion, in the order they are checked. Each one alone is enough to keep the guest.
 * @returns undefined when it may be deleted
 */
export function refuseDeletion(evidence: DeletionEvidence): Refusal | undefined {
  return (
    outsideOurRange(evidence) ??
    notMarkedRetired(evidence) ??
    stillAnswered(evidence) ??
    notReplaced(evidence) ??
    keptTooShort(evidence)
  );
}

function outsideOurRange({ vmid, range, adopted }: DeletionEvidence): Refusal | undefined {
  if (adopted || range === undefined || (vmid >= range.from && vmid <= range.to)) return undefined;
  return refuse('not-ours', `VMID ${vmid} is outside ${range.from}-${range.to} and was not adopted.`, { vmid });
}

function notMarkedRetired({ instance, marker }: DeletionEvidence): Refusal | undefined {
  if (marker === undefined) return refuse('no-marker', `${instance} carries no marker of ours.`, { instance });
  const { hostedVmId, n } = parseInstanceId(instance);
  if (marker.hostedVmId !== hostedVmId || marker.n !== n) {
    return refuse('other-marker', `The guest says it is ${marker.hostedVmId}/${marker.n}, not ${instance}.`, {
      instance,
    });
  }
  if (marker.role === 'retired' && marker.retiredAt !== undefined) return undefined;
  return refuse('not-retired', `The guest says its role is ${marker.role}, not retired.`, { instance });
}

function stillAnswered({ instance, address, answers }: DeletionEvidence): Refusal | undefined {
  if (answers === null) return refuse('answers-unknown', 'Not every name server could be read back.', { instance });
  if (address === undefined || !answers.includes(address)) return undefined;
  return refuse('in-answers', `${address} of ${instance} is in the DNS answers.`, { instance, address });
}

function notReplaced({ instance, serving, primary, served }: DeletionEvidence): Refusal | undefined {
  if (serving.includes(instance)) return refuse('serving', `${instance} is in the serving set.`, { instance });
  if (primary?.instance === instance) return refuse('is-primary', `${instance} is the primary.`, { instance });
  if (!served) return undefined;
  if (primary === null) return refuse('no-primary', 'The hosted VM has no primary.', { instance });
  if (primary.healthy) return undefined;
  return refuse('primary-unhealthy', `${primary.instance}, which took over, is not healthy.`, { instance });
}

function keptTooShort({ now, instance, marker, served, keepDiskMs }: DeletionEvidence): Refusal | undefined {
  if (!served) return undefined;
  const left = (marker?.retiredAt ?? now) + keepDiskMs - now;
  if (left <= 0) return undefined;
  return refuse('disk-kept', `The disk of ${instance} is kept for another ${formatDuration(left)}.`, {
    instance,
    leftMs: left,
  });
}
