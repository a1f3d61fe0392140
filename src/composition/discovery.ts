import type { ClusterSpec, Inventory, ZoneSpec } from '../domain/inventory.ts';
import { secondMs } from '../domain/time.ts';
import { checksToTry } from '../inventory/candidates.ts';
import type { Lead } from '../inventory/leads.ts';
import { zoneOf } from '../inventory/names.ts';
import type { ProposedCheck, Seen, SeenAddress, SeenGuest, SeenName, TriedCheck } from '../inventory/seen.ts';
import type { ClusterView, GuestView, Hypervisor } from '../ports/hypervisor.ts';
import type { ZoneReader } from '../ports/name-server.ts';
import type { Prober } from '../ports/prober.ts';
import { zoneReader } from '../providers/dns/zone-reader.ts';
import { parseTsigKey } from '../providers/dns/tsig-key.ts';
import { socketProber } from '../providers/probes/prober.ts';
import { hypervisorOf, secret, serverAddress } from './providers.ts';

export type DiscoveryRequest = {
  /** Names the cluster and the zones; its hosted VMs are known already. */
  readonly inventory: Inventory;
  readonly cluster: string;
  /** Only these; all zones of the inventory when empty. */
  readonly zones: readonly string[];
  /** Asked for one by one instead of a transfer. */
  readonly names: readonly string[];
  /** Ports that checks are tried on before the usual ones. */
  readonly ports: readonly number[];
};

export type Discovery = {
  look(): Promise<Omit<Seen, 'demand'>>;
  /** Tries checks on the address of each lead, all at once for one address. */
  tryChecks(leads: readonly Lead[]): Promise<TriedCheck[]>;
  close(): Promise<void>;
};

/** A service on the same network answers within milliseconds; one over a line far away still within this. */
const checkMs = 1_500;
/** Guests whose configuration, agent or ports are asked at once; the provider bounds it per node as well. */
const guestsAtOnce = 8;
const guestMs = 5 * secondMs;
const clusterMs = 20 * secondMs;

/** Reads a cluster and its zones once, with the rights that the manual grants. Changes nothing. @throws ProviderError */
export async function openDiscovery(request: DiscoveryRequest, prober: Prober = socketProber()): Promise<Discovery> {
  const cluster = request.inventory.clusters.find(({ name }) => name === request.cluster);
  if (cluster === undefined) throw new RangeError(`there is no cluster ${request.cluster}`);
  const hypervisor = await hypervisorOf(cluster, quiet);
  return {
    look: async () => {
      const [seen, zones] = await Promise.all([lookAtCluster(hypervisor, cluster), readZones(request)]);
      const known = request.inventory.hostedVms
        .filter(({ primary }) => primary.cluster === cluster.name)
        .map(({ id, primary, names }) => ({ id, vmid: primary.vmid, names }));
      return { ...seen, names: zones.names, known, unread: [...seen.unread, ...zones.unread] };
    },
    tryChecks: async (leads) => {
      const tried = await inTurns(leads, guestsAtOnce, ({ address, names }) =>
        Promise.all(
          checksToTry(request.ports).map((check) => tryCheck(prober, address.address, names[0] ?? '', check)),
        ),
      );
      return tried.flat();
    },
    close: () => hypervisor.close(),
  };
}

/** Everything it has to say is in what it has seen. */
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined };

async function lookAtCluster(
  hypervisor: Hypervisor,
  cluster: ClusterSpec,
): Promise<Omit<Seen, 'demand' | 'names' | 'known'>> {
  const view = await hypervisor.observeCluster(AbortSignal.timeout(clusterMs));
  const unread: string[] = [];
  if (!view.quorate) unread.push(`${cluster.name} has no quorum: what follows may be old`);
  for (const { node, online, hidden } of view.nodes) {
    if (!online) unread.push(`node ${node} is off: its guests' configurations cannot be read`);
    else if (hidden !== undefined) unread.push(hidden);
  }
  unread.push(...(await missingRights(hypervisor)));
  const guests = await inTurns(view.guests, guestsAtOnce, (guest) => lookAtGuest(hypervisor, guest, unread));
  return {
    at: view.at,
    cluster: cluster.name,
    vmids: cluster.vmids,
    addresses: cluster.addresses,
    nodes: view.nodes,
    storages: storagesOf(view),
    guests,
    unread,
  };
}

/** Without VM.Audit a guest is simply not in the list: what may be hidden is said, the rest is doctor's. */
async function missingRights(hypervisor: Hypervisor): Promise<string[]> {
  try {
    const missing = (await hypervisor.checkRights(AbortSignal.timeout(clusterMs))).filter(({ granted }) => !granted);
    if (missing.length === 0) return [];
    const seeing = missing.filter(({ privilege }) => privilege.endsWith('.Audit'));
    const which = (seeing.length > 0 ? seeing : missing).map(({ privilege, path }) => `${privilege} on ${path}`);
    const what = seeing.length > 0 ? 'guests, nodes or storages may be hidden' : 'needed later';
    return [`rights that the token lacks (${what}): ${which.join(', ')}; docs/proxmox.md has the commands`];
  } catch (error) {
    return [`the token's rights: ${messageOf(error)}`];
  }
}

async function lookAtGuest(hypervisor: Hypervisor, listed: GuestView, unread: string[]): Promise<SeenGuest> {
  const { ref } = listed;
  const whole = listed.nodeOnline && !listed.template;
  const view = !whole
    ? listed
    : await hypervisor.observeGuest(ref, AbortSignal.timeout(guestMs)).then(
        (found) => found ?? listed,
        (error: unknown) => {
          unread.push(`the configuration of VM ${ref.vmid} ${listed.name}: ${messageOf(error)}`);
          return listed;
        },
      );
  const fixed = view.addresses.map((address): SeenAddress => ({ address, from: 'cloud-init' }));
  const said = whole && view.power === 'running' ? await askAgent(hypervisor, view, fixed.length > 0, unread) : [];
  return {
    vmid: ref.vmid,
    name: listed.name,
    node: listed.node,
    ...(listed.pool === undefined ? {} : { pool: listed.pool }),
    template: view.template,
    running: view.power === 'running',
    cores: view.cores,
    memoryMiB: view.memoryMiB,
    ...(listed.cpu === undefined ? {} : { cpu: listed.cpu }),
    managedByHa: listed.ha !== undefined,
    ...(view.marker === undefined ? {} : { hostedVmId: view.marker.hostedVmId }),
    addresses: [...fixed, ...said.filter(({ address }) => !view.addresses.includes(address))],
  };
}

/** An agent that is silent matters only for a guest whose address nothing else tells. */
async function askAgent(
  hypervisor: Hypervisor,
  { ref, name }: GuestView,
  addressed: boolean,
  unread: string[],
): Promise<SeenAddress[]> {
  const whose = `the agent of VM ${ref.vmid} ${name}`;
  try {
    const agent = await hypervisor.observeAgent?.(ref, AbortSignal.timeout(guestMs));
    if (agent?.kind === 'ready') return agent.addresses.map((address) => ({ address, from: 'guest agent' }));
    if (!addressed && agent !== undefined) unread.push(`${whose}: ${agent.why}`);
  } catch (error) {
    if (!addressed) unread.push(`${whose}: ${messageOf(error)}`);
  }
  return [];
}

function storagesOf({ storages = [] }: ClusterView): Seen['storages'] {
  const disks = storages
    .filter(({ images }) => images)
    .map(({ storage, shared }) => [storage, { storage, shared }] as const);
  return [...new Map(disks).values()];
}

async function readZones(request: DiscoveryRequest): Promise<Pick<Seen, 'names' | 'unread'>> {
  const { zones: all } = request.inventory;
  const zones = request.zones.length === 0 ? all : all.filter(({ zone }) => request.zones.includes(zone));
  const unread: string[] = [];
  const names = await Promise.all(
    zones.map(async (spec) => {
      const { zone } = spec;
      const given = request.names.filter(
        (name) =>
          zoneOf(
            name,
            all.map((each) => each.zone),
          ) === zone,
      );
      if (request.names.length > 0 && given.length === 0) return [];
      try {
        return await readZone(await readerOf(spec), zone, given, unread);
      } catch (error) {
        unread.push(`the zone ${zone}: ${messageOf(error)}`);
        return [];
      }
    }),
  );
  const nowhere = request.names.filter(
    (name) =>
      zoneOf(
        name,
        zones.map(({ zone }) => zone),
      ) === undefined,
  );
  if (nowhere.length > 0)
    unread.push(`${nowhere.join(', ')}: in none of the zones ${zones.map(({ zone }) => zone).join(', ')}`);
  return { names: names.flat(), unread };
}

async function readZone(
  reader: ZoneReader,
  zone: string,
  given: readonly string[],
  unread: string[],
): Promise<SeenName[]> {
  const found = await (given.length > 0 ? reader.lookUp(given) : reader.transfer(zone));
  for (const { name, a, aaaa, aliasOf } of found) {
    if (a.length + aaaa.length === 0 && aliasOf === undefined)
      unread.push(`${name}: the name server has no address of it`);
  }
  return found.map((each) => ({ zone, ...each }));
}

async function readerOf({ zone, servers, tsigKeyFile }: ZoneSpec): Promise<ZoneReader> {
  const key = parseTsigKey(await secret('read the TSIG key of zone', zone, tsigKeyFile));
  return zoneReader({ key, server: serverAddress(servers[0] ?? '') });
}

async function tryCheck(prober: Prober, address: string, name: string, check: ProposedCheck): Promise<TriedCheck> {
  const timing = { intervalMs: secondMs, timeoutMs: checkMs, failures: 3 };
  const host = name.replace(/^\*\./, '');
  const { outcome, detail } = await prober.probe({ address, check: { ...check, ...timing }, host }, checkMs);
  return { address, check, answered: outcome === 'ok', detail };
}

async function inTurns<T, R>(items: readonly T[], atOnce: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += atOnce) {
    results.push(...(await Promise.all(items.slice(at, at + atOnce).map(work))));
  }
  return results;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
