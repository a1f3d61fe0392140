import type { LeaseRequest } from '../domain/cluster-messages.ts';
import type { LossReport, NodeRoom } from '../domain/cluster/headroom.ts';
import { lossReports, rooms, unseenRoom } from '../domain/cluster/headroom.ts';
import type { Lease } from '../domain/cluster/lease.ts';
import { claimFor, provisionalLease } from '../domain/cluster/lease.ts';
import type { ClusterSnapshot } from '../domain/cluster/snapshot.ts';
import type { Placement } from '../domain/cluster/state.ts';
import type { Reason } from '../domain/reason.ts';

/** One guest or template shadows may be copied from. */
export type Origin = {
  readonly vmid: number;
  readonly node: string;
  readonly template: boolean;
  readonly storages: readonly string[];
};

export type StorageFacts = {
  readonly storage: string;
  /** Nodes that can use it now. */
  readonly nodes: readonly string[];
  readonly shared: boolean;
};

/** What placing needs to know of the world: a snapshot, and where things can be copied from and to. */
export type PlacementWorld = {
  readonly snapshot: ClusterSnapshot;
  /** By requested source: itself first, then templates of the same name on other nodes. */
  readonly origins: ReadonlyMap<number, readonly Origin[]>;
  /** Requested sources that exist and are not visible to the token, with what is missing. */
  readonly hidden?: ReadonlyMap<number, string>;
  /** Storages of sources that are not listed because they are not visible to the token, with what is missing. */
  readonly hiddenStorages?: ReadonlyMap<string, string>;
  readonly storages: readonly StorageFacts[];
  /** Where full clones go, if the inventory says so. */
  readonly storage?: string;
  /** Storages of the primaries, by VMID: standing by on another one is better. */
  readonly storagesOf: ReadonlyMap<number, readonly string[]>;
};

type Candidate = {
  readonly room: NodeRoom;
  readonly origin: Origin;
  readonly full: boolean;
  readonly storage?: string;
};
/** It cannot be told, for what the token may not see. */
type Unseen = { readonly unseen: string };
type Rejected = { readonly node: string; readonly why: string; readonly freeMiB: number; readonly unseen: boolean };

/**
 * Chooses a node, an origin and a storage for each request, one after the other, each seeing what the ones before it
 * took. The rules, the safer first: never on the primary's node; the origin can be copied there; memory and CPU for
 * its warmth; no hosted VM loses its N-1 place by it. Among what is left: away from sibling shadows, on another storage
 * than the primary, then where most memory is free.
 */
export function planPlacements(
  world: PlacementWorld,
  leases: readonly Lease[],
  requests: readonly LeaseRequest[],
): Placement[] {
  const taken = [...leases];
  return requests.map((request) => {
    const placement = planPlacement(world, taken, request);
    if (placement.kind === 'placed') taken.push(provisionalLease(request, placement.node));
    return placement;
  });
}

function planPlacement(world: PlacementWorld, leases: readonly Lease[], request: LeaseRequest): Placement {
  const { requestId } = request;
  const { snapshot } = world;
  if (!snapshot.quorate) {
    return { kind: 'refused', requestId, reason: { code: 'no-quorum', text: 'The cluster has no quorum now.' } };
  }
  const sources = [request.source, ...(request.otherSources ?? [])];
  const origins = sources.map(({ vmid }) => world.origins.get(vmid) ?? []).find(({ length }) => length > 0) ?? [];
  const hidden = sources.flatMap(({ vmid }) => world.hidden?.get(vmid) ?? [])[0];
  if (origins.length === 0 && hidden !== undefined) {
    return { kind: 'refused', requestId, reason: { code: 'source-hidden', text: hidden } };
  }
  if (origins.length === 0) {
    return {
      kind: 'refused',
      requestId,
      reason: {
        code: 'no-source',
        text: `VM ${sources.map(({ vmid }) => vmid).join(' or ')}, which shadows are copied from, is not to be seen in the cluster.`,
        facts: { source: request.source.vmid },
      },
    };
  }

  const onlyNode = snapshot.nodes.length === 1 ? snapshot.nodes[0] : undefined;
  const forbidden = onlyNode === undefined ? nodesToAvoid(snapshot, request) : new Map<string, string>();
  const rejected: Rejected[] = [];
  const candidates: Candidate[] = [];
  const before = lossReports(snapshot, leases);
  for (const room of rooms(snapshot, leases)) {
    const no = (why: string, unseen = false): void =>
      void rejected.push({ node: room.node, why, freeMiB: Math.max(0, room.freeMiB ?? 0), unseen });
    const candidate = copyTo(world, room, origins, request);
    const lack = lackOf(room, request);
    if (!room.usable) no('is off or in maintenance');
    else if (forbidden.has(room.node)) no(forbidden.get(room.node)!);
    else if (typeof candidate === 'string') no(candidate);
    else if ('unseen' in candidate) no(candidate.unseen, true);
    else if (room.freeMiB === null) no(room.hidden ?? `${room.node} has told no numbers`, true);
    else if (lack !== undefined) no(lack);
    else {
      const loss = firstNewLoss(
        before,
        lossReports(snapshot, [...leases, provisionalLease(request, room.node)]),
        request,
      );
      if (loss === undefined) candidates.push(candidate);
      else no(loss);
    }
  }
  const best = candidates.sort(
    (a, b) => preference(world, leases, request, b) - preference(world, leases, request, a),
  )[0];
  if (best === undefined) return { kind: 'refused', requestId, reason: noPlace(request, rejected) };
  const relaxed = onlyNode === undefined || request.awayFrom.length === 0 ? undefined : oneNode(onlyNode.node);
  return {
    kind: 'placed',
    requestId,
    node: best.room.node,
    full: best.full,
    source: best.origin.vmid === request.source.vmid ? request.source : { vmid: best.origin.vmid },
    ...(best.storage === undefined ? {} : { storage: best.storage }),
    ...(relaxed === undefined ? {} : { relaxed }),
  };
}

/** Nodes of what it must strictly be away from, with the reason. */
function nodesToAvoid(snapshot: ClusterSnapshot, request: LeaseRequest): Map<string, string> {
  const nodeOf = new Map(snapshot.guests.map((guest) => [guest.vmid, guest.node]));
  const avoid = new Map<string, string>();
  for (const { vmid, node, strict } of request.awayFrom) {
    const where = nodeOf.get(vmid) ?? node;
    if (strict && where !== undefined) avoid.set(where, `runs VM ${vmid}, which it stands by for`);
  }
  return avoid;
}

/** How the copy would be made on this node; or why it cannot be. */
function copyTo(
  world: PlacementWorld,
  room: NodeRoom,
  origins: readonly Origin[],
  request: LeaseRequest,
): Candidate | string | Unseen {
  const usable = (storage: string): boolean =>
    world.storages.find((one) => one.storage === storage)?.nodes.includes(room.node) ?? true;
  const shared = (storage: string): boolean => world.storages.find((one) => one.storage === storage)?.shared ?? false;
  // A snapshot exists on the requested source only.
  const sources = request.source.snapshot === undefined ? origins : origins.slice(0, 1);
  // The copy on the node itself first: nothing has to be seen from two nodes then.
  const nearest = [...sources].sort((a, b) => Number(b.node === room.node) - Number(a.node === room.node));
  for (const origin of nearest) {
    const full = !origin.template || request.source.snapshot !== undefined;
    const storage = full ? (world.storage ?? origin.storages[0]) : origin.storages[0];
    const needed = full && storage !== undefined ? [...origin.storages, storage] : origin.storages;
    const here = origin.node === room.node || needed.every(shared);
    if (here && (storage === undefined || usable(storage))) {
      return { room, origin, full, ...(storage === undefined ? {} : { storage }) };
    }
  }
  const origin = origins[0]!;
  // Whether it is shared is unknown then: it is not called local.
  const hidden = origin.storages.flatMap((one) => world.hiddenStorages?.get(one) ?? [])[0];
  if (hidden !== undefined) return { unseen: hidden };
  return (
    `cannot get a copy of VM ${origin.vmid}, which is on ${origin.node} with local storage (${origin.storages.join(', ')}); ` +
    `a template of the same name on ${room.node} or shared storage would do`
  );
}

function lackOf(room: NodeRoom, request: LeaseRequest): string | undefined {
  const claim = claimFor(request.warmth, request);
  const { freeMiB, vcpus, committedCores } = room;
  if (freeMiB !== null && claim.memoryMiB > freeMiB)
    return `has ${Math.max(0, freeMiB)} of ${claim.memoryMiB} MiB free`;
  if (vcpus !== null && claim.cores > 0 && committedCores + claim.cores > vcpus) {
    return `has ${vcpus - committedCores} of ${claim.cores} vCPUs left`;
  }
  return undefined;
}

/** The N-1 rule: who had room when a node is lost keeps it, and the new one's hosted VM has it too. */
function firstNewLoss(
  before: readonly LossReport[],
  after: readonly LossReport[],
  request: LeaseRequest,
): string | undefined {
  for (const report of after) {
    const shortBefore = new Set(before.find((one) => one.node === report.node)?.short.map((one) => one.hostedVmId));
    const fresh = report.short.find((one) => !shortBefore.has(one.hostedVmId) && one.hostedVmId !== request.hostedVmId);
    const itself = report.short.find(
      (one) => one.hostedVmId === request.hostedVmId && !shortBefore.has(one.hostedVmId),
    );
    const worst = fresh ?? itself;
    if (worst !== undefined && worst.node !== 'nowhere') {
      return `would leave ${worst.hostedVmId} without room if ${report.node} were lost (${worst.freeMiB ?? 'unknown'} of ${worst.needMiB} MiB)`;
    }
  }
  return undefined;
}

/** Higher is better. Siblings weigh most, then the storage, then the share of memory that stays free. */
function preference(
  world: PlacementWorld,
  leases: readonly Lease[],
  request: LeaseRequest,
  candidate: Candidate,
): number {
  const { node } = candidate.room;
  const places = new Map(world.snapshot.guests.map((guest) => [guest.vmid, guest.node]));
  const siblings =
    leases.filter((one) => one.hostedVmId === request.hostedVmId && one.node === node).length +
    request.awayFrom.filter((one) => !one.strict && (places.get(one.vmid) ?? one.node) === node).length;
  const primaryStorages = request.awayFrom
    .filter((one) => one.strict)
    .flatMap((one) => world.storagesOf.get(one.vmid) ?? []);
  const sameStorage = candidate.storage !== undefined && primaryStorages.includes(candidate.storage) ? 1 : 0;
  const free = (candidate.room.freeMiB ?? 0) / Math.max(1, candidate.room.memoryMiB ?? 0);
  return free - 10 * siblings - 2 * sameStorage;
}

function noPlace(request: LeaseRequest, rejected: readonly Rejected[]): Reason {
  // What cannot be seen might have room: that it cannot be seen is the reason then, whatever the other nodes lack.
  const unseen = rejected.filter((one) => one.unseen);
  if (unseen.length > 0) return unseenRoom(unseen);
  const claim = claimFor(request.warmth, request);
  const nodes = rejected.map((one) => `${one.node} ${one.why}`).join('; ');
  return {
    code: 'no-place',
    text: `No node can take ${request.instance} (${request.cores} vCPUs, ${request.memoryMiB} MiB, ${request.warmth}): ${nodes}.`,
    facts: {
      needMiB: claim.memoryMiB,
      needCores: claim.cores,
      nodes: rejected.length,
      mostFreeMiB: Math.max(0, ...rejected.map((one) => one.freeMiB)),
    },
  };
}

function oneNode(node: string): Reason {
  return {
    code: 'one-node',
    text: `${node} is the only node: the shadow protects against a failing guest, not against a failing node.`,
    facts: { node },
  };
}
