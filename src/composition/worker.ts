import { cpus } from 'node:os';
import { createClusterActivities } from '../activities/cluster.ts';
import { createSweepActivities } from '../activities/sweep.ts';
import { heartbeatSerial } from '../api/heartbeat-serial.ts';
import { startLoop } from '../background/loop.ts';
import { hostedVmWorkflowId } from '../domain/cluster-messages.ts';
import { hostedVmSignals } from '../domain/hosted-vm/messages.ts';
import { minuteMs } from '../domain/time.ts';
import { createEvaluator } from '../foresight/evaluator.ts';
import { createFleetForecaster, isLarge } from '../foresight/fleet-forecaster.ts';
import { watchDemand } from '../foresight/demand-watcher.ts';
import { threadPredictor } from '../providers/forecasting/threads.ts';
import { startWorker } from '../workers/worker.ts';
import { probeOnce } from './probe.ts';
import { startForesight } from './foresight.ts';
import { keepFleetForecasts } from './fleet-forecasts.ts';
import { healthFactors } from './health-factors.ts';
import { temporalClient, workerConnection } from './parts.ts';
import type { Parts, TemporalPlace } from './parts.ts';
import type { Process } from './process.ts';
import { hostedVmViews, keepSweeps, sweepDeps } from './sweeps.ts';

export type WorkerProcessOptions = {
  readonly temporal: TemporalPlace;
  /** Secret of the guests' heartbeat tokens; without it shadows get none. */
  readonly heartbeatSecret: Buffer | undefined;
  /** Unique among workers. */
  readonly identity: string;
  /** Threads that fit forecasts, and as many that make them. */
  readonly threads: number;
  /** Forecasts are made in batches when there are more hosted VMs than this. */
  readonly batchAbove: number;
  /** Evaluations come this often; undefined: as the risk asks for it. */
  readonly evaluateEveryMs: number | undefined;
};

/** The worker process: workflows, their activities, the watch over demand, and the store's upkeep. */
export async function startWorkerProcess(parts: Parts, options: WorkerProcessOptions): Promise<Process> {
  const { stores, providers, log } = parts;
  const connection = await workerConnection(options.temporal, log);
  const temporal = temporalClient(options.temporal);
  const { heartbeatSecret } = options;
  const healthOf = healthFactors(parts);
  const predictor = threadPredictor({ threads: options.threads });
  const fleet = {
    specs: () => parts.inventory.current()?.inventory.hostedVms ?? [],
    batchAbove: options.batchAbove,
  };
  const forecasting = { demand: stores.demand, forecasts: stores.forecasts, predictor };
  const deps = {
    hypervisorOf: providers.hypervisorOf,
    nameServerOf: providers.nameServerOf,
    registry: stores.registry,
    heartbeats: stores.heartbeats,
    evaluator: createEvaluator({
      ...forecasting,
      registry: stores.registry,
      beliefs: stores.beliefs,
      isLarge: () => isLarge(fleet),
      healthOf,
      everyMs: options.evaluateEveryMs,
    }),
    fleet: createFleetForecaster({ ...forecasting, ...fleet }),
    probe: probeOnce,
    hostedVmOf: hostedVmViews(temporal.client),
    ...(heartbeatSecret === undefined
      ? {}
      : { heartbeatSerialOf: (instance: string) => heartbeatSerial(heartbeatSecret, instance) }),
  };
  const worker = await startWorker(deps, {
    connection,
    namespace: options.temporal.namespace,
    identity: options.identity,
    more: { ...createClusterActivities(deps), ...createSweepActivities(sweepDeps(parts, temporal.client)) },
  });
  const sweeps = keepSweeps(parts, temporal.client);
  const fleetForecasts = keepFleetForecasts(parts, temporal.client, () => isLarge(fleet));
  const watcher = watchDemand({
    demand: stores.demand,
    registry: stores.registry,
    tell: async (hostedVmId, news) => {
      await temporal.client.workflow
        .getHandle(hostedVmWorkflowId(hostedVmId))
        .signal(hostedVmSignals.demandChanged, news);
    },
    now: Date.now,
    log: (line) => log.warn(line),
  });
  const foresight = startForesight(parts, {
    holder: options.identity,
    threads: options.threads,
    cpuOf: async (primary) => (await healthOf(primary))?.cpu,
  });
  // As minutes end: they are rolled up soon after, and partitions are there before they are needed.
  const upkeep = startLoop({
    everyMs: minuteMs,
    offsetMs: 0,
    round: () => stores.demand.maintain(Date.now()),
    failed: (error) => log.warn({ error: String(error) }, 'upkeep of the store failed; again in a minute'),
  });
  log.info({ cpus: cpus().length }, `worker ${options.identity} takes work`);
  return {
    done: worker.done,
    stop: async () => {
      await Promise.all([upkeep.stop(), watcher.stop(), foresight.stop(), sweeps.stop(), fleetForecasts.stop()]);
      await worker.stop();
      await predictor.close();
      await temporal.close();
      await connection.close();
    },
  };
}
