import { cpus } from 'node:os';
import cron from 'node-cron';
import { createClusterActivities } from '../activities/cluster.ts';
import { heartbeatSerial } from '../api/heartbeat-serial.ts';
import { hostedVmWorkflowId } from '../domain/cluster-messages.ts';
import { hostedVmSignals } from '../domain/hosted-vm/messages.ts';
import { createEvaluator } from '../foresight/evaluator.ts';
import { watchDemand } from '../foresight/demand-watcher.ts';
import { startFitter } from '../foresight/fitter.ts';
import { threadForecaster } from '../providers/forecasting/threads.ts';
import { startWorker } from '../workers/worker.ts';
import { probeOnce } from './probe.ts';
import { healthFactors } from './health-factors.ts';
import { temporalClient, workerConnection } from './parts.ts';
import type { Parts, TemporalPlace } from './parts.ts';
import type { Process } from './process.ts';

export type WorkerProcessOptions = {
  readonly temporal: TemporalPlace;
  /** Secret of the guests' heartbeat tokens; without it shadows get none. */
  readonly heartbeatSecret?: Buffer;
  readonly identity: string;
  /** Threads that fit forecasts; 1 unless told. */
  readonly threads?: number;
};

/** Every minute: minutes are rolled up soon after they end, partitions are there before they are needed. */
const upkeepCadence = '* * * * *';

/** The worker process: workflows, their activities, the watch over demand, and the store's upkeep. */
export async function startWorkerProcess(parts: Parts, options: WorkerProcessOptions): Promise<Process> {
  const { stores, providers, log } = parts;
  const connection = await workerConnection(options.temporal, log);
  const temporal = temporalClient(options.temporal);
  const { heartbeatSecret } = options;
  const deps = {
    hypervisorOf: providers.hypervisorOf,
    nameServerOf: providers.nameServerOf,
    registry: stores.registry,
    heartbeats: stores.heartbeats,
    evaluator: createEvaluator({
      demand: stores.demand,
      registry: stores.registry,
      forecasts: stores.forecasts,
      beliefs: stores.beliefs,
      healthOf: healthFactors(parts),
    }),
    probe: probeOnce,
    ...(heartbeatSecret === undefined
      ? {}
      : { heartbeatSerialOf: (instance: string) => heartbeatSerial(heartbeatSecret, instance) }),
  };
  const worker = await startWorker(deps, {
    connection,
    namespace: options.temporal.namespace,
    identity: options.identity,
    more: createClusterActivities(deps),
  });
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
  const { threads = 1 } = options;
  const forecaster = threadForecaster({ threads });
  const fitter = startFitter({
    demand: stores.demand,
    forecasts: stores.forecasts,
    ledger: stores.fits,
    events: stores.events,
    forecaster,
    specs: () => Promise.resolve(parts.inventory.current()?.inventory.hostedVms ?? []),
    holder: options.identity,
    atOnce: threads,
    now: Date.now,
    log: (line, facts) => log.info(facts, line),
  });
  const upkeep = cron.schedule(
    upkeepCadence,
    async () => {
      await stores.demand
        .maintain(Date.now())
        .catch((error: unknown) => log.warn({ error: String(error) }, 'upkeep of the store failed; again in a minute'));
    },
    { noOverlap: true },
  );
  log.info({ cpus: cpus().length }, `worker ${options.identity} takes work`);
  return {
    done: worker.done,
    stop: async () => {
      await upkeep.destroy();
      await Promise.all([watcher.stop(), fitter.stop()]);
      await forecaster.close();
      await worker.stop();
      await temporal.close();
      await connection.close();
    },
  };
}
