import type { ClusterSpec } from '../../domain/inventory.ts';
import type { GuestRef, Hypervisor } from '../../ports/hypervisor.ts';
import { observeAgent } from './agent.ts';
import { Calls } from './calls.ts';
import { ensureShadow } from './clone.ts';
import { ClusterObserver } from './cluster-view.ts';
import { ensureDeleted } from './deletion.ts';
import { configDrift } from './drift.ts';
import { ProxmoxEngine } from './engine.ts';
import { ensureFenced } from './fence.ts';
import { ensureFlat } from './flatten.ts';
import { live, observed, pressureOf } from './guest.ts';
import { isManaged } from './ha.ts';
import type { ProxmoxLog } from './log.ts';
import { ensureMarked } from './marking.ts';
import { ensurePower } from './power.ts';
import { findings } from './rights.ts';
import type { Site, Timing } from './site.ts';
import { defaultTiming, work } from './site.ts';
import type { Trust } from './tls.ts';
import { parseToken } from './token.ts';
import type { Deadlines } from './transport.ts';

export type ProxmoxOptions = {
  readonly cluster: Pick<ClusterSpec, 'name' | 'endpoints' | 'fingerprint' | 'vmids' | 'pool' | 'storage'>;
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
  const site: Site = {
    spec: cluster,
    calls: new Calls(engine),
    log,
    timing: { ...defaultTiming, ...options.timing },
    lastNode: new Map(),
    lastView: new Map(),
    doubts: new Map(),
  };
  const observer = new ClusterObserver(site);
  const configOf = async (ref: GuestRef, signal?: AbortSignal) => (await live(work(site, signal), ref)).config;

  return {
    observeCluster: async (signal) => await observer.observe(work(site, signal), Date.now()),
    observeGuest: async (ref, signal) => (await observed(work(site, signal, { urgent: true }), ref.vmid))?.view,
    ensureShadow: async (spec, signal) => {
      // The token's rights hold in the cluster's pool: a clone outside it could not even be configured.
      const pooled = spec.pool === undefined && cluster.pool !== undefined ? { ...spec, pool: cluster.pool } : spec;
      return await ensureShadow(work(site, signal), pooled);
    },
    ensurePower: async (ref, wanted, signal) => await ensurePower(work(site, signal, { urgent: true }), ref, wanted),
    ensureFenced: async (ref, signal) => await ensureFenced(work(site, signal, { urgent: true }), ref),
    ensureMarked: async (ref, marker, how, signal) => await ensureMarked(work(site, signal), ref, marker, how),
    ensureDeleted: async (ref, marker, signal) => await ensureDeleted(work(site, signal), ref, marker),
    ensureFlat: async (ref, signal) => await ensureFlat(work(site, signal), ref),
    configDrift: async (primary, shadow, signal) => {
      const [a, b] = await Promise.all([configOf(primary, signal), configOf(shadow, signal)]);
      return configDrift(a, b);
    },
    checkRights: async (signal, guests = []) => {
      const { calls } = work(site, signal);
      const [version, permissions, rows] = await Promise.all([
        calls.version(),
        calls.permissions(),
        calls.guestResources(),
      ]);
      return findings(
        {
          version: version.version,
          tokenId: parseToken(await options.token()).id,
          pool: cluster.pool,
          storage: cluster.storage,
          guests,
          usesHa: rows.some((row) => row.vmid !== undefined && guests.includes(row.vmid) && isManaged(row.hastate)),
        },
        permissions,
      );
    },
    observePressure: async (ref, signal) => await pressureOf(work(site, signal), ref.vmid),
    observeAgent: async (ref, signal) => await observeAgent(work(site, signal), ref),
    close: async () => await engine.close(),
  };
}
