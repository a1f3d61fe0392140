import type { ClusterView, GuestView, NodeView, StorageView } from '../../ports/hypervisor.ts';
import type { Resource } from './answers.ts';
import { isFailure } from './errors.ts';
import { rowView } from './guest.ts';
import { guestView } from './guest.ts';
import { tagsOf } from './guest-config.ts';
import type { Site } from './site.ts';

const mib = 1024 ** 2;
/** How many configurations are read side by side; the engine's gates bound it per node as well. */
const readsAtOnce = 8;

/** What a listed row and a configuration read before have in common: while it is equal the configuration is not read again. */
type Seen = { readonly fingerprint: string; readonly view: GuestView };

/**
 * The whole cluster in three calls, plus one per guest of ours that has changed since it was read last: only the
 * configuration holds the marker. Somebody else's guests are read from the list alone.
 */
export class ClusterObserver {
  readonly #site: Site;
  readonly #seen = new Map<number, Seen>();

  constructor(site: Site) {
    this.#site = site;
  }

  async observe(site: Site, now: number): Promise<ClusterView> {
    // Who is on comes first: whatever else is asked goes to those who are.
    const status = await site.calls.clusterStatus();
    const [rows, maintained] = await Promise.all([site.calls.resources(), maintenance(site)]);
    const online = new Map(
      status.filter((row) => row.type === 'node').map((row) => [row.name ?? '', row.online !== false]),
    );
    const guests = rows.filter((row) => row.type === 'qemu' && row.vmid !== undefined);
    return {
      at: now,
      quorate: status.find((row) => row.type === 'cluster')?.quorate ?? true,
      nodes: await Promise.all(
        rows.filter((row) => row.type === 'node').map((row) => nodeView(site, row, online, maintained)),
      ),
      guests: await this.#guestViews(site, guests, online),
      storages: rows.filter((row) => row.type === 'storage').map(storageView),
    };
  }

  async #guestViews(site: Site, rows: readonly Resource[], online: Map<string, boolean>): Promise<GuestView[]> {
    const views: GuestView[] = [];
    for (let at = 0; at < rows.length; at += readsAtOnce) {
      const some = rows.slice(at, at + readsAtOnce);
      views.push(
        ...(await Promise.all(
          some.map(async (row) => {
            const view = await this.#view(site, row, online.get(row.node ?? '') !== false);
            return row.pool === undefined ? view : { ...view, pool: row.pool };
          }),
        )),
      );
    }
    const present = new Set(rows.map((row) => row.vmid));
    for (const vmid of this.#seen.keys()) if (!present.has(vmid)) this.#seen.delete(vmid);
    return views;
  }

  async #view(site: Site, row: Resource, nodeOnline: boolean): Promise<GuestView> {
    const vmid = row.vmid ?? 0;
    if (!nodeOnline || !this.#mayBeOurs(row)) return rowView(site, row, nodeOnline);
    // The role is in the tags, so whatever Umbra writes changes the fingerprint; numbers that move by themselves do not.
    const fingerprint = [row.node, row.status, row.lock, row.tags, row.name, row.maxmem, row.maxcpu, row.hastate].join(
      '|',
    );
    const before = this.#seen.get(vmid);
    if (before?.fingerprint === fingerprint && row.lock === undefined) {
      return { ...rowView(site, row, true), ...fromConfig(before.view) };
    }
    try {
      const [status, config] = await Promise.all([
        site.calls.status(row.node ?? '', vmid),
        site.calls.config(row.node ?? '', vmid),
      ]);
      const view = guestView({ cluster: site.spec.name, vmid }, row.node ?? '', status, config);
      this.#seen.set(vmid, { fingerprint, view });
      site.lastView.set(vmid, view);
      site.lastNode.set(vmid, row.node ?? '');
      return view;
    } catch (error) {
      // It has been called off since we began.
      if (isFailure(error, 'offline')) return rowView(site, row, false);
      // Deleted, moved or cut off since the list was made: the list's word is the best there is.
      if (isFailure(error, 'not-found', 'transient', 'permission')) return rowView(site, row, nodeOnline);
      throw error;
    }
  }

  #mayBeOurs(row: Resource): boolean {
    const { from, to } = this.#site.spec.vmids;
    const vmid = row.vmid ?? 0;
    return (
      row.template === true ||
      (vmid >= from && vmid <= to) ||
      (row.pool !== undefined && row.pool === this.#site.spec.pool) ||
      tagsOf(row.tags).includes('umbra')
    );
  }
}

function fromConfig(view: GuestView): Pick<GuestView, 'marker' | 'storages' | 'addresses' | 'cores' | 'memoryMiB'> {
  const { marker, storages, addresses, cores, memoryMiB } = view;
  return { ...(marker === undefined ? {} : { marker }), storages, addresses, cores, memoryMiB };
}

async function nodeView(
  site: Site,
  row: Resource,
  online: Map<string, boolean>,
  maintained: ReadonlySet<string>,
): Promise<NodeView> {
  const node = row.node ?? '';
  const isOnline = online.get(node) ?? row.status === 'online';
  return {
    node,
    online: isOnline,
    maintenance: maintained.has(node),
    ...(row.maxcpu === undefined ? {} : { cpus: row.maxcpu }),
    ...(row.maxmem === undefined ? {} : { memoryMiB: Math.floor(row.maxmem / mib) }),
    ...(row.mem === undefined ? {} : { memoryUsedMiB: Math.ceil(row.mem / mib) }),
    ...(row.cpu === undefined ? {} : { cpu: row.cpu }),
    ...(isOnline && row.maxmem === undefined ? { hidden: await whyHidden(site, row) } : {}),
  };
}

/** Proxmox leaves a node's numbers out for a token without the right, and for a node that has not told any. */
async function whyHidden(site: Site, { node = '', status }: Resource): Promise<string> {
  if (status !== 'online') return `${node} has not told its memory for a while: is pvestatd running there?`;
  const mend = await site.mendOf({ privilege: 'Sys.Audit', path: `/nodes/${node}` });
  const how = mend === undefined ? '' : `; grant it with: ${mend}`;
  return `memory of ${node} is not visible to this token: it needs Sys.Audit on /nodes, propagated${how}`;
}

function storageView(row: Resource): StorageView {
  return {
    storage: row.storage ?? '',
    node: row.node ?? '',
    shared: row.shared ?? false,
    available: row.status === undefined || row.status === 'available',
    images: (row.content ?? 'images').split(',').includes('images'),
    ...(row.maxdisk === undefined ? {} : { totalMiB: Math.floor(row.maxdisk / mib) }),
    ...(row.disk === undefined ? {} : { usedMiB: Math.ceil(row.disk / mib) }),
  };
}

/** Nodes that ha-manager has in maintenance; none when the token may not ask. */
async function maintenance(site: Site): Promise<ReadonlySet<string>> {
  try {
    const states = (await site.calls.managerStatus()).manager_status?.node_status ?? {};
    return new Set(Object.keys(states).filter((node) => states[node] === 'maintenance'));
  } catch (error) {
    if (isFailure(error, 'permission', 'not-found', 'permanent')) return new Set();
    throw error;
  }
}
