import type { ClusterSpec } from '../../domain/inventory.ts';
import type { GuestRef, GuestsInUse, Hypervisor } from '../../ports/hypervisor.ts';
import { observeAgent } from './agent.ts';
import type { Resource } from './answers.ts';
import { Calls } from './calls.ts';
import { ensureShadow, sourceConfig } from './clone.ts';
import { ClusterObserver } from './cluster-view.ts';
import { ensureDeleted } from './deletion.ts';
import { configDrift } from './drift.ts';
import { ProxmoxEngine } from './engine.ts';
import { isFailure } from './errors.ts';
import { explained } from './explained.ts';
import { ensureFenced } from './fence.ts';
import { ensureFlat } from './flatten.ts';
import { ensurePrepared, isEnforced } from './guest-firewall.ts';
import { live, observed, pressureOf } from './guest.ts';
import { storages } from './guest-config.ts';
import { isManaged } from './ha.ts';
import { leftOvers } from './left-overs.ts';
import type { ProxmoxLog } from './log.ts';
import { ensureMarked } from './marking.ts';
import { ensurePower } from './power.ts';
import type { Lack } from './rights.ts';
import { findings, mendFor } from './rights.ts';
import type { Site, Timing } from './site.ts';
import { defaultTiming, work } from './site.ts';
import type { Trust } from './tls.ts';
import { parseToken } from './token.ts';
import type { Deadlines } from './transport.ts';
import { within } from './waiting.ts';

export type ProxmoxOptions = {
  readonly cluster: Pick<
    ClusterSpec,
    'name' | 'endpoints' | 'fingerprint' | 'vmids' | 'pool' | 'storage' | 'fenceFirewall'
  >;
  /** Content of the token file; read again every few seconds, so that a rotated token needs no restart. */
  readonly token: () => Promise<string>;
  /** PEM of the CA, when the cluster names one. */
  readonly ca?: string;
  readonly log: ProxmoxLog;
  readonly deadlines?: Partial<Deadlines>;
  readonly timing?: Partial<Timing>;
};

/** One Proxmox VE cluster, by its API and a token. @throws Error when fingerprint or endpoints cannot be understood */
export function proxmoxHypervisor(options: ProxmoxOptions): Hypervisor & { close(): Promise<void> } {
  const { cluster, log } = options;
  const trust: Trust = {
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    ...(cluster.fingerprint === undefined ? {} : { fingerprint: cluster.fingerprint }),
  };
  const engine = new ProxmoxEngine({
    endpoints: cluster.endpoints,
    trust,
    token: options.token,
    log,
    ...(options.deadlines === undefined ? {} : { deadlines: options.deadlines }),
  });
  const calls = new Calls(engine);
  const lastView: Site['lastView'] = new Map();
  const tokenId = async (): Promise<string> => parseToken(await options.token()).id;
  const mendOf = async (lack: Lack): Promise<string | undefined> => {
    const vmid = Number(/^\/vms\/(\d+)$/.exec(lack.path)?.[1]);
    const inRange = vmid >= cluster.vmids.from && vmid <= cluster.vmids.to;
    const guest = { inRange, template: lastView.get(vmid)?.template };
    try {
      const { version } = await calls.version();
      return mendFor({ version, pool: cluster.pool }, await tokenId(), lack, guest);
    } catch {
      // What is missing is said without it as well.
      return undefined;
    }
  };
  const site: Site = {
    spec: cluster,
    calls,
    log,
    timing: { ...defaultTiming, ...options.timing },
    mendOf,
    lastNode: new Map(),
    lastView,
    doubts: new Map(),
    refusedTags: new Set(),
  };
  const observer = new ClusterObserver(site);
  const configOf = async (ref: GuestRef, signal?: AbortSignal) => (await live(work(site, signal), ref)).config;

  return explained<Hypervisor & { close(): Promise<void> }>(mendOf, {
    observeCluster: async (signal) =>
      await within(site.timing.observationMs, signal, (timed) => observer.observe(work(site, timed), Date.now())),
    observeGuest: async (ref, signal) => (await observed(work(site, signal, { urgent: true }), ref.vmid))?.view,
    ensureShadow: async (spec, signal) => {
      // The token's rights hold in the cluster's pool: a clone outside it could not even be configured.
      const pooled = spec.pool === undefined && cluster.pool !== undefined ? { ...spec, pool: cluster.pool } : spec;
      const made = await ensureShadow(work(site, signal), pooled);
      if (cluster.fenceFirewall === true) await ensurePrepared(work(site, signal), spec.ref);
      return made;
    },
    ensurePower: async (ref, wanted, signal) => await ensurePower(work(site, signal, { urgent: true }), ref, wanted),
    ensureFenced: async (ref, signal) => await ensureFenced(work(site, signal, { urgent: true }), ref),
    ensureMarked: async (ref, marker, how, signal) => await ensureMarked(work(site, signal), ref, marker, how),
    ensureDeleted: async (ref, marker, signal) => await ensureDeleted(work(site, signal), ref, marker),
    observeLeftOvers: async (signal) => await leftOvers(work(site, signal)),
    ensureFlat: async (ref, signal) => await ensureFlat(work(site, signal), ref),
    configDrift: async (primary, shadow, signal, source) => {
      const [a, b, original] = await Promise.all([
        configOf(primary, signal),
        configOf(shadow, signal),
        // Gone since, or out of sight: then which side changed is not told.
        source === undefined ? undefined : sourceConfig(work(site, signal), source).catch(() => undefined),
      ]);
      return configDrift(a, b, original);
    },
    checkRights: async (signal, guests = { primaries: [], templates: [] }) => {
      const { calls } = work(site, signal);
      const [version, permissions, rows] = await Promise.all([calls.version(), calls.permissions(), calls.resources()]);
      const used = rows.filter(({ type, vmid = 0 }) => type === 'qemu' && isUsed(guests, vmid));
      const fixed = cluster.storage === undefined ? [] : [cluster.storage];
      const ground = {
        version: version.version,
        pool: cluster.pool,
        storages: [...new Set([...fixed, ...(await storagesOf(calls, rows, used))])].sort(),
        ...guests,
        usesHa: used.some(({ vmid = 0, hastate }) => guests.primaries.includes(vmid) && isManaged(hastate)),
      };
      return findings(ground, await tokenId(), permissions);
    },
    observeFirewall: async (signal) =>
      cluster.fenceFirewall === true ? await isEnforced(work(site, signal)) : undefined,
    observePressure: async (ref, signal) => await pressureOf(work(site, signal), ref.vmid),
    observeAgent: async (ref, signal) => await observeAgent(work(site, signal), ref),
    close: async () => await engine.close(),
  });
}

function isUsed({ primaries, templates }: GuestsInUse, vmid: number): boolean {
  return primaries.includes(vmid) || templates.includes(vmid);
}

/** Where the disks of these guests lie; of one whose node is off, or that cannot be seen, nothing is known. */
async function storagesOf(calls: Calls, rows: readonly Resource[], guests: readonly Resource[]): Promise<string[]> {
  const online = new Set(
    rows.filter(({ type, status }) => type === 'node' && status === 'online').map(({ node }) => node),
  );
  const found = await Promise.all(
    guests.map(async ({ node = '', vmid = 0 }) => {
      if (!online.has(node)) return [];
      try {
        return storages(await calls.config(node, vmid));
      } catch (error) {
        if (isFailure(error, 'permission', 'transient', 'offline', 'not-found')) return [];
        throw error;
      }
    }),
  );
  return found.flat();
}
