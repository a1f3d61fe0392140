import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { DemandStore } from '../ports/demand-store.ts';
import type { Registry as HostedVms } from '../ports/registry.ts';

export type Metrics = {
  /** Prometheus' text format. Reads the stores; what cannot be read is left out. */
  render(): Promise<string>;
  readonly contentType: string;
  countRequest(route: string, method: string, status: number, seconds: number): void;
  countHeartbeat(outcome: 'taken' | 'refused'): void;
  countBatch(outcome: 'written' | 'repeated' | 'failed'): void;
};

export function createMetrics(
  stores: { registry: HostedVms; demand: DemandStore },
  live: { listeners(): number; pending(): number; now(): number },
): Metrics {
  const registry = new Registry();
  const common = { registers: [registry] };
  collectDefaultMetrics({ register: registry, prefix: 'umbra_api_' });
  const requests = new Histogram({
    ...common,
    name: 'umbra_api_request_seconds',
    help: 'Time to answer a request',
    labelNames: ['route', 'method', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
  });
  const heartbeats = new Counter({
    ...common,
    name: 'umbra_heartbeats_total',
    help: "Guests' heartbeats",
    labelNames: ['outcome'],
  });
  const batches = new Counter({
    ...common,
    name: 'umbra_demand_batches_total',
    help: 'Batches from edges',
    labelNames: ['outcome'],
  });
  const hostedVms = new Gauge({
    ...common,
    name: 'umbra_hosted_vms',
    help: 'Hosted VMs by state',
    labelNames: ['state'],
  });
  const risk = new Gauge({ ...common, name: 'umbra_risk', help: 'Risk, 0 to 1', labelNames: ['hosted_vm'] });
  const demand = new Gauge({
    ...common,
    name: 'umbra_demand_qps',
    help: 'Demand at the last evaluation',
    labelNames: ['hosted_vm'],
  });
  const capacity = new Gauge({
    ...common,
    name: 'umbra_capacity_qps',
    help: 'Capacity of what serves now',
    labelNames: ['hosted_vm'],
  });
  const shadows = new Gauge({
    ...common,
    name: 'umbra_shadows',
    help: 'Shadows by state',
    labelNames: ['hosted_vm', 'state'],
  });
  const edgeAge = new Gauge({
    ...common,
    name: 'umbra_edge_last_bucket_age_seconds',
    help: 'Age of the newest bucket',
    labelNames: ['edge'],
  });
  const edgeShare = new Gauge({
    ...common,
    name: 'umbra_edge_observed_share',
    help: 'Part of DNS that the edge saw',
    labelNames: ['edge'],
  });
  const edgeFrames = new Gauge({
    ...common,
    name: 'umbra_edge_frames_per_second',
    help: 'dnstap frames',
    labelNames: ['edge'],
  });
  const pages = new Gauge({ ...common, name: 'umbra_api_open_streams', help: 'Pages that are live' });
  const pending = new Gauge({
    ...common,
    name: 'umbra_inventory_pending',
    help: 'Parts of the inventory not yet taken by their workflow',
  });

  const readFleet = async (): Promise<void> => {
    const views = await stores.registry.views();
    for (const gauge of [hostedVms, risk, demand, capacity, shadows]) gauge.reset();
    for (const view of views) {
      hostedVms.inc({ state: view.state });
      capacity.set({ hosted_vm: view.id }, view.capacityQps);
      if (view.evaluation !== null) risk.set({ hosted_vm: view.id }, view.evaluation.risk.score);
      if (view.evaluation?.demandQps != null) demand.set({ hosted_vm: view.id }, view.evaluation.demandQps);
      for (const { role, state } of view.instances) {
        if (role === 'shadow') shadows.inc({ hosted_vm: view.id, state: state.kind });
      }
    }
  };
  const readEdges = async (): Promise<void> => {
    const edges = await stores.demand.edges(live.now());
    for (const gauge of [edgeAge, edgeShare, edgeFrames]) gauge.reset();
    for (const { edge, lastBucketAt, observedShare, framesPerSecond } of edges) {
      if (lastBucketAt !== null) edgeAge.set({ edge }, (live.now() - lastBucketAt) / 1000);
      if (observedShare !== null) edgeShare.set({ edge }, observedShare);
      edgeFrames.set({ edge }, framesPerSecond);
    }
  };
  return {
    contentType: registry.contentType,
    render: async () => {
      pages.set(live.listeners());
      pending.set(live.pending());
      await Promise.allSettled([readFleet(), readEdges()]);
      return await registry.metrics();
    },
    countRequest: (route, method, status, seconds) => requests.observe({ route, method, status }, seconds),
    countHeartbeat: (outcome) => heartbeats.inc({ outcome }),
    countBatch: (outcome) => batches.inc({ outcome }),
  };
}
