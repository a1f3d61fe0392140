import type { Reason } from '../reason.ts';
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
  /** Null, as what is free and the vCPUs, when the node's numbers are not known. */
  readonly memoryMiB: number | null;
  /** Given out: other guests, our claims, the host. */
  readonly committedMiB: number;
  readonly freeMiB: number | null;
  readonly vcpus: number | null;
  readonly committedCores: number;
  /** Why an online node's numbers are not known. */
  readonly hidden?: string;
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
    /** Null when that node's memory is not known. */
    readonly freeMiB: number | null;
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
  const { memoryMiB = null, cpus, hidden } = facts;
  const reserve = Math.max(leastReserveMiB, (memoryMiB ?? 0) * reserveShare, facts.hostMemoryMiB);
  const ours = claims.reduce((sum, claim) => sum + claim.memoryMiB, 0);
  const committedMiB = Math.ceil(reserve + facts.othersMemoryMiB + ours);
  return {
    node: facts.node,
    usable: facts.online && !facts.maintenance,
    memoryMiB,
    committedMiB,
    freeMiB: memoryMiB === null ? null : memoryMiB - committedMiB,
    vcpus: cpus === undefined ? null : cpus * cpuOvercommit,
    committedCores: facts.othersCores + claims.reduce((sum, claim) => sum + claim.cores, 0),
    ...(hidden === undefined ? {} : { hidden }),
  };
}

/** Not "no room": whether there is any cannot be seen. The first says why and what mends it. */
export function unseenRoom(nodes: readonly { readonly node: string; readonly why: string }[]): Reason {
  const others = nodes.slice(1).map(({ node }) => node);
  const more = others.length === 0 ? '' : ` The same goes for ${others.join(', ')}.`;
  return {
    code: 'room-unseen',
    text: `${nodes[0]?.why ?? ''}.${more}`,
    facts: { nodes: nodes.map(({ node }) => node).join(' ') },
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
  // Room that cannot be seen is not counted on.
  const proven = (node: string): number => Math.max(0, free.get(node) ?? 0);
  const short: LossReport['short'][number][] = [];
  const victims = hostedOn(lost, snapshot, leases);
  for (const hostedVmId of victims) {
    const candidates = leases
      .filter((one) => one.hostedVmId === hostedVmId && one.role === 'shadow' && one.node !== lost)
      .sort((a, b) => b.tier - a.tier)
      .map((lease) => ({ lease, needMiB: lease.memoryMiB - claimOf(lease).memoryMiB }));
    const chosen = candidates.find(({ lease, needMiB }) => needMiB <= proven(lease.node));
    if (chosen !== undefined) {
      const { node } = chosen.lease;
      if (free.get(node) !== null) free.set(node, proven(node) - chosen.needMiB);
    } else {
      const best = candidates[0];
      short.push({
        hostedVmId,
        node: best?.lease.node ?? 'nowhere',
        needMiB: best?.needMiB ?? 0,
        freeMiB: best !== undefined && free.get(best.lease.node) === null ? null : proven(best?.lease.node ?? ''),
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
