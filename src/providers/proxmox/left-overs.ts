import type { LeftOver } from '../../ports/hypervisor.ts';
import type { Resource } from './answers.ts';
import { isFailure } from './errors.ts';
import { requireQuorum } from './members.ts';
import type { Site } from './site.ts';

/*
 * After a clone or a deletion that went half-way Proxmox may keep volumes that no guest names. The token may not free
 * them, so they are told to a human.
 */

/**
 * Volumes of VMIDs in our range that no guest has, on every storage that can be asked now.
 * @param vmid - of one guest that is gone; all of the range when absent
 * @throws ProxmoxError when the cluster's list, or one of the storages, cannot be read
 */
export async function leftOvers(site: Site, vmid?: number): Promise<LeftOver[]> {
  const status = await site.calls.clusterStatus();
  const off = new Set(status.filter((row) => row.type === 'node' && row.online === false).map((row) => row.name));
  const places = imageStorages(await site.calls.resources()).filter(({ node }) => !off.has(node));
  const found: LeftOver[] = [];
  // A shared storage shows the same everywhere: it is asked once.
  for (const key of new Set(places.map(keyOf))) {
    const views = places.filter((row) => keyOf(row) === key);
    for (const { vmid: owner, volid, node } of await contentOf(site, views, vmid)) {
      if (isOurs(site, owner, vmid)) found.push({ vmid: owner, volume: volid, node });
    }
  }
  if (found.length === 0) return [];
  // After the volumes were read, so that a clone that has begun since then has its guest; and by name, because the list
  // leaves out what the token may not see, and an administrator may free what is said to be nobody's.
  await requireQuorum(site.calls, site.spec.name);
  const free = new Set<number>();
  for (const owner of new Set(found.map((one) => one.vmid))) {
    if (await site.calls.vmidIsFree(owner)) free.add(owner);
  }
  return found.filter((one) => free.has(one.vmid));
}

function keyOf({ shared, storage, id }: Resource): string {
  return shared === true && storage !== undefined ? storage : id;
}

/** As the first of these nodes shows it that is on; nothing when all of them have died since they were listed. */
async function contentOf(site: Site, views: readonly Resource[], vmid: number | undefined) {
  for (const { node = '', storage = '' } of views) {
    try {
      return (await site.calls.storageContent(node, storage, vmid)).map((row) => ({ ...row, node }));
    } catch (error) {
      if (!isFailure(error, 'offline')) throw error;
    }
  }
  return [];
}

function imageStorages(rows: readonly Resource[]): Resource[] {
  return rows.filter(
    (row) => row.type === 'storage' && row.status === 'available' && (row.content ?? '').split(',').includes('images'),
  );
}

function isOurs({ spec: { vmids } }: Site, owner: number | undefined, wanted: number | undefined): owner is number {
  if (owner === undefined || owner < vmids.from || owner > vmids.to) return false;
  return wanted === undefined || owner === wanted;
}
