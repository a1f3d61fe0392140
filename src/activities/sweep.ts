import type { Lease } from '../domain/cluster/lease.ts';
import type { LedgerView } from '../domain/cluster/ledger.ts';
import type {
  HiddenVmid,
  Orphan,
  SweepEvidence,
  SweepFinding,
  SweepReport,
  SweptGuest,
  SweptHostedVm,
} from '../domain/cluster/sweep.ts';
import { sweepReport } from '../domain/cluster/sweep.ts';
import type { ClusterSpec, Inventory } from '../domain/inventory.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import type { EpochMs } from '../domain/time.ts';
import type { HostedVmView } from '../domain/view.ts';
import { ProviderError } from '../ports/errors.ts';
import type { ClusterView, GuestView, Hypervisor, Marker } from '../ports/hypervisor.ts';
import { beat, cancellation, steadily } from './attempt.ts';
import type { ActivityDeps } from './deps.ts';

export type SweepDeps = Pick<ActivityDeps, 'hypervisorOf' | 'nameServerOf'> & {
  readonly inventory: () => Promise<Inventory>;
  /** The `ledger` query of the cluster's workflow. */
  readonly ledgerOf: (cluster: string) => Promise<LedgerView>;
  /** What a hosted VM's own workflow says now; undefined when none runs. Never the projection: it may be late. */
  readonly hostedVmOf: (id: string) => Promise<HostedVmView | undefined>;
  /** Where findings are shown. */
  readonly report: (report: SweepReport) => Promise<void>;
};

export function createSweepActivities(deps: SweepDeps) {
  return {
    /** Looks at registry, Proxmox and DNS, and compares. Changes nothing. */
    async compareCluster({ cluster }: { readonly cluster: string }): Promise<SweepReport> {
      const evidence = await evidenceOf(deps, cluster);
      const report = sweepReport(evidence);
      return { ...report, findings: [...report.findings, ...(await leftOverFindings(deps, evidence))] };
    },

    async reportSweep(report: SweepReport): Promise<void> {
      await deps.report(report);
    },

    /**
     * A guest we made that its hosted VM does not have: stopped and marked as retired, or deleted when it was marked
     * so long ago. The evidence is gathered once more just before; an orphan that is none any more is left alone.
     */
    async ensureOrphanSettled({
      cluster,
      orphan,
      now,
    }: {
      readonly cluster: string;
      readonly orphan: Orphan;
      readonly now: EpochMs;
    }): Promise<'left' | 'retired' | 'deleted'> {
      const again = sweepReport(await evidenceOf(deps, cluster)).orphans.find((one) => one.vmid === orphan.vmid);
      if (again?.instance !== orphan.instance) return 'left';
      const hypervisor = await deps.hypervisorOf(cluster);
      const ref = { cluster, vmid: orphan.vmid };
      const marker: Marker = {
        hostedVmId: orphan.hostedVmId,
        n: orphan.n,
        operation: orphan.operation,
        role: 'retired',
        retiredAt: now,
      };
      if (again.expired) {
        await steadily(() => hypervisor.ensureDeleted(ref, marker, cancellation()));
        return 'deleted';
      }
      const guest = await hypervisor.observeGuest(ref, cancellation());
      if (guest?.marker?.role === 'retired' && guest.power === 'stopped') return 'retired';
      await steadily(() => hypervisor.ensurePower(ref, 'stopped', cancellation()));
      await hypervisor.ensureMarked(
        ref,
        { ...marker, retiredAt: guest?.marker?.retiredAt ?? now },
        { protected: false },
        cancellation(),
      );
      return 'retired';
    },
  };
}

export type SweepActivities = ReturnType<typeof createSweepActivities>;

/** Volumes of a guest that is gone, for people: nothing is freed. What cannot be looked at now is looked at next time. */
async function leftOverFindings(deps: SweepDeps, { cluster, leases }: SweepEvidence): Promise<SweepFinding[]> {
  const leased = new Set(leases.map(({ vmid }) => vmid));
  const hypervisor = await deps.hypervisorOf(cluster);
  const found = (await hypervisor.observeLeftOvers?.(cancellation()).catch(() => [])) ?? [];
  beat();
  return found
    .filter(({ vmid }) => !leased.has(vmid))
    .map(({ vmid, volume, node }) => ({
      severity: 'warning',
      reason: {
        code: 'volume-left-over',
        text: `${volume} belongs to VM ${vmid}, which is gone; on ${node}: pvesm free ${volume}`,
        facts: { vmid, node, volume },
      },
    }));
}

async function evidenceOf(deps: SweepDeps, cluster: string): Promise<SweepEvidence> {
  const { clusters, hostedVms } = await deps.inventory();
  const spec = clusters.find((one) => one.name === cluster);
  if (spec === undefined) throw new Error(`the inventory names no cluster ${cluster}`);
  // The ledger first: a lease granted after it was read belongs to a guest the view may not show yet.
  const { leases } = await deps.ledgerOf(cluster);
  const hypervisor = await deps.hypervisorOf(cluster);
  const view = await hypervisor.observeCluster(cancellation());
  beat();
  const unlisted = await unlistedOf(hypervisor, cluster, view, leases);
  const swept: SweptHostedVm[] = [];
  for (const hostedVm of hostedVms.filter((one) => one.primary.cluster === cluster)) {
    const found = await sweptHostedVm(deps, hostedVm);
    if (found !== undefined) swept.push(found);
    beat();
  }
  return {
    at: view.at,
    cluster,
    quorate: view.quorate,
    range: spec.vmids,
    guests: [...view.guests, ...unlisted.guests].filter((guest) => isOfInterest(spec, guest)).map(sweptGuest),
    hidden: unlisted.hidden,
    leases,
    hostedVms: swept,
  };
}

/** Proxmox leaves out of its list what our token may not see: each leased VMID that is not listed is asked for by itself. */
async function unlistedOf(
  hypervisor: Hypervisor,
  cluster: string,
  view: ClusterView,
  leases: readonly Lease[],
): Promise<{ readonly guests: readonly GuestView[]; readonly hidden: readonly HiddenVmid[] }> {
  const listed = new Set(view.guests.map(({ ref }) => ref.vmid));
  const guests: GuestView[] = [];
  const hidden: HiddenVmid[] = [];
  // Without quorum nothing is believed absent anyway.
  for (const { vmid } of view.quorate ? leases.filter((lease) => !listed.has(lease.vmid)) : []) {
    try {
      const found = await hypervisor.observeGuest({ cluster, vmid }, cancellation());
      if (found !== undefined) guests.push(found);
    } catch (error) {
      if (!(error instanceof ProviderError) || error.failureClass !== 'permission') throw error;
      hidden.push({ vmid, why: error.message });
    }
    beat();
  }
  return { guests, hidden };
}

async function sweptHostedVm(deps: SweepDeps, spec: HostedVmSpec): Promise<SweptHostedVm | undefined> {
  const view = await deps.hostedVmOf(spec.id);
  if (view === undefined) return undefined;
  const { instances, serving, generation } = view;
  return {
    id: spec.id,
    instances: instances.map(({ id, vmid, address, state }) => ({
      id,
      state,
      ...(vmid === undefined ? {} : { vmid }),
      ...(address === undefined ? {} : { address }),
    })),
    serving,
    keepDiskMs: spec.policy.keepDiskMs,
    answers: generation === null ? null : await answersOf(deps, spec),
  };
}

/** Every address any of the servers answers; null when one of them cannot be read: then nothing is known to be gone. */
async function answersOf(deps: SweepDeps, spec: HostedVmSpec): Promise<string[] | null> {
  const { servers } = await (await deps.nameServerOf(spec.zone)).observe(spec.zone, spec.names, cancellation());
  if (servers.length === 0 || servers.some((server) => server.error !== undefined)) return null;
  return [...new Set(servers.flatMap((server) => server.a))].sort();
}

function isOfInterest(spec: ClusterSpec, { ref, marker }: GuestView): boolean {
  return marker !== undefined || (ref.vmid >= spec.vmids.from && ref.vmid <= spec.vmids.to);
}

function sweptGuest(guest: GuestView): SweptGuest {
  const { ref, node, nodeOnline, name, power, lock, template, cores, memoryMiB, addresses, marker } = guest;
  return {
    ...{ vmid: ref.vmid, node, nodeOnline, name, power, template, cores, memoryMiB, addresses },
    ...(lock === undefined ? {} : { lock }),
    ...(marker === undefined ? {} : { marker }),
  };
}
