import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { checkAccess } from '../api/server.ts';
import type { ApiOptions } from '../api/options.ts';
import { parseTokenFile } from '../api/tokens.ts';
import type { Listen } from '../collector/listeners.ts';
import type { Config } from '../config.ts';
import type { Inventory } from '../domain/inventory.ts';
import { splitHostPort } from '../inventory/addresses.ts';
import type { MonitorProcessOptions } from './monitor.ts';
import type { TemporalPlace } from './parts.ts';
import type { WorkerProcessOptions } from './worker.ts';

/*
 * What each process is told, read from the configuration and the files it names. Everything that umbra.yaml may hold
 * is read here, and test/unit/composition checks it key by key.
 */

/** What every process shares. The URL holds the password. */
export function storePlace({ postgresUrl, data, log }: Config): {
  readonly postgresUrl: string;
  readonly dataDir: string;
  readonly logLevel: string;
} {
  return { postgresUrl, dataDir: data, logLevel: log };
}

export async function workerOptions(config: Config): Promise<WorkerProcessOptions> {
  const { threads, batchAbove, evaluateEvery } = config.worker;
  return {
    temporal: await temporalPlace(config),
    identity: `${hostname()}@${process.pid}`,
    heartbeatSecret: await heartbeatSecret(config),
    threads,
    batchAbove,
    evaluateEveryMs: evaluateEvery,
  };
}

/** @param vantage another one than the configuration's, when a machine runs several monitors */
export async function monitorOptions(config: Config, vantage?: string): Promise<MonitorProcessOptions> {
  const { canary, vantage: configured } = config.monitor;
  return {
    temporal: await temporalPlace(config),
    vantage: vantage ?? configured,
    ...(canary === undefined ? {} : { canary: splitHostPort(canary) }),
  };
}

/** @throws Error when the API would be open to others than this machine without tokens */
export async function apiOptions(
  config: Config,
): Promise<Pick<ApiOptions, 'host' | 'port' | 'access' | 'webRoot' | 'heartbeatSecret' | 'tls' | 'heartbeats'>> {
  const { listen, tokensFile, hosts, tls, heartbeats } = config.api;
  const tokens = tokensFile === undefined ? [] : parseTokenFile(await readFile(tokensFile, 'utf8'), tokensFile);
  const access = { tokens, hosts };
  const { host, port } = splitHostPort(listen);
  checkAccess(host, access);
  const webRoot = dashboardOf(config);
  const secret = await heartbeatSecret(config);
  return {
    host,
    port,
    access,
    ...(webRoot === undefined ? {} : { webRoot }),
    ...(secret === undefined ? {} : { heartbeatSecret: secret }),
    ...(heartbeats === undefined ? {} : { heartbeats: splitHostPort(heartbeats) }),
    ...(tls === undefined
      ? {}
      : { tls: { cert: await readFile(tls.certFile, 'utf8'), key: await readFile(tls.keyFile, 'utf8') } }),
  };
}

export type CollectorSettings = {
  readonly edge: string;
  readonly listen: Listen;
  readonly spoolDir: string;
  readonly maxSpoolBytes: number;
  readonly statistics: readonly string[];
  readonly trustedResolvers: readonly string[];
  /** The API that takes this edge's counts; undefined: straight to the store. */
  readonly remote: { readonly url: string; readonly tokenFile: string } | undefined;
};

/** @throws Error that names the keys which do not go together */
export function collectorSettings({ collector }: Config): CollectorSettings {
  const { edge, spool, spoolMax, statistics, trustedResolvers, api, tokenFile } = collector;
  if (api !== undefined && tokenFile === undefined) {
    throw new Error(
      'collector.api is set, so collector.tokenFile must name a file with an edge token (umbra token --role edge)',
    );
  }
  return {
    edge,
    listen: listenersOf(collector),
    spoolDir: spool,
    maxSpoolBytes: spoolMax * 1024 * 1024,
    statistics,
    trustedResolvers,
    remote: api === undefined || tokenFile === undefined ? undefined : { url: api, tokenFile },
  };
}

export async function temporalPlace({ temporal }: Config): Promise<TemporalPlace> {
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

/** The secret that guests' heartbeat tokens are made from. */
export async function heartbeatSecret({
  heartbeatSecretFile,
}: Pick<Config, 'heartbeatSecretFile'>): Promise<Buffer | undefined> {
  if (heartbeatSecretFile === undefined) return undefined;
  return Buffer.from((await readFile(heartbeatSecretFile, 'utf8')).trim());
}

/** The built dashboard is beside the compiled program; a checkout has it only where `npm start` has put it. */
function dashboardOf({ api }: Config): string | undefined {
  const built = fileURLToPath(new URL('../web', import.meta.url));
  return api.dashboard ?? (import.meta.url.endsWith('.js') && existsSync(built) ? built : undefined);
}

function listenersOf({ listen, tls }: Config['collector']): Listen {
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

/** Where everything answers, as far as the configuration and the inventory in force say it. */
export function addressesOf(
  { temporal }: Config,
  inventory: Inventory | undefined,
): Partial<Record<'temporal' | 'temporalUi' | 'dns' | 'proxmox', string>> {
  return {
    temporal: temporal.address,
    ...(temporal.ui === undefined ? {} : { temporalUi: temporal.ui }),
    dns: inventory?.zones[0]?.servers[0] ?? '',
    proxmox: inventory?.clusters[0]?.endpoints[0] ?? '',
  };
}
