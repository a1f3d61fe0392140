import { pino } from 'pino';
import type { Logger } from 'pino';
import type { Finding } from './api/doctor.ts';
import type { ApiOptions, RunningApi } from './api/options.ts';
import { openReplay } from './collector/replay.ts';
import type { Collector } from './collector/collector.ts';
import { startApiProcess } from './composition/api.ts';
import { namesOf, startCollectorProcess } from './composition/collector.ts';
import { examination } from './composition/examination.ts';
import { startMonitorProcess } from './composition/monitor.ts';
import { namesOverHttp } from './composition/names-over-http.ts';
import { recallInventory } from './composition/inventory.ts';
import { openParts, temporalClient } from './composition/parts.ts';
import type { Parts } from './composition/parts.ts';
import type { Running } from './composition/process.ts';
import {
  addressesOf,
  apiOptions,
  storePlace,
  collectorSettings,
  monitorOptions,
  temporalPlace,
  workerOptions,
} from './composition/process-options.ts';
import { providersOf } from './composition/providers.ts';
import { openStores } from './composition/stores.ts';
import { installTemporalLog } from './composition/temporal-log.ts';
import { startWorkerProcess } from './composition/worker.ts';
import type { Config } from './config.ts';
import { writeOverHttp } from './providers/http-demand-store.ts';

/*
 * Umbra's processes, put together from the configuration. The command line starts one in each process of its own; the
 * demonstration starts all of them in one, on parts that it opens once.
 */

/** Parts that several processes share; they are closed by who has opened them. */
type Shared = { readonly parts?: Parts };

/** @param log where everything is said; by default on standard output, at the configured level */
export async function openInstallation(config: Config, process: string, log?: Logger): Promise<Parts> {
  const { postgresUrl, dataDir } = storePlace(config);
  const to = log ?? logOf(config, process);
  installTemporalLog(to);
  return await openParts(postgresUrl, dataDir, to);
}

export async function runWorker(config: Config, shared: Shared = {}): Promise<Running> {
  const parts = await partsOf(config, 'worker', shared);
  const worker = await startWorkerProcess(parts, await workerOptions(config));
  return { ended: worker.done ?? forever(), close: closing(() => worker.stop(), parts) };
}

export async function runMonitor(
  config: Config,
  { vantage, ...shared }: Shared & { readonly vantage?: string | undefined },
): Promise<Running> {
  const parts = await partsOf(config, 'monitor', shared);
  const monitor = await startMonitorProcess(parts, await monitorOptions(config, vantage));
  return { ended: monitor.done ?? forever(), close: closing(() => monitor.stop(), parts) };
}

/** @param more what only this installation knows of itself */
export async function runApi(
  config: Config,
  { more, ...shared }: Shared & { readonly more?: Pick<ApiOptions, 'components'> & { dnstap?: string } } = {},
): Promise<Running & { readonly api: RunningApi }> {
  // Before anything is waited for: a store that is away should not hide a mistake in the configuration.
  const options = await apiOptions(config);
  const parts = await partsOf(config, 'api', shared);
  const temporal = temporalClient(await temporalPlace(config));
  const { dnstap, components } = more ?? {};
  const api = await startApiProcess(parts, {
    ...options,
    client: temporal.client,
    addresses: () => ({
      ...addressesOf(config, parts.inventory.current()?.inventory),
      ...(dnstap === undefined ? {} : { dnstap }),
    }),
    doctor: examination(parts, temporal.client),
    ...(components === undefined ? {} : { components }),
  });
  const close = closing(async () => {
    await api.close();
    await temporal.close();
  }, parts);
  return { api, close };
}

export async function runCollector(
  config: Config,
  {
    replay,
    say,
    ...shared
  }: Shared & {
    readonly replay?: { readonly file: string; readonly speed: number };
    readonly say: (line: string) => void;
  },
): Promise<Running & { readonly collector: Collector }> {
  const { remote, ...settings } = collectorSettings(config);
  const log = shared.parts?.log ?? logOf(config, 'collector');
  const parts = remote === undefined ? await partsOf(config, 'collector', shared) : undefined;
  const names =
    remote === undefined ? undefined : namesOverHttp(remote.url, remote.tokenFile, storePlace(config).dataDir, log);
  const recording =
    replay === undefined ? undefined : await openReplay({ ...replay, times: 'recorded', wallClock: Date.now });
  const collector = await startCollectorProcess({
    ...settings,
    ...(recording === undefined ? {} : { listen: {}, clock: recording.clock }),
    store: remote === undefined ? parts!.stores.demand : writeOverHttp(remote.url, remote.tokenFile),
    names: parts === undefined ? names!.source : namesOf(parts.inventory),
    log,
  });
  const { tcp, tls, unix } = collector.addresses;
  for (const at of [unix, ...[tcp, tls].map((each) => each && `${each.host}:${each.port}`)]) {
    if (at !== undefined) say(`collector of edge ${settings.edge} listens on ${at}`);
  }
  const close = async (): Promise<void> => {
    await collector.close();
    await names?.stop();
    await parts?.close();
  };
  if (recording === undefined) return { collector, close };
  const ended = recording
    .run((bytes, start, end) => collector.feed(bytes, start, end))
    .then((frames) => say(`${frames} frames replayed`));
  return { collector, close, ended };
}

export { openDiscovery } from './composition/discovery.ts';

/** @returns findings of an installation whose API does not answer; the store may be away as well, so it is not waited for */
export async function examineInstallation(config: Config): Promise<readonly Finding[]> {
  const log = logOf(config, 'doctor');
  installTemporalLog(log);
  const stores = openStores(storePlace(config).postgresUrl);
  const inventory = await recallInventory(storePlace(config).dataDir);
  const providers = providersOf(inventory, log);
  const { client } = temporalClient(await temporalPlace(config));
  try {
    return await examination({ stores, providers, inventory }, client)();
  } finally {
    await providers.close();
    // Store and Temporal are left to the end of the process: a pool whose server is away may never say that it has closed, and
    // a retry of Temporal's client that finds its channel closed throws where nobody can catch it.
  }
}

/** Parts of its own, or the shared ones without the right to close them. */
async function partsOf(config: Config, process: string, { parts }: Shared): Promise<Parts> {
  if (parts !== undefined) return { ...parts, close: () => Promise.resolve() };
  return await openInstallation(config, process);
}

function logOf(config: Config, process: string): Logger {
  return pino({ level: storePlace(config).logLevel, base: { process } });
}

function closing(stop: () => Promise<void>, parts: Parts): () => Promise<void> {
  return async () => {
    await stop();
    await parts.close();
  };
}

function forever(): Promise<never> {
  return new Promise(() => undefined);
}
