import type { AdoptedLease } from '../cluster-messages.ts';
import type { Instance, InstanceId, InstanceRole, Warmth } from '../instance.ts';
import { instanceId } from '../instance.ts';
import type { Reason } from '../reason.ts';
import type { EpochMs } from '../time.ts';
import { formatDuration } from '../time.ts';
import type { Lease } from './lease.ts';

/** A guest as the sweep needs it: only those in our range, or that carry our marker. */
export type SweptGuest = {
  readonly vmid: number;
  readonly node: string;
  readonly nodeOnline: boolean;
  readonly name: string;
  readonly power: string;
  readonly lock?: string;
  readonly template: boolean;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly addresses: readonly string[];
  readonly marker?: {
    readonly hostedVmId: string;
    readonly n: number;
    readonly role: InstanceRole;
    readonly operation: string;
    readonly retiredAt?: EpochMs;
  };
};

export type HiddenVmid = {
  readonly vmid: number;
  /** What is missing, and what grants it. */
  readonly why: string;
};

/** A hosted VM as its own workflow says it is. */
export type SweptHostedVm = {
  readonly id: string;
  readonly instances: readonly Pick<Instance, 'id' | 'vmid' | 'address' | 'state'>[];
  readonly serving: readonly InstanceId[];
  readonly keepDiskMs: number;
  /** Addresses every name server answers; null when one could not be read, or when the name is not ours yet. */
  readonly answers: readonly string[] | null;
};

export type SweepEvidence = {
  readonly at: EpochMs;
  readonly cluster: string;
  readonly quorate: boolean;
  readonly range: { readonly from: number; readonly to: number };
  readonly guests: readonly SweptGuest[];
  /** Leased VMIDs that somebody has, and whom we may not see: neither gone nor known to be ours. */
  readonly hidden: readonly HiddenVmid[];
  readonly leases: readonly Lease[];
  readonly hostedVms: readonly SweptHostedVm[];
};

export type SweepFinding = {
  readonly severity: 'note' | 'warning';
  readonly hostedVmId?: string;
  readonly reason: Reason;
};

/** What one sweep found. `adopt`, `release` and `retire` are carried out; findings are for people. */
export type SweepReport = {
  readonly at: EpochMs;
  readonly cluster: string;
  readonly adopt: readonly AdoptedLease[];
  /** Leases of instances that neither Proxmox nor their hosted VM knows. */
  readonly release: readonly { readonly instance: InstanceId; readonly vmid: number }[];
  /** Guests we made that no hosted VM has: after a second look they are stopped and marked, never deleted at once. */
  readonly orphans: readonly Orphan[];
  readonly findings: readonly SweepFinding[];
};

export type Orphan = {
  readonly instance: InstanceId;
  readonly hostedVmId: string;
  readonly n: number;
  readonly vmid: number;
  readonly operation: string;
  /** Set when it is retired already and its time is over: then it is deleted. */
  readonly expired: boolean;
};

/**
 * Registry, Proxmox and DNS side by side. Pure: what it says is done, or shown, by others.
 *
 * | found | done |
 * |---|---|
 * | our marker, no lease | a lease is adopted |
 * | no marker, in our range | reported, never touched |
 * | a lease, no guest, and no hosted VM that has it | the lease ends |
 * | a lease, and its guest is not visible to our token | reported; nothing is taken for gone |
 * | our marker in our range, and its hosted VM does not know it | retired after a second look, deleted after its keep time |
 * | an answer that belongs to no instance, or an instance that should answer and does not | reported |
 */
export function sweepReport(evidence: SweepEvidence): SweepReport {
  const { at, cluster } = evidence;
  if (!evidence.quorate) {
    const reason = {
      code: 'sweep-no-quorum',
      text: `${cluster} has no quorum: what it does not show may still exist.`,
    };
    return { at, cluster, adopt: [], release: [], orphans: [], findings: [{ severity: 'warning', reason }] };
  }
  const orphans = orphansIn(evidence);
  return {
    at,
    cluster,
    adopt: adoptable(evidence, orphans),
    release: releasable(evidence),
    orphans,
    findings: [
      ...strangers(evidence),
      ...orphans.map(orphanFinding),
      ...evidence.hidden.map((one) => hiddenGuest(evidence, one)),
      ...missingGuests(evidence),
      ...evidence.hostedVms.flatMap(wrongAnswers),
    ],
  };
}

function adoptable(evidence: SweepEvidence, orphans: readonly Orphan[]): AdoptedLease[] {
  const leased = new Set(evidence.leases.map((lease) => lease.vmid));
  const orphaned = new Set(orphans.map((one) => one.vmid));
  return ourGuests(evidence).flatMap(({ guest, marker }) => {
    const address = guest.addresses[0];
    if (leased.has(guest.vmid) || orphaned.has(guest.vmid) || address === undefined) return [];
    return [
      {
        instance: instanceId(marker.hostedVmId, marker.n),
        hostedVmId: marker.hostedVmId,
        vmid: guest.vmid,
        address,
        node: guest.node,
        role: marker.role,
        warmth: warmthOf(guest.power),
        cores: guest.cores,
        memoryMiB: guest.memoryMiB,
      },
    ];
  });
}

/** VMIDs of guests that are there, seen or not. */
function presentIn({ guests, hidden }: SweepEvidence): Set<number> {
  return new Set([...guests, ...hidden].map(({ vmid }) => vmid));
}

function releasable(evidence: SweepEvidence): SweepReport['release'] {
  const present = presentIn(evidence);
  return evidence.leases
    .filter((lease) => lease.expiresAt === null && !present.has(lease.vmid) && !isKnown(evidence, lease.instance))
    .map(({ instance, vmid }) => ({ instance, vmid }));
}

/** Ours beyond doubt: our range, our marker, a hosted VM that exists and says that it has no such instance. */
function orphansIn(evidence: SweepEvidence): Orphan[] {
  return ourGuests(evidence).flatMap(({ guest, marker }) => {
    const hostedVm = evidence.hostedVms.find((one) => one.id === marker.hostedVmId);
    const instance = instanceId(marker.hostedVmId, marker.n);
    const lease = evidence.leases.find((one) => one.vmid === guest.vmid);
    const beingMade = lease !== undefined && lease.expiresAt !== null;
    if (hostedVm === undefined || beingMade || !guest.nodeOnline || marker.role === 'primary') return [];
    // Answers that could not be read back may name it.
    const mayBeAnswered =
      hostedVm.answers === null || guest.addresses.some((address) => hostedVm.answers?.includes(address));
    if (isKnown(evidence, instance) || mayBeAnswered) return [];
    const expired =
      marker.role === 'retired' &&
      marker.retiredAt !== undefined &&
      evidence.at >= marker.retiredAt + hostedVm.keepDiskMs;
    return [
      { instance, hostedVmId: marker.hostedVmId, n: marker.n, vmid: guest.vmid, operation: marker.operation, expired },
    ];
  });
}

function ourGuests({ guests, range }: SweepEvidence) {
  return guests.flatMap((guest) => {
    const { marker, vmid, template } = guest;
    const ours = marker !== undefined && !template && vmid >= range.from && vmid <= range.to;
    return ours ? [{ guest, marker }] : [];
  });
}

/** A deleted instance is history: its hosted VM does not have it any more. */
function isKnown(evidence: SweepEvidence, id: InstanceId): boolean {
  return evidence.hostedVms.some((one) =>
    one.instances.some((instance) => instance.id === id && instance.state.kind !== 'deleted'),
  );
}

function strangers({ guests, range, leases }: SweepEvidence): SweepFinding[] {
  const leased = new Set(leases.map((lease) => lease.vmid));
  return guests
    .filter((guest) => guest.marker === undefined && guest.vmid >= range.from && guest.vmid <= range.to)
    .filter((guest) => guest.nodeOnline && guest.lock === undefined && !leased.has(guest.vmid))
    .map((guest) => ({
      severity: 'warning',
      reason: {
        code: 'stranger-in-range',
        text: `VM ${guest.vmid} "${guest.name}" on ${guest.node} is in Umbra's range without its marker; it is left alone.`,
        facts: { vmid: guest.vmid, node: guest.node },
      },
    }));
}

function orphanFinding(orphan: Orphan): SweepFinding {
  const what = orphan.expired ? 'its time is over: it is deleted' : 'it is stopped and kept for its keep time';
  return {
    severity: 'warning',
    hostedVmId: orphan.hostedVmId,
    reason: {
      code: 'orphan',
      text: `VM ${orphan.vmid} says it is ${orphan.instance}, which ${orphan.hostedVmId} does not have; ${what}.`,
      facts: { vmid: orphan.vmid, instance: orphan.instance },
    },
  };
}

function hiddenGuest({ leases }: SweepEvidence, { vmid, why }: HiddenVmid): SweepFinding {
  const lease = leases.find((one) => one.vmid === vmid);
  const who = lease === undefined ? `VM ${vmid}` : `${lease.instance} is VM ${vmid}, which`;
  return {
    severity: 'warning',
    ...(lease === undefined ? {} : { hostedVmId: lease.hostedVmId }),
    reason: {
      code: 'guest-hidden',
      text: `${who} exists and is not visible to this token; its lease is kept. ${why}`,
      facts: { vmid, ...(lease === undefined ? {} : { instance: lease.instance }) },
    },
  };
}

/** An instance its hosted VM counts on, and Proxmox does not have: a human deleted it, or a restore is needed. */
function missingGuests(evidence: SweepEvidence): SweepFinding[] {
  const { hostedVms, leases } = evidence;
  const present = presentIn(evidence);
  const leased = new Set(leases.map((lease) => lease.instance));
  return hostedVms.flatMap((hostedVm) =>
    hostedVm.instances
      .filter(({ id, vmid }) => vmid !== undefined && !present.has(vmid) && leased.has(id))
      .filter(({ state }) => state.kind === 'warm' || state.kind === 'serving')
      .map(({ id, vmid }): SweepFinding => ({
        severity: 'warning',
        hostedVmId: hostedVm.id,
        reason: {
          code: 'guest-missing',
          text: `${id} should be VM ${vmid ?? '-'}, and no node has it.`,
          facts: { instance: id, vmid: vmid ?? 0 },
        },
      })),
  );
}

function wrongAnswers(hostedVm: SweptHostedVm): SweepFinding[] {
  if (hostedVm.answers === null || hostedVm.serving.length === 0) return [];
  const wanted = hostedVm.instances
    .filter(({ id }) => hostedVm.serving.includes(id))
    .flatMap(({ address }) => address ?? []);
  const same = wanted.length === hostedVm.answers.length && wanted.every((one) => hostedVm.answers?.includes(one));
  if (same) return [];
  return [
    {
      severity: 'warning',
      hostedVmId: hostedVm.id,
      reason: {
        code: 'answers-differ',
        text: `${hostedVm.id} answers ${hostedVm.answers.join(', ') || 'nothing'}, its serving instances have ${wanted.join(', ') || 'no address'}.`,
        facts: { answers: hostedVm.answers.join(','), wanted: wanted.join(',') },
      },
    },
  ];
}

function warmthOf(power: string): Warmth {
  if (power === 'running' || power === 'unknown') return 'hot';
  return power === 'paused' ? 'paused' : 'stopped';
}

/** One line for logs and the schedule's history. */
export function sweepSentence(report: SweepReport, tookMs: number): string {
  const { adopt, release, orphans, findings } = report;
  return (
    `${report.cluster}: ${adopt.length} leases adopted, ${release.length} ended, ${orphans.length} orphans, ` +
    `${findings.length} findings in ${formatDuration(tookMs)}.`
  );
}
