import type { Claim, Lease } from './lease.ts';
import { claimOf } from './lease.ts';
import type { ClusterSnapshot, NodeFacts } from './snapshot.ts';

/** Room a node keeps for itself even when the numbers say that its host uses less. */
const leastReserveMiB = 1_024;
const reserveShare = 0.05;
/** vCPUs given out per real one: demand peaks of standing-by guests do not coincide with their primaries'. */
export const cpuOvercommit = 4;

export type NodeRoom = {
  readonly node: string;
  readonly usable: boolean;
  readonly memoryMiB: number;
  /** Given out: other guests, our claims, the host. */
  readonly committedMiB: number;
  readonly freeMiB: number;
  readonly vcpus: number;
  readonly committedCores: number;
};

/** What would happen to the hosted VMs whose instance of record is on this node if it were gone now. */
export type LossReport = {
  readonly node: string;
  readonly protectedVms: number;
  readonly fit: number;
  /** Who does not fit, where, and by how much. */
  readonly short: readonly {
    readonly hostedVmId: string;
    readonly node: string;
    readonly needMiB: number;
    readonly freeMiB: number;
  }[];
};

/** Room on every node, after the claims of the leases. */
export function rooms(snapshot: ClusterSnapshot, leases: readonly Lease[]): NodeRoom[] {
  return snapshot.nodes.map((facts) => {
    const claims = leases.filter((lease) => lease.node === facts.node).map(claimOf);
    return roomOf(facts, claims);
  });
}

function roomOf(facts: NodeFacts, claims: readonly Claim[]): NodeRoom {
  const reserve = Math.max(leastReserveMiB, facts.memoryMiB * reserveShare, facts.hostMemoryMiB);
  const ours = claims.reduce((sum, claim) => sum + claim.memoryMiB, 0);
  const committedMiB = Math.ceil(reserve + facts.othersMemoryMiB + ours);
  return {
    node: facts.node,
    usable: facts.online && !facts.maintenance,
    memoryMiB: facts.memoryMiB,
    committedMiB,
    freeMiB: facts.memoryMiB - committedMiB,
    vcpus: facts.cpus * cpuOvercommit,
    committedCores: facts.othersCores + claims.reduce((sum, claim) => sum + claim.cores, 0),
  };
}

/**
 * The N-1 question for every node: if it were gone now, which hosted VMs would still have room to run? A hot or paused
 * shadow has its memory already; a stopped one needs it on its node at that moment, beside all the others'.
 */
export function lossReports(snapshot: ClusterSnapshot, leases: readonly Lease[]): LossReport[] {
  const before = rooms(snapshot, leases);
  return snapshot.nodes.filter((facts) => facts.online).map(({ node }) => lossOf(node, snapshot, leases, before));
}

function lossOf(
  lost: string,
  snapshot: ClusterSnapshot,
  leases: readonly Lease[],
  before: readonly NodeRoom[],
): LossReport {
  const free = new Map(before.map((room) => [room.node, room.usable && room.node !== lost ? room.freeMiB : 0]));
  const short: LossReport['short'][number][] = [];
  const victims = hostedOn(lost, snapshot, leases);
  for (const hostedVmId of victims) {
    const candidates = leases
      .filter((one) => one.hostedVmId === hostedVmId && one.role === 'shadow' && one.node !== lost)
      .sort((a, b) => b.tier - a.tier)
      .map((lease) => ({ lease, needMiB: lease.memoryMiB - claimOf(lease).memoryMiB }));
    const chosen = candidates.find(({ lease, needMiB }) => needMiB <= Math.max(0, free.get(lease.node) ?? 0));
    if (chosen !== undefined) {
      free.set(chosen.lease.node, (free.get(chosen.lease.node) ?? 0) - chosen.needMiB);
    } else {
      const best = candidates[0];
      short.push({
        hostedVmId,
        node: best?.lease.node ?? 'nowhere',
        needMiB: best?.needMiB ?? 0,
        freeMiB: Math.max(0, free.get(best?.lease.node ?? '') ?? 0),
      });
    }
  }
  return { node: lost, protectedVms: victims.length, fit: victims.length - short.length, short };
}

/** Hosted VMs that have shadows and whose instance of record is on the node, sorted. */
function hostedOn(node: string, snapshot: ClusterSnapshot, leases: readonly Lease[]): string[] {
  const nodeOf = new Map(snapshot.guests.map((guest) => [guest.vmid, guest.node]));
  const found = new Set<string>();
  for (const lease of leases) {
    if (lease.role === 'retired') continue;
    const primaryNode =
      lease.role === 'primary'
        ? lease.node
        : lease.primaryVmid === undefined
          ? undefined
          : nodeOf.get(lease.primaryVmid);
    if (primaryNode === node) found.add(lease.hostedVmId);
  }
  return [...found].sort();
}
