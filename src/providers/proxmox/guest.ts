import type { GuestPressure, GuestRef, GuestView, PowerState } from '../../ports/hypervisor.ts';
import type { CurrentStatus, Resource } from './answers.ts';
import { isFailure, ProxmoxError } from './errors.ts';
import type { ProviderError } from '../../ports/errors.ts';
import type { GuestConfig } from './guest-config.ts';
import { memoryMiB, staticAddresses, storages, tagsOf, vcpus } from './guest-config.ts';
import { readMarker } from './marker.ts';
import { requireQuorum } from './members.ts';
import type { Site } from './site.ts';

/** A guest whose node answered, with the configuration the view was made from. */
export type LiveGuest = { readonly view: GuestView; readonly config: GuestConfig };
/** A guest on a node that is off: its view is the last one known. */
export type Found = LiveGuest | { readonly view: GuestView; readonly config?: undefined };

// Between finding a guest and asking its node it may be moved by somebody else; three times in a row is something else.
const relocations = 3;

/**
 * Finds a guest wherever it is now.
 * @returns undefined only when the cluster is quorate and nobody has this VMID
 * @throws ProxmoxError permission when somebody has it and this token may not see it; see `isHidden`
 */
export async function observed(site: Site, vmid: number): Promise<Found | undefined> {
  let refused: ProviderError | undefined;
  for (let n = 0; n < relocations; n += 1) {
    const node = site.lastNode.get(vmid) ?? (await located(site, vmid))?.node;
    if (node === undefined) return undefined;
    try {
      return await asked(site, vmid, node);
    } catch (error) {
      // A token whose rights come from a pool is told 403 of a VMID nobody has: like "does not exist" it means that the
      // guest is not where it was looked for, and the cluster is asked who has it.
      if (isFailure(error, 'not-found', 'permission')) {
        site.lastNode.delete(vmid);
        refused = isFailure(error, 'permission') ? error : undefined;
      } else if (isFailure(error, 'offline')) {
        const off = await onDeadNode(site, vmid, node);
        if (off !== undefined) return off;
      } else if (isFailure(error, 'transient')) {
        if ((await located(site, vmid))?.node === node) throw error;
      } else {
        throw error;
      }
    }
  }
  // Listed each time, and not to be read: a right is missing for the reading.
  if (refused !== undefined) throw refused;
  throw new ProxmoxError({
    operation: 'find',
    target: `VM ${vmid}`,
    failureClass: 'transient',
    message: `it was somewhere else each of ${relocations} times: it is being moved`,
  });
}

/** As `observed`, for guests whose node must answer. @throws ProxmoxError not-found, or offline when its node is off */
export async function live(site: Site, ref: GuestRef): Promise<LiveGuest> {
  const found = await observed(site, ref.vmid);
  if (found === undefined) {
    throw new ProxmoxError({
      operation: 'find',
      target: `VM ${ref.vmid}`,
      failureClass: 'not-found',
      message: `no node of ${site.spec.name} has it`,
    });
  }
  return reached(found);
}

/** @throws ProxmoxError offline when its node is off */
export function reached(found: Found): LiveGuest {
  if (found.config !== undefined) return found;
  const { ref, node } = found.view;
  throw new ProxmoxError({
    operation: 'reach',
    target: `VM ${ref.vmid} on ${node}`,
    failureClass: 'offline',
    message: `node ${node} is off or out of reach`,
  });
}

async function asked(site: Site, vmid: number, node: string): Promise<LiveGuest> {
  const [status, config] = await Promise.all([site.calls.status(node, vmid), site.calls.config(node, vmid)]);
  const view = guestView({ cluster: site.spec.name, vmid }, node, status, config);
  site.lastNode.set(vmid, node);
  site.lastView.set(vmid, view);
  return { view, config };
}

/** @returns undefined where it is not told, or the guest is nowhere */
export async function pressureOf(site: Site, vmid: number): Promise<GuestPressure | undefined> {
  const node = site.lastNode.get(vmid) ?? (await located(site, vmid))?.node;
  if (node === undefined) return undefined;
  const { pressurecpusome: cpu, pressurememorysome: memory, pressureiosome: io } = await site.calls.status(node, vmid);
  if (cpu === undefined || memory === undefined || io === undefined) return undefined;
  return { cpu: cpu / 100, memory: memory / 100, io: io / 100 };
}

/** The row of the cluster's list; undefined when truly nobody has the VMID. Remembers the node. */
async function located(site: Site, vmid: number): Promise<{ node: string; row: Resource } | undefined> {
  const listed = await listedRow(site, vmid);
  if (listed !== undefined) return listed;
  // The list silently leaves out what the token may not see, so absence is asked for by name.
  if (await site.calls.vmidIsFree(vmid)) {
    await requireQuorum(site.calls, site.spec.name);
    site.lastView.delete(vmid);
    return undefined;
  }
  // Taken though it was not listed: it was made in between, or it is hidden from us.
  const since = await listedRow(site, vmid);
  if (since !== undefined) return since;
  throw new HiddenGuest(site, vmid);
}

/** Somebody has the VMID, and the token may not see who: neither that it is ours nor that it is not is known. */
class HiddenGuest extends ProxmoxError {
  constructor({ spec: { pool, vmids } }: Site, vmid: number) {
    const pooled = pool !== undefined && vmid >= vmids.from && vmid <= vmids.to;
    const left = pooled ? `. If it is Umbra's and left pool ${pool}: pveum pool modify ${pool} --vms ${vmid}` : '';
    super({
      operation: 'find',
      target: `VM ${vmid}`,
      failureClass: 'permission',
      message: `a guest has this VMID that is not visible to this token, for want of VM.Audit${left}`,
      lack: { privilege: 'VM.Audit', path: `/vms/${vmid}` },
    });
  }
}

/** True when a guest was looked for that exists and cannot be seen. */
export function isHidden(error: unknown): boolean {
  return error instanceof HiddenGuest;
}

async function listedRow(site: Site, vmid: number): Promise<{ node: string; row: Resource } | undefined> {
  const row = (await site.calls.guestResources()).find((one) => one.vmid === vmid);
  if (row?.node === undefined) {
    site.lastNode.delete(vmid);
    return undefined;
  }
  site.lastNode.set(vmid, row.node);
  return { node: row.node, row };
}

/** What is known of a guest whose node is off; undefined when it is somewhere else by now. */
async function onDeadNode(site: Site, vmid: number, node: string): Promise<Found | undefined> {
  const found = await located(site, vmid);
  return found?.node === node ? { view: rowView(site, found.row, false) } : undefined;
}

/** A guest from the cluster's list. What the list does not have is taken from the last time its node answered. */
export function rowView(site: Site, row: Resource, nodeOnline: boolean): GuestView {
  const vmid = row.vmid ?? 0;
  const before = site.lastView.get(vmid);
  return {
    ref: { cluster: site.spec.name, vmid },
    node: row.node ?? before?.node ?? '',
    nodeOnline,
    name: row.name ?? before?.name ?? '',
    // The list shows a dead node's guests as running for minutes.
    power: nodeOnline ? listedPower(row) : 'unknown',
    ...(row.lock === undefined || row.lock === '' ? {} : { lock: row.lock }),
    ...(before?.marker === undefined ? {} : { marker: before.marker }),
    template: row.template ?? before?.template ?? false,
    cores: row.maxcpu ?? before?.cores ?? 0,
    memoryMiB: row.maxmem === undefined ? (before?.memoryMiB ?? 0) : Math.round(row.maxmem / 1024 ** 2),
    ...(row.cpu === undefined ? {} : { cpu: row.cpu }),
    ...(row.mem === undefined || row.maxmem === undefined || row.maxmem === 0
      ? {}
      : { memoryUsed: row.mem / row.maxmem }),
    ...(row.uptime === undefined ? {} : { uptimeSeconds: row.uptime }),
    ...(row.hastate === undefined || row.hastate === '' ? {} : { ha: row.hastate }),
    storages: before?.storages ?? [],
    tags: tagsOf(row.tags),
    addresses: before?.addresses ?? [],
  };
}

export function guestView(ref: GuestRef, node: string, status: CurrentStatus, config: GuestConfig): GuestView {
  const lock = status.lock ?? config['lock'];
  const marker = readMarker(config['description']);
  return {
    ref,
    node,
    nodeOnline: true,
    name: config['name'] ?? status.name ?? '',
    power: powerOf(status.status, status.qmpstatus, lock),
    ...(lock === undefined ? {} : { lock }),
    ...(marker === undefined ? {} : { marker }),
    template: config['template'] === '1',
    cores: vcpus(config),
    memoryMiB: memoryMiB(config),
    ...(status.cpu === undefined ? {} : { cpu: status.cpu }),
    ...(status.mem === undefined || status.maxmem === undefined || status.maxmem === 0
      ? {}
      : { memoryUsed: status.mem / status.maxmem }),
    ...(status.uptime === undefined ? {} : { uptimeSeconds: status.uptime }),
    ...(status.ha?.managed === true ? { ha: status.ha.state ?? 'managed' } : {}),
    storages: storages(config),
    tags: tagsOf(config['tags']),
    // Until a clone is configured it has its source's, which is nobody's to count on.
    addresses: marker?.unconfigured === true ? [] : staticAddresses(config),
  };
}

/** `suspended` is a stopped guest whose memory lies on disk, under a lock of that name. */
export function powerOf(status: string, qmpStatus: string | undefined, lock: string | undefined): PowerState {
  if (status === 'stopped') return lock === 'suspended' ? 'suspended' : 'stopped';
  if (status !== 'running') return 'unknown';
  switch (qmpStatus) {
    case undefined:
    case 'running':
      return 'running';
    // The last one sleeps by its own doing: QEMU is there, and anybody can wake it. Ours of that name lie on disk.
    case 'paused':
    case 'prelaunch':
    case 'suspended':
      return 'paused';
    default:
      // io-error, internal-error, guest-panicked: QEMU is there, the guest is not well.
      return 'unknown';
  }
}

function listedPower(row: Resource): PowerState {
  const { status = 'unknown' } = row;
  return status === 'stopped' ? powerOf('stopped', undefined, row.lock) : powerOf('running', status, row.lock);
}
