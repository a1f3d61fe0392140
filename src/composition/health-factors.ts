import type { Instance } from '../domain/instance.ts';
import { secondMs } from '../domain/time.ts';
import type { HealthFactors } from '../planning/risk/health-factors.ts';
import type { ClusterView, GuestView, NodeView } from '../ports/hypervisor.ts';
import type { Parts } from './parts.ts';

/** A view of the cluster serves all evaluations for this long. */
const viewFreshMs = 15 * secondMs;
const heartbeatEveryMs = 10 * secondMs;

/** What Proxmox and the heartbeats say of a primary now. Nothing known is no reason not to evaluate. */
export function healthFactors({ providers, stores }: Parts): (primary: Instance) => Promise<HealthFactors | undefined> {
  const views = new Map<string, { at: number; view: Promise<ClusterView> }>();
  const viewOf = (cluster: string): Promise<ClusterView> => {
    const known = views.get(cluster);
    if (known !== undefined && Date.now() - known.at < viewFreshMs) return known.view;
    const view = providers.hypervisorOf(cluster).then((hypervisor) => hypervisor.observeCluster());
    views.set(cluster, { at: Date.now(), view });
    return view;
  };
  return async (primary) => {
    const [view, beats] = await Promise.all([
      viewOf(primary.cluster).catch(() => undefined),
      stores.heartbeats.newest([primary.id]).catch(() => new Map()),
    ]);
    const guest = view?.guests.find(({ ref }) => ref.vmid === primary.vmid);
    const node = view?.nodes.find((each) => each.node === guest?.node);
    const beat = beats.get(primary.id) as { at: number } | undefined;
    return {
      ...healthOfGuest(guest),
      ...healthOfNode(node),
      ...(beat === undefined ? {} : { silentMs: Math.max(0, Date.now() - beat.at - heartbeatEveryMs) }),
    };
  };
}

/** The list shows the last figures of a guest on a node that is off: they say nothing of now. */
export function healthOfGuest(guest: GuestView | undefined): HealthFactors {
  if (guest === undefined || !guest.nodeOnline || guest.power !== 'running') return {};
  const { cpu, memoryUsed, uptimeSeconds } = guest;
  return {
    ...(cpu === undefined ? {} : { cpu }),
    ...(memoryUsed === undefined ? {} : { memoryUsed }),
    // Zero is said before the first figures of a start are there.
    ...(uptimeSeconds === undefined || uptimeSeconds === 0 ? {} : { uptimeMs: uptimeSeconds * secondMs }),
  };
}

export function healthOfNode(node: NodeView | undefined): HealthFactors {
  if (node === undefined) return {};
  const { online, maintenance, memoryMiB, memoryUsedMiB } = node;
  return {
    node: node.node,
    nodeOnline: online,
    nodeMaintenance: maintenance,
    ...(online && memoryMiB > 0 ? { nodeMemoryUsed: memoryUsedMiB / memoryMiB } : {}),
  };
}
