import { readFile } from 'node:fs/promises';
import type { ClusterSpec, ZoneSpec } from '../domain/inventory.ts';
import { ProviderError } from '../ports/errors.ts';
import type { Hypervisor } from '../ports/hypervisor.ts';
import type { NameServer } from '../ports/name-server.ts';
import { rfc2136NameServer } from '../providers/dns/rfc2136.ts';
import { parseTsigKey } from '../providers/dns/tsig-key.ts';
import { proxmoxHypervisor } from '../providers/proxmox/hypervisor.ts';
import type { ProxmoxLog } from '../providers/proxmox/log.ts';
import type { KnownInventory } from './inventory.ts';
import type { Snapshot } from './snapshot.ts';

/** The hypervisors and name servers that the newest inventory names. Made once per revision of their part of it. */
export type Providers = {
  /** @throws ProviderError not-found when the inventory names no such cluster */
  readonly hypervisorOf: (cluster: string) => Promise<Hypervisor>;
  /** @throws ProviderError not-found when the inventory names no such zone */
  readonly nameServerOf: (zone: string) => Promise<NameServer>;
  close(): Promise<void>;
};

type Made<T> = { readonly written: string; readonly provider: Promise<T> };
type ClosableHypervisor = Hypervisor & { close(): Promise<void> };

export function providersOf(snapshot: Pick<Snapshot<KnownInventory>, 'current'>, log: ProxmoxLog): Providers {
  const hypervisors = new Map<string, Made<ClosableHypervisor>>();
  const nameServers = new Map<string, Made<NameServer>>();
  return {
    hypervisorOf: (name) => {
      const spec = snapshot.current()?.inventory.clusters.find((cluster) => cluster.name === name);
      if (spec === undefined) return Promise.reject(unknown('cluster', name));
      return once(
        hypervisors,
        name,
        spec,
        () => hypervisorOf(spec, log),
        async (old) => await old.close(),
      );
    },
    nameServerOf: (name) => {
      const spec = snapshot.current()?.inventory.zones.find(({ zone }) => zone === name);
      if (spec === undefined) return Promise.reject(unknown('zone', name));
      const installation = snapshot.current()?.installation;
      if (installation === undefined) return Promise.reject(nameless(name));
      return once(nameServers, name, { spec, installation }, () => nameServerOf(spec, installation));
    },
    close: async () => {
      for (const { provider } of hypervisors.values())
        await provider.then((each) => each.close()).catch(() => undefined);
    },
  };
}

/** A provider is kept while what it was made from stays the same; a failed one is made again at the next call. */
function once<T>(
  made: Map<string, Made<T>>,
  name: string,
  spec: object,
  make: () => Promise<T>,
  close?: (old: T) => Promise<void>,
): Promise<T> {
  const written = JSON.stringify(spec);
  const known = made.get(name);
  if (known?.written === written) return known.provider;
  if (known !== undefined && close !== undefined) void known.provider.then(close).catch(() => undefined);
  const provider = make();
  made.set(name, { written, provider });
  provider.catch(() => {
    if (made.get(name)?.provider === provider) made.delete(name);
  });
  return provider;
}

export async function hypervisorOf(spec: ClusterSpec, log: ProxmoxLog): Promise<ClosableHypervisor> {
  const ca = spec.caFile === undefined ? undefined : await secret('read the CA of cluster', spec.name, spec.caFile);
  return proxmoxHypervisor({
    cluster: spec,
    token: async () => await secret('read the token of cluster', spec.name, spec.tokenFile),
    ...(ca === undefined ? {} : { ca }),
    log,
  });
}

export async function nameServerOf(spec: ZoneSpec, installation: string): Promise<NameServer> {
  const key = parseTsigKey(await secret('read the TSIG key of zone', spec.zone, spec.tsigKeyFile));
  return rfc2136NameServer({ key, installation, servers: spec.servers.map(serverAddress) });
}

/** `host:port`, `[v6]:port` or a bare host for port 53. */
export function serverAddress(text: string): { host: string; port: number } {
  const url = new URL(`dns://${text}`);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 53 : Number(url.port) };
}

/** Secrets are files: read when needed, never kept in an error text. */
export async function secret(operation: string, target: string, file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new ProviderError({
      provider: 'files',
      operation,
      target,
      failureClass: 'invalid',
      message: `${file} cannot be read (${why}): make it readable for the account Umbra runs as`,
    });
  }
}

function nameless(zone: string): ProviderError {
  return new ProviderError({
    ...{ provider: 'inventory', operation: 'change zone', target: zone, failureClass: 'transient' },
    message:
      'the store has not told yet which installation of Umbra this is; its records in the zone would not be ours',
  });
}

function unknown(what: 'cluster' | 'zone', name: string): ProviderError {
  return new ProviderError({
    provider: 'inventory',
    operation: `find ${what}`,
    target: name,
    failureClass: 'not-found',
    message: `the applied inventory names no such ${what}`,
  });
}
