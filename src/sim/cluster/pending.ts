import { without } from '../without.ts';
import type { Options } from '../world/guest-config.ts';
import type { WorldGuest } from '../world/world.ts';
import type { Cluster } from './cluster.ts';
import { isCdrom, isDriveSlot, parseDrive } from './drive.ts';
import { formatDrive } from './drive.ts';
import { formatSize } from './volumes.ts';

/** Options a running guest takes on at once: QEMU has nothing to do with them. */
const atOnce = new Set([
  ...['description', 'name', 'onboot', 'protection', 'startup', 'tags', 'hookscript', 'vmstatestorage', 'lock'],
  ...['agent', 'shares', 'autostart', 'migrate_speed', 'migrate_downtime'],
]);
/** What `hotplug` allows by default: cards, disks and USB can be plugged into a running guest. */
const plugged = /^(?:net|scsi|virtio|usb)\d+$/;
const cloudInit = /^(?:ipconfig\d+|ciuser|cipassword|sshkeys|nameserver|searchdomain|cicustom|citype|ciupgrade)$/;

/** Drops what waits although it would change nothing. */
export function cleanPending(guest: WorldGuest): void {
  const { config } = guest;
  config.pending = Object.fromEntries(
    Object.entries(config.pending).filter(([key, value]) => config.current[key] !== value),
  );
  for (const key of config.pendingDelete.keys()) {
    if (config.current[key] === undefined) config.pendingDelete.delete(key);
  }
}

function applyDelete(cluster: Cluster, guest: WorldGuest, key: string, force: boolean): void {
  const { config } = guest;
  const drive = isDriveSlot(key) ? parseDrive(key, config.current[key] ?? '') : undefined;
  config.current = without(config.current, key);
  config.pendingDelete.delete(key);
  if (!drive || isCdrom(drive) || !drive.file.includes(':')) return;
  const volume = cluster.volumes.find(drive.file, guest.node);
  if (force || drive.file.includes('cloudinit')) {
    if (volume) cluster.volumes.free(volume);
  } else if (volume) config.current[nextUnused(config.current)] = drive.file;
}

/** A disk taken off a guest stays its own, as `unusedN`. */
export function nextUnused(options: Options): string {
  let n = 0;
  while (options[`unused${n}`] !== undefined) n += 1;
  return `unused${n}`;
}

function applySet(cluster: Cluster, guest: WorldGuest, key: string, value: string): void {
  const { config } = guest;
  const old = config.current[key];
  if (isDriveSlot(key) && old !== undefined) {
    const before = parseDrive(key, old);
    const after = parseDrive(key, value);
    if (before && after && before.file !== after.file && before.file.includes(':') && !isCdrom(before)) {
      if (cluster.volumes.find(before.file, guest.node)) config.current[nextUnused(config.current)] = before.file;
    }
  }
  config.current[key] = value;
  config.pending = without(config.pending, key);
}

/** Everything that waits becomes current: the guest is off, or about to start. */
export function applyPending(cluster: Cluster, guest: WorldGuest): void {
  for (const [key, force] of [...guest.config.pendingDelete]) applyDelete(cluster, guest, key, force);
  for (const [key, value] of Object.entries(guest.config.pending)) applySet(cluster, guest, key, value);
  writeCloudInit(cluster, guest);
}

/** The running guest takes on what it can; the rest waits for its next start. */
export function hotplugPending(cluster: Cluster, guest: WorldGuest): void {
  const now = (key: string): boolean => atOnce.has(key) || plugged.test(key);
  for (const [key, force] of [...guest.config.pendingDelete]) if (now(key)) applyDelete(cluster, guest, key, force);
  for (const [key, value] of Object.entries(guest.config.pending)) {
    if (now(key)) applySet(cluster, guest, key, value);
  }
  const machine = cluster.machines.get(guest.vmid);
  if (!machine) return;
  const taken: Options = { ...machine.options };
  for (const [key, value] of Object.entries(guest.config.current)) if (now(key)) taken[key] = value;
  for (const key of Object.keys(taken)) {
    if (now(key) && guest.config.current[key] === undefined) Reflect.deleteProperty(taken, key);
  }
  cluster.machines.plug(guest.vmid, taken);
}

/** The cloud-init image is written anew whenever the options it is made from may have changed; its size is noted. */
function writeCloudInit(cluster: Cluster, guest: WorldGuest): void {
  for (const key of Object.keys(guest.config.current).filter(isDriveSlot)) {
    const drive = parseDrive(key, guest.config.current[key]!);
    if (!drive || !/vm-\d+-cloudinit/.test(drive.file)) continue;
    const volume = cluster.volumes.find(drive.file, guest.node);
    if (!volume || drive.options['size'] !== undefined) continue;
    guest.config.current[key] = formatDrive({
      ...drive,
      options: { ...drive.options, size: formatSize(volume.bytes) },
    });
  }
}

export const isCloudInitOption = (key: string): boolean => cloudInit.test(key);
