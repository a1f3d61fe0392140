import type { Instance } from '../domain/instance.ts';
import { minuteMs, secondMs } from '../domain/time.ts';
import type { HealthFactors } from '../planning/risk/health-factors.ts';
import type { Heartbeat } from '../ports/registry.ts';
import type { ClusterView, GuestPressure, GuestView, Hypervisor, NodeView } from '../ports/hypervisor.ts';
import type { Parts } from './parts.ts';

/** A view of the cluster serves all evaluations for this long. */
const viewFreshMs = 15 * secondMs;
const heartbeatEveryMs = 10 * secondMs;
/** Pressure is a call for each guest: so many in the time a view is fresh, and the rest of the guests are judged without. */
const pressureCalls = 20;
/** Nobody waits longer for it: an evaluation is made without what does not come. */
const pressureWithinMs = 2 * secondMs;
/** A cluster that does not tell pressure is of before Proxmox VE 9; it is asked again after this. */
const askAgainMs = 10 * minuteMs;

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
  const pressureOf = budgetedPressure(providers.hypervisorOf);
  return async (primary) => {
    const [view, beats] = await Promise.all([
      viewOf(primary.cluster).catch(() => undefined),
      stores.heartbeats.newest([primary.id]).catch(() => new Map<string, Heartbeat>()),
    ]);
    const guest = view?.guests.find(({ ref }) => ref.vmid === primary.vmid);
    const node = view?.nodes.find((each) => each.node === guest?.node);
    const beat = beats.get(primary.id);
    const pressure = isRunning(guest) ? await pressureOf(primary) : undefined;
    return {
      ...healthOfGuest(guest),
      ...healthOfNode(node),
      ...(pressure === undefined
        ? {}
        : { cpuPressure: pressure.cpu, memoryPressure: pressure.memory, ioPressure: pressure.io }),
      ...(beat?.diskLatencyRatio === undefined ? {} : { diskLatencyRatio: beat.diskLatencyRatio }),
      ...(beat === undefined ? {} : { silentMs: Math.max(0, Date.now() - beat.at - heartbeatEveryMs) }),
    };
  };
}

type PressureOf = (primary: Instance) => Promise<GuestPressure | undefined>;

/** Asks for the pressure of one guest, within a budget for each cluster and only where it is told. */
function budgetedPressure(hypervisorOf: (cluster: string) => Promise<Hypervisor>): PressureOf {
  const clusters = new Map<string, { since: number; calls: number; silentUntil: number }>();
  return async ({ cluster, vmid }) => {
    const now = Date.now();
    const known = clusters.get(cluster) ?? { since: now, calls: 0, silentUntil: 0 };
    clusters.set(cluster, known);
    if (now - known.since > viewFreshMs) Object.assign(known, { since: now, calls: 0 });
    if (vmid === undefined || now < known.silentUntil || known.calls >= pressureCalls) return undefined;
    known.calls += 1;
    try {
      const hypervisor = await hypervisorOf(cluster);
      const found = await hypervisor.observePressure?.({ cluster, vmid }, AbortSignal.timeout(pressureWithinMs));
      if (found === undefined) known.silentUntil = now + askAgainMs;
      return found;
    } catch {
      // What Proxmox does not say now is not known; the view of the cluster tells whether it is away.
      return undefined;
    }
  };
}

function isRunning(guest: GuestView | undefined): guest is GuestView {
  return guest?.nodeOnline === true && guest.power === 'running';
}

/** The list shows the last figures of a guest on a node that is off: they say nothing of now. */
export function healthOfGuest(guest: GuestView | undefined): HealthFactors {
  if (!isRunning(guest)) return {};
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
    ...(online && memoryMiB !== undefined && memoryUsedMiB !== undefined && memoryMiB > 0
      ? { nodeMemoryUsed: memoryUsedMiB / memoryMiB }
      : {}),
  };
}
