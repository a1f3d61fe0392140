import type { LeftOver } from '../../ports/hypervisor.ts';
import type { Resource } from './answers.ts';
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
  // A shared storage shows the same everywhere: it is asked once, of a node that is on.
  const asked = [...new Map(places.map((row) => [row.shared === true ? row.storage : row.id, row])).values()];
  const found: LeftOver[] = [];
  for (const { node = '', storage = '' } of asked) {
    const volumes = (await site.calls.storageContent(node, storage, vmid)).filter((one) =>
      isOurs(site, one.vmid, vmid),
    );
    found.push(...volumes.map((one) => ({ vmid: one.vmid ?? 0, volume: one.volid, node })));
  }
  if (found.length === 0) return [];
  // Read after the volumes: a clone that has begun since then has its guest first.
  const taken = new Set((await site.calls.guestResources()).map((row) => row.vmid));
  return found.filter((one) => !taken.has(one.vmid));
}

function imageStorages(rows: readonly Resource[]): Resource[] {
  return rows.filter(
    (row) => row.type === 'storage' && row.status === 'available' && (row.content ?? '').split(',').includes('images'),
  );
}

function isOurs({ spec: { vmids } }: Site, owner: number | undefined, wanted: number | undefined): boolean {
  if (owner === undefined || owner < vmids.from || owner > vmids.to) return false;
  return wanted === undefined || owner === wanted;
}
