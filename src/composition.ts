import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import type { Logger } from 'pino';
import type { Finding } from './api/doctor.ts';
import { checkAccess } from './api/server.ts';
import { parseTokenFile } from './api/tokens.ts';
import type { TokenEntry } from './api/tokens.ts';
import type { Composition } from './cli/processes.ts';
import { openReplay } from './collector/replay.ts';
import { startApiProcess } from './composition/api.ts';
import { namesOf, startCollectorProcess } from './composition/collector.ts';
import { examination } from './composition/examination.ts';
import { startMonitorProcess } from './composition/monitor.ts';
import { namesOverHttp } from './composition/names-over-http.ts';
import { openParts, temporalClient } from './composition/parts.ts';
import type { Parts, TemporalPlace } from './composition/parts.ts';
import { installTemporalLog } from './composition/temporal-log.ts';
import { startWorkerProcess } from './composition/worker.ts';
import type { Config } from './config.ts';
import { splitHostPort } from './inventory/addresses.ts';
import { writeOverHttp } from './providers/http-demand-store.ts';

/*
 * Umbra's processes, put together from umbra.yaml. The demonstration puts the same parts together in src/demo/dev.ts.
 */

export const runWorker: Composition['runWorker'] = async (config) => {
  const parts = await partsOf(config, 'worker');
  const worker = await startWorkerProcess(parts, {
    temporal: await temporalPlace(config),
    identity: `${hostname()}@${process.pid}`,
    threads: config.worker.threads,
    batchAbove: config.worker.batchAbove,
    ...(await heartbeatSecret(config)),
  });
  return { ended: worker.done ?? forever(), close: closing(() => worker.stop(), parts) };
};

export const runMonitor: Composition['runMonitor'] = async (config, { vantage }) => {
  const parts = await partsOf(config, 'monitor');
  const { canary } = config.monitor;
  const monitor = await startMonitorProcess(parts, {
    temporal: await temporalPlace(config),
    vantage,
    ...(canary === undefined ? {} : { canary: splitHostPort(canary) }),
  });
  return { ended: monitor.done ?? forever(), close: closing(() => monitor.stop(), parts) };
};

export const runApi: Composition['runApi'] = async (config) => {
  const { api } = config;
  const access = { tokens: await tokensOf(api.tokensFile), hosts: api.hosts };
  // Before anything is waited for: a store that is away should not hide a mistake in the configuration.
  checkAccess(splitHostPort(api.listen).host, access);
  const parts = await partsOf(config, 'api');
  const temporal = temporalClient(await temporalPlace(config));
  const tls =
    api.tls === undefined
      ? undefined
      : { cert: await readFile(api.tls.certFile, 'utf8'), key: await readFile(api.tls.keyFile, 'utf8') };
  const secret = await heartbeatSecret(config);
  const running = await startApiProcess(parts, {
    ...splitHostPort(api.listen),
    client: temporal.client,
    access,
    addresses: () => addressesOf(config, parts),
    ...webRoot(config),
    doctor: examination(parts, temporal.client),
    ...secret,
    ...(tls === undefined ? {} : { tls }),
    ...(api.heartbeats === undefined ? {} : { heartbeats: splitHostPort(api.heartbeats) }),
  });
  return {
    close: closing(async () => {
      await running.close();
      await temporal.close();
    }, parts),
  };
};

export const runCollector: Composition['runCollector'] = async (config, { replay, say }) => {
  const log = logOf(config, 'collector');
  const { collector } = config;
  const remote = collector.api === undefined ? undefined : { url: collector.api, tokenFile: collector.tokenFile };
  if (remote !== undefined && remote.tokenFile === undefined) {
    throw new Error(
      'collector.api is set, so collector.tokenFile must name a file with an edge token (umbra token --role edge)',
    );
  }
  const parts = remote === undefined ? await openParts(config.postgresUrl, config.data, log) : undefined;
  const names = remote === undefined ? undefined : namesOverHttp(remote.url, remote.tokenFile ?? '', config.data, log);
  const recording =
    replay === undefined ? undefined : await openReplay({ ...replay, times: 'recorded', wallClock: Date.now });
  const running = await startCollectorProcess({
    edge: collector.edge,
    listen: recording === undefined ? listenersOf(collector) : {},
    store: parts === undefined ? writeOverHttp(remote?.url ?? '', remote?.tokenFile ?? '') : parts.stores.demand,
    names: parts === undefined ? names!.source : namesOf(parts.inventory),
    spoolDir: collector.spool ?? config.data,
    maxSpoolBytes: collector.spoolMax * 1024 * 1024,
    statistics: collector.statistics,
    trustedResolvers: collector.trustedResolvers,
    log,
    ...(recording === undefined ? {} : { clock: recording.clock }),
  });
  const { tcp, tls, unix } = running.addresses;
  for (const at of [unix, ...[tcp, tls].map((each) => each && `${each.host}:${each.port}`)]) {
    if (at !== undefined) say(`collector of edge ${collector.edge} listens on ${at}`);
  }
  const close = async (): Promise<void> => {
    await running.close();
    names?.stop();
    await parts?.close();
  };
  if (recording === undefined) return { close };
  const ended = recording
    .run((bytes, start, end) => running.feed(bytes, start, end))
    .then((frames) => say(`${frames} frames replayed`));
  return { close, ended };
};

/** @returns findings of an installation whose API does not answer */
export async function examineInstallation(config: Config): Promise<readonly Finding[]> {
  const parts = await partsOf(config, 'doctor');
  const temporal = temporalClient(await temporalPlace(config));
  try {
    return await examination(parts, temporal.client)();
  } finally {
    await temporal.close();
    await parts.close();
  }
}

/** The built dashboard is beside the compiled program; a checkout has it only where `npm start` has put it. */
function webRoot(config: Config): { webRoot?: string } {
  const built = fileURLToPath(new URL('./web', import.meta.url));
  const folder = config.webRoot ?? (import.meta.url.endsWith('.js') && existsSync(built) ? built : undefined);
  return folder === undefined ? {} : { webRoot: folder };
}

async function partsOf(config: Config, process: string): Promise<Parts> {
  const log = logOf(config, process);
  installTemporalLog(log);
  return await openParts(config.postgresUrl, config.data, log);
}

function logOf(config: Config, process: string): Logger {
  return pino({ level: config.log, base: { process } });
}

async function temporalPlace({ temporal }: Config): Promise<TemporalPlace> {
  const { address, namespace, apiKeyFile, caFile, certFile, keyFile } = temporal;
  const read = async (file: string | undefined): Promise<Buffer | undefined> =>
    file === undefined ? undefined : await readFile(file);
  const [apiKey, ca, cert, key] = await Promise.all([apiKeyFile, caFile, certFile, keyFile].map(read));
  const tls =
    ca === undefined && cert === undefined
      ? undefined
      : {
          ...(ca === undefined ? {} : { ca }),
          ...(cert === undefined ? {} : { cert }),
          ...(key === undefined ? {} : { key }),
        };
  return {
    address,
    namespace,
    ...(apiKey === undefined ? {} : { apiKey: apiKey.toString('utf8').trim() }),
    ...(tls === undefined ? {} : { tls }),
  };
}

async function heartbeatSecret({ heartbeatSecretFile }: Config): Promise<{ heartbeatSecret?: Buffer }> {
  if (heartbeatSecretFile === undefined) return {};
  return { heartbeatSecret: Buffer.from((await readFile(heartbeatSecretFile, 'utf8')).trim()) };
}

async function tokensOf(file: string | undefined): Promise<TokenEntry[]> {
  return file === undefined ? [] : parseTokenFile(await readFile(file, 'utf8'), file);
}

function addressesOf(
  config: Config,
  { inventory }: Parts,
): Partial<Record<'temporal' | 'temporalUi' | 'dns' | 'proxmox', string>> {
  const known = inventory.current()?.inventory;
  return {
    temporal: config.temporal.address,
    ...(config.temporal.ui === undefined ? {} : { temporalUi: config.temporal.ui }),
    dns: known?.zones[0]?.servers[0] ?? '',
    proxmox: known?.clusters[0]?.endpoints[0] ?? '',
  };
}

function listenersOf({ listen, tls }: Config['collector']): Parameters<typeof startCollectorProcess>[0]['listen'] {
  const of = (kind: 'tcp' | 'tls'): { host: string; port: number } | undefined => {
    const found = listen.find((each) => each.kind === kind);
    return found === undefined || found.kind === 'unix' ? undefined : splitHostPort(found.address);
  };
  const [tcp, secure] = [of('tcp'), of('tls')];
  const unix = listen.find((each) => each.kind === 'unix');
  if (secure !== undefined && tls === undefined) {
    throw new Error('collector.listen has a tls:// listener, so collector.tls must name a certificate and its key');
  }
  return {
    ...(tcp === undefined ? {} : { tcp }),
    ...(unix === undefined ? {} : { unix: unix.path }),
    ...(secure === undefined || tls === undefined
      ? {}
      : {
          tls: {
            ...secure,
            certFile: tls.certFile,
            keyFile: tls.keyFile,
            ...(tls.clientCaFile === undefined ? {} : { clientCaFile: tls.clientCaFile }),
          },
        }),
  };
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
