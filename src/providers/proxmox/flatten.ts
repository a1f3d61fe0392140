import type { GuestRef, GuestView } from '../../ports/hypervisor.ts';
import type { Resource } from './answers.ts';
import { isFailure, ProxmoxError } from './errors.ts';
import type { Disk } from './guest-config.ts';
import { disks } from './guest-config.ts';
import { live } from './guest.ts';
import type { LiveGuest } from './guest.ts';
import type { Work } from './site.ts';
import { finished } from './tasks.ts';
import { Patience } from './writing.ts';

/*
 * A linked clone reads what it has not written from its template's disk, so the template cannot be replaced while it
 * lives. Proxmox has no call that cuts it loose; copying the disk does, running or not, and a copy to the same storage
 * in the same format is refused. So files change their format, and blocks their storage.
 */

/** Storages that hold disks as files, in more than one format. */
const fileStorages = ['dir', 'nfs', 'cifs', 'cephfs', 'glusterfs', 'btrfs'];

/** `tank:base-9000-disk-0/vm-300-disk-0`, with the owner's folder before each part where disks are files. */
const linkedVolume = /^[^:]+:(?:\d+\/)?base-\d+-[^/]+\/(?:\d+\/)?vm-\d+-/;

/** Disks that still need their template's. */
export function linkedDisks(config: LiveGuest['config']): Disk[] {
  return disks(config).filter((disk) => !disk.cdrom && !disk.cloudInit && linkedVolume.test(disk.volume));
}

export type FlatPlace = { readonly storage: string; readonly format?: 'raw' | 'qcow2' };

/**
 * Where a linked disk is to be copied, of the storages its node sees. As near as possible to where it is: as a file
 * beside itself, in the other format; else in the cluster's own storage; else in one of the same kind, with the most room.
 * A disk that every node sees stays one. @returns undefined when there is no such place
 */
export function flatPlace(disk: Disk, node: string, rows: readonly Resource[], own?: string): FlatPlace | undefined {
  const here = rows.filter((row) => row.type === 'storage' && row.node === node && row.status === 'available');
  const current = here.find((row) => row.storage === disk.storage);
  if (disk.storage !== undefined && fileStorages.includes(current?.plugintype ?? '')) {
    return { storage: disk.storage, format: disk.volume.endsWith('.raw') ? 'qcow2' : 'raw' };
  }
  const free = (row: Resource): number => (row.maxdisk ?? 0) - (row.disk ?? 0);
  const rank = (row: Resource): number => (row.storage === own ? 0 : row.plugintype === current?.plugintype ? 1 : 2);
  const [best] = here
    .filter((row) => row.storage !== disk.storage && (row.content ?? '').split(',').includes('images'))
    .filter((row) => row.shared === true || current?.shared !== true)
    .sort((a, b) => rank(a) - rank(b) || free(b) - free(a));
  return best?.storage === undefined ? undefined : { storage: best.storage };
}

/** Copies each linked disk, one after the other, and frees the linked one. @throws ProxmoxError capacity when there is no place */
export async function ensureFlat(work: Work, ref: GuestRef): Promise<GuestView> {
  const patience = new Patience(work);
  for (;;) {
    const { view, config } = await live(work, ref);
    const [disk] = linkedDisks(config);
    if (disk === undefined) return view;
    if (await isBeingMoved(work, view)) {
      await work.waiting.pause(work.timing.lookMs);
      continue;
    }
    const place = flatPlace(disk, view.node, await work.calls.resources(), work.spec.storage);
    if (place === undefined) throw noPlace(view, disk);
    try {
      const upid = await work.calls.moveDisk(view.node, ref.vmid, disk.drive, place, config['digest']);
      const target = `${disk.drive} of VM ${ref.vmid} to ${place.storage} on ${view.node}`;
      const { warnings } = await finished(work.calls, upid, { target, waiting: work.waiting, log: work.log });
      for (const text of warnings) work.log.warn({ vmid: ref.vmid }, `flatten: ${text}`);
    } catch (error) {
      await patience.after(error, 'not-found');
    }
  }
}

/** A copy that was begun by an earlier call, whose answer was lost, is waited for and not begun twice. */
async function isBeingMoved(work: Work, view: GuestView): Promise<boolean> {
  try {
    return (await work.calls.tasksOf(view.node, view.ref.vmid, 'active')).some((task) => task.type === 'qmmove');
  } catch (error) {
    // Somebody else's tasks are not ours to see; the digest keeps a second copy from counting.
    if (isFailure(error, 'permission')) return false;
    throw error;
  }
}

function noPlace(view: GuestView, disk: Disk): ProxmoxError {
  return new ProxmoxError({
    operation: 'flatten',
    target: `${disk.drive} of VM ${view.ref.vmid} on ${view.node}`,
    failureClass: 'capacity',
    message:
      `storage ${disk.storage ?? ''} holds blocks, and Proxmox copies a disk only to another storage; none with content ` +
      `"images" is available on ${view.node}. Add one, or make shadows as full clones; until then its template must stay`,
  });
}
