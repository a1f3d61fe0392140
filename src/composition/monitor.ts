import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import type { WatchShard } from '../activities/monitoring.ts';
import { hostedVmWorkflowId } from '../domain/cluster-messages.ts';
import { bucketMs } from '../domain/demand.ts';
import type { HealthReport } from '../domain/health.ts';
import { hostedVmSignals } from '../domain/hosted-vm/messages.ts';
import { parseInstanceId } from '../domain/instance.ts';
import { minuteMs, secondMs } from '../domain/time.ts';
import { systemClock } from '../monitor/clock.ts';
import { clusterSource } from '../monitor/cluster-views.ts';
import { guardedDemand } from '../foresight/guarding.ts';
import { demandSource } from '../monitor/demand.ts';
import { heartbeatSource } from '../monitor/heartbeats.ts';
import type { MonitoredInstance } from '../monitor/monitored.ts';
import { monitorShard } from '../monitor/shard.ts';
import type { EvidenceSource } from '../monitor/source.ts';
import type { ProbeTarget } from '../ports/prober.ts';
import type { Registry } from '../ports/registry.ts';
import { socketProber } from '../providers/probes/prober.ts';
import { startMonitor } from '../workers/monitor.ts';
import { temporalClient, workerConnection } from './parts.ts';
import type { Parts, TemporalPlace } from './parts.ts';
import type { Process } from './process.ts';
import { keepSnapshot } from './snapshot.ts';
import type { Snapshot } from './snapshot.ts';
import { hashOf } from '../domain/text-hash.ts';

export type MonitorProcessOptions = {
  readonly temporal: TemporalPlace;
  readonly vantage: string;
  readonly shards?: number;
  /** `host:port` that always answers; while it does not, this monitor is blind. */
  readonly canary?: { readonly host: string; readonly port: number };
};

type Watched = Awaited<ReturnType<Registry['watched']>>;

/**
 * Heartbeats, Proxmox and demand are one vote each for the whole installation, whichever monitor looks at them:
 * their vantage point is shared by all monitor processes, and Temporal moves it when one dies.
 */
const sourcesVantage = 'sources';

const guestsBeatEveryMs = secondMs;

/** The monitor process: probes from its vantage point, and a share in looking at the other sources. */
export async function startMonitorProcess(parts: Parts, options: MonitorProcessOptions): Promise<Process> {
  const { stores, log } = parts;
  const { vantage } = options;
  const connection = await workerConnection(options.temporal, log);
  const temporal = temporalClient(options.temporal);
  const watched = await keepSnapshot<Watched>({
    what: `instances watched from ${vantage}`,
    file: join(parts.dataDir, `watched-${vantage}.json`),
    read: () => stores.registry.watched(),
    subscribe: (listener) => stores.registry.onChange(listener),
    log: (line) => log.info(line),
  });
  const shared = { connection, client: temporal.client, namespace: options.temporal.namespace };
  const prober = socketProber();
  const send = sender(temporal.client);
  const watchWith =
    (
      part: (shard: number, of: number) => MonitoredInstance[],
      more: { readonly sources?: readonly EvidenceSource[]; readonly canaries?: readonly ProbeTarget[] },
    ): WatchShard =>
    async ({ vantage: from, shard, of, epoch, beat, signal }) => {
      await monitorShard({
        vantage: from,
        epoch,
        instances: () => part(shard, of),
        prober,
        send,
        beat,
        clock: systemClock,
        signal,
        ...more,
      });
    };

  const probing = await startMonitor({
    ...shared,
    vantage,
    shards: options.shards ?? 1,
    watch: watchWith(
      (shard, of) => monitored(parts, watched).filter(({ hostedVmId }) => shardOf(hostedVmId, of) === shard),
      {
        ...(options.canary === undefined ? {} : { canaries: [canaryTarget(options.canary)] }),
      },
    ),
  });
  const looking = await startMonitor({
    ...shared,
    vantage: sourcesVantage,
    watch: watchWith(() => monitored(parts, watched).map((each) => ({ ...each, checks: [] })), {
      sources: sourcesOf(parts),
    }),
  });
  log.info({ vantage }, `monitor ${vantage} watches`);
  return {
    done: Promise.race([probing.done, looking.done]),
    stop: async () => {
      await Promise.all([probing.stop(), looking.stop()]);
      await watched.close();
      await temporal.close();
      await connection.close();
    },
  };
}

function sender(client: Client): (report: HealthReport) => Promise<void> {
  return async (report) => {
    const { hostedVmId } = parseInstanceId(report.instance);
    await client.workflow.getHandle(hostedVmWorkflowId(hostedVmId)).signal(hostedVmSignals.healthChanged, report);
  };
}

/** What the registry lists, with the checks that the inventory asks for. */
function monitored({ inventory }: Parts, watched: Snapshot<Watched>): MonitoredInstance[] {
  const specs = new Map(inventory.current()?.inventory.hostedVms.map((spec) => [spec.id, spec]));
  return (watched.current() ?? []).flatMap(({ hostedVmId, instance, serving }) => {
    const spec = specs.get(hostedVmId);
    const { address, cluster, vmid } = instance;
    if (spec === undefined || address === undefined) return [];
    return [
      {
        instance: instance.id,
        hostedVmId,
        address,
        checks: spec.checks,
        host: spec.names[0] ?? hostedVmId,
        capacityQps: instance.capacityQps,
        serving,
        ...(vmid === undefined ? {} : { guest: { cluster, vmid } }),
      },
    ];
  });
}

function sourcesOf({ stores, providers, inventory }: Parts): EvidenceSource[] {
  return [
    heartbeatSource((instances) => stores.heartbeats.newest(instances), guestsBeatEveryMs),
    clusterSource(async () => {
      const clusters = inventory.current()?.inventory.clusters ?? [];
      const views = await Promise.allSettled(
        clusters.map(async ({ name }) => await (await providers.hypervisorOf(name)).observeCluster()),
      );
      // One cluster that is away must not blind us to the others.
      return views.flatMap((view) => (view.status === 'fulfilled' ? [view.value] : []));
    }),
    demandSource(
      async (hostedVmIds) => {
        const to = Math.floor(Date.now() / bucketMs) * bucketMs;
        const series = await stores.demand.readMany({ hostedVmIds, from: to - minuteMs, to, stepMs: bucketMs });
        return new Map(
          [...series].flatMap(([id, { start, qps }]) => {
            const newest = qps.findLastIndex(Number.isFinite);
            return newest < 0 ? [] : [[id, { at: start + newest * bucketMs, qps: qps[newest]! }] as const];
          }),
        );
      },
      async (hostedVmId, counted) => {
        const [from, to] = [counted[0]!.at, counted.at(-1)!.at + bucketMs];
        const { qps } = await guardedDemand(stores, { hostedVmId, from, to, stepMs: bucketMs });
        return counted.map(({ at }) => ({ at, qps: qps[(at - from) / bucketMs] ?? NaN }));
      },
    ),
  ];
}

/** Stable over restarts and over changes of other hosted VMs. */
function shardOf(hostedVmId: string, of: number): number {
  return hashOf(hostedVmId) % of;
}

function canaryTarget({ host, port }: { host: string; port: number }): ProbeTarget {
  return {
    address: host,
    check: { kind: 'tcp', port, intervalMs: secondMs, timeoutMs: secondMs, failures: 2 },
  };
}
