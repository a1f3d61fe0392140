import { failed } from '../api/refusal.ts';
import { formatFirewall, guestFirewall } from '../world/firewall.ts';
import { emptyConfig, formatGuestConfig } from '../world/guest-config.ts';
import { pathOf } from '../world/world.ts';
import type { WorldGuest, WorldStorage } from '../world/world.ts';
import type { Cluster } from './cluster.ts';
import { drivesOf, isCdrom } from './drive.ts';
import type { Worker } from './tasks.ts';
import { parseVolume } from './volumes.ts';

const extensions: Readonly<Record<string, string>> = { '1': '.lzo', lzo: '.lzo', gzip: '.gz', zstd: '.zst' };

export const dumpFolder = (storage: WorldStorage): string => `${pathOf(storage) ?? `/mnt/pve/${storage.id}`}/dump`;

export const archiveName = (cluster: Cluster, vmid: number, order: { readonly compress: string }): string =>
  `vzdump-qemu-${vmid}-${stamp(cluster.clock.now(), '-', '_', '_')}.vma${extensions[order.compress] ?? ''}`;

/** The archive becomes a volume, with what it says of the guest beside its disks. */
export function storeArchive(
  cluster: Cluster,
  node: string,
  guest: WorldGuest,
  archive: string,
  order: { readonly storage: string },
  bytes: number,
  worker: Worker,
): void {
  const storage = cluster.volumes.activeStorage(order.storage, node);
  if (bytes > storage.totalBytes - cluster.volumes.usedBytes(storage, node))
    throw failed('vma_queue_write: write error - No space left on device');
  const name = `backup/${archive}`;
  const ctime = Math.floor(cluster.clock.now() / 1000);
  cluster.world.volumes.push({ storage: storage.id, name, node, bytes, ctime });
  const kept = Object.fromEntries(
    Object.entries(guest.config.current).filter(([key]) => !/^(?:lock|parent|unused\d+)$/.test(key)),
  );
  const firewall = cluster.world.firewalls.get(guestFirewall(guest.vmid));
  cluster.world.archives.set(`${storage.id}:${name}`, {
    config: formatGuestConfig(emptyConfig(kept)) + maps(kept),
    ...(firewall ? { firewall: formatFirewall(firewall) } : {}),
  });
  worker.log(`INFO: archive file size: ${Math.round(bytes / 2 ** 20)}MB`);
}

/** Lines of an archive that say which disk of it is which of the guest's. */
const maps = (options: Readonly<Record<string, string>>): string =>
  drivesOf(options)
    .filter((drive) => !isCdrom(drive) && parseVolume(drive.file))
    .map((drive) => {
      const name = parseVolume(drive.file)!;
      return `#qmdump#map:${drive.slot}:drive-${drive.slot}:${name.storage}:${name.format}:\n`;
    })
    .join('');

/** `2026-11-30 23:44:51`, or as file names have it. */
export function stamp(ms: number, between: string, inTime: string, inDate = '-'): string {
  const [date, time] = new Date(ms).toISOString().split('T') as [string, string];
  return `${date.replaceAll('-', inDate)}${between}${time.slice(0, 8).replaceAll(':', inTime)}`;
}
