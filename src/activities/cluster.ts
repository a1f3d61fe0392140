import type { Lease } from '../domain/cluster/lease.ts';
import type { ClusterSnapshot, GuestPlace, NodeFacts } from '../domain/cluster/snapshot.ts';
import type { Placement } from '../domain/cluster/state.ts';
import { inRange } from '../domain/cluster/address-range.ts';
import type { LeaseRequest } from '../domain/cluster-messages.ts';
import type { ClusterSpec } from '../domain/inventory.ts';
import type { EpochMs } from '../domain/time.ts';
import { secondMs } from '../domain/time.ts';
import type { Origin, PlacementWorld, StorageFacts } from '../planning/placement.ts';
import { planPlacements } from '../planning/placement.ts';
import { ProviderError } from '../ports/errors.ts';
import type { ClusterView, GuestView, NodeView } from '../ports/hypervisor.ts';
import { cancellation } from './attempt.ts';
import type { ActivityDeps } from './deps.ts';

export type ClusterDeps = Pick<ActivityDeps, 'hypervisorOf'>;

export type ObserveRequest = {
  readonly spec: ClusterSpec;
  /** What the bookkeeping holds now: these guests are ours, the rest of our ranges is stray. */
  readonly leases: readonly Lease[];
  /** Other guests whose node matters: the primaries. */
  readonly interest: readonly number[];
};

export type PlaceRequest = ObserveRequest & { readonly requests: readonly LeaseRequest[] };

/** A view this young is used again: thirty requests at once look at the cluster once. */
const viewFreshMs = 2 * secondMs;

/** Activities of the `cluster` workflow: they look, and they think; nothing here changes a cluster. */
export function createClusterActivities(deps: ClusterDeps) {
  const views = new Map<string, { at: EpochMs; view: Promise<ClusterView> }>();

  const observe = async (cluster: string): Promise<ClusterView> => {
    const held = views.get(cluster);
    if (held !== undefined && Date.now() - held.at < viewFreshMs) return await held.view;
    // Not cancelled with the attempt that happens to ask first: others wait for it too.
    const view = deps.hypervisorOf(cluster).then((hypervisor) => hypervisor.observeCluster());
    views.set(cluster, { at: Date.now(), view });
    view.catch(() => views.delete(cluster));
    return await view;
  };

  return {
    /** The cluster as the bookkeeping needs it, for the leases it holds now. */
    async observeCluster(request: ObserveRequest): Promise<ClusterSnapshot> {
      return snapshotOf(await observe(request.spec.name), request);
    },

    /** A place for each request, seen against a fresh view; every one is answered. */
    async placeShadows(
      request: PlaceRequest,
    ): Promise<{ readonly snapshot: ClusterSnapshot; readonly placements: readonly Placement[] }> {
      const view = await observe(request.spec.name);
      const snapshot = snapshotOf(view, request);
      const world = await worldOf(deps, view, snapshot, request);
      return { snapshot, placements: planPlacements(world, placedNow(snapshot, request.leases), request.requests) };
    },
  };
}

export type ClusterActivities = ReturnType<typeof createClusterActivities>;

/** Leases where their guests are now: somebody else may have moved them. */
function placedNow(snapshot: ClusterSnapshot, leases: readonly Lease[]): Lease[] {
  const nodeOf = new Map(snapshot.guests.map((guest) => [guest.vmid, guest.node]));
  return leases.map((lease) => ({ ...lease, node: nodeOf.get(lease.vmid) ?? lease.node }));
}

export function snapshotOf(view: ClusterView, { spec, leases, interest }: ObserveRequest): ClusterSnapshot {
  const leased = new Set(leases.map((lease) => lease.vmid));
  const ofInterest = new Set([...leased, ...interest]);
  const strays = view.guests.filter((guest) => !leased.has(guest.ref.vmid));
  return {
    at: view.at,
    quorate: view.quorate,
    nodes: view.nodes.map((node) => nodeFacts(node, view.guests, leased)),
    guests: view.guests.filter((guest) => ofInterest.has(guest.ref.vmid)).map(placeOf),
    strayVmids: strays
      .map((guest) => guest.ref.vmid)
      .filter((vmid) => vmid >= spec.vmids.from && vmid <= spec.vmids.to),
    strayAddresses: strays.flatMap((guest) => guest.addresses).filter((address) => inRange(spec.addresses, address)),
  };
}

function placeOf(guest: GuestView): GuestPlace {
  return {
    vmid: guest.ref.vmid,
    node: guest.node,
    ...(guest.marker === undefined ? {} : { role: guest.marker.role }),
  };
}

function nodeFacts(node: NodeView, guests: readonly GuestView[], leased: ReadonlySet<number>): NodeFacts {
  const awake = guests.filter((guest) => guest.node === node.node && takesMemory(guest));
  const others = awake.filter((guest) => !leased.has(guest.ref.vmid));
  const usedByGuests = awake.reduce((sum, guest) => sum + (guest.memoryUsed ?? 0) * guest.memoryMiB, 0);
  return {
    node: node.node,
    online: node.online,
    maintenance: node.maintenance,
    ...(node.cpus === undefined ? {} : { cpus: node.cpus }),
    ...(node.memoryMiB === undefined ? {} : { memoryMiB: node.memoryMiB }),
    ...(node.hidden === undefined ? {} : { hidden: node.hidden }),
    othersMemoryMiB: others.reduce((sum, guest) => sum + guest.memoryMiB, 0),
    othersCores: others.reduce((sum, guest) => sum + guest.cores, 0),
    hostMemoryMiB: Math.max(0, Math.round((node.memoryUsedMiB ?? 0) - usedByGuests)),
  };
}

function takesMemory(guest: GuestView): boolean {
  return guest.power === 'running' || guest.power === 'paused' || guest.power === 'unknown';
}

async function worldOf(
  deps: ClusterDeps,
  view: ClusterView,
  snapshot: ClusterSnapshot,
  { spec, requests }: PlaceRequest,
): Promise<PlacementWorld> {
  const sources = [
    ...new Set(requests.flatMap((one) => [one.source, ...(one.otherSources ?? [])].map(({ vmid }) => vmid))),
  ];
  const origins = new Map<number, Origin[]>();
  const hidden = new Map<number, string>();
  for (const vmid of sources) {
    try {
      origins.set(vmid, await originsOf(deps, view, spec.name, vmid));
    } catch (error) {
      // Whoever wants a copy of this one is told; the others get their places.
      if (!(error instanceof ProviderError) || error.failureClass !== 'permission') throw error;
      hidden.set(vmid, error.message);
    }
  }
  const primaries = requests.flatMap((one) => one.awayFrom.filter((other) => other.strict).map((other) => other.vmid));
  const storagesOf = new Map(
    view.guests.filter((guest) => primaries.includes(guest.ref.vmid)).map((guest) => [guest.ref.vmid, guest.storages]),
  );
  return {
    snapshot,
    origins,
    hidden,
    hiddenStorages: await hiddenStorages(deps, view, spec.name, [...origins.values()].flat()),
    storages: storageFacts(view),
    storagesOf,
    ...(spec.storage === undefined ? {} : { storage: spec.storage }),
  };
}

/** The source, and templates of the same name elsewhere: how one keeps a golden image on nodes with local storage. */
async function originsOf(deps: ClusterDeps, view: ClusterView, cluster: string, vmid: number): Promise<Origin[]> {
  const listed = view.guests.find((guest) => guest.ref.vmid === vmid);
  // The list does not say which storages a guest of somebody else's uses; the guest itself does.
  const source =
    listed !== undefined && listed.storages.length > 0
      ? listed
      : ((await (await deps.hypervisorOf(cluster)).observeGuest({ cluster, vmid }, cancellation())) ?? listed);
  if (source === undefined) return [];
  const twins = view.guests.filter(
    (guest) => source.template && guest.template && guest.name === source.name && guest.ref.vmid !== vmid,
  );
  return [source, ...twins]
    .filter((guest) => guest.nodeOnline)
    .map((guest) => ({
      vmid: guest.ref.vmid,
      node: guest.node,
      template: guest.template,
      storages: guest.storages,
    }));
}

/** Storages of sources that the cluster does not list, where a right is missing; by name, with what grants it. */
async function hiddenStorages(
  deps: ClusterDeps,
  view: ClusterView,
  cluster: string,
  origins: readonly Origin[],
): Promise<Map<string, string>> {
  const listed = new Set((view.storages ?? []).map(({ storage }) => storage));
  const unlisted = origins.filter(({ storages }) => storages.some((one) => !listed.has(one)));
  if (unlisted.length === 0) return new Map();
  const used = { primaries: [], templates: unlisted.map(({ vmid }) => vmid) };
  const rights = await (await deps.hypervisorOf(cluster)).checkRights(cancellation(), used);
  const names = unlisted.flatMap(({ storages }) => storages).filter((one) => !listed.has(one));
  return new Map(
    names.flatMap((name) => {
      const lacking = rights.find(({ path, granted }) => path === `/storage/${name}` && !granted);
      if (lacking === undefined) return [];
      const { privilege, path, mend } = lacking;
      return [
        [
          name,
          `storage ${name} is not visible to this token: it needs ${privilege} on ${path}; grant it with: ${mend}`,
        ],
      ];
    }),
  );
}

function storageFacts(view: ClusterView): StorageFacts[] {
  const byName = new Map<string, { nodes: string[]; shared: boolean }>();
  for (const one of view.storages ?? []) {
    const facts = byName.get(one.storage) ?? { nodes: [], shared: one.shared };
    if (one.available) facts.nodes.push(one.node);
    byName.set(one.storage, facts);
  }
  return [...byName].map(([storage, { nodes, shared }]) => ({ storage, nodes, shared }));
}
