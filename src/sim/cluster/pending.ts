import { without } from '../without.ts';
import type { Options } from '../world/guest-config.ts';
import type { WorldGuest } from '../world/world.ts';
import type { Cluster } from './cluster.ts';
import { isCdrom, isDriveSlot, parseDrive } from './drive.ts';

/** Options a running guest takes on at once: QEMU has nothing to do with them, or takes them by its control group. */
const atOnce = new Set([
  ...['description', 'name', 'onboot', 'protection', 'startup', 'tags', 'hookscript', 'vmstatestorage', 'lock'],
  ...['shares', 'migrate_speed', 'migrate_downtime', 'cpuunits', 'cpulimit'],
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
  guest.config.cloudInit = undefined;
}

/** Keeps what the guest's cloud-init image still says of an option that has changed since the image was made. */
function remember(guest: WorldGuest, key: string, old: string | undefined, next: string | undefined): void {
  const kept = (guest.config.cloudInit ??= { said: {}, added: new Set() });
  const said = kept.said[key];
  if (next !== undefined && next === said) {
    Reflect.deleteProperty(kept.said, key);
    kept.added.delete(key);
  } else if (said !== undefined) return;
  else if (kept.added.has(key)) {
    if (next === undefined) kept.added.delete(key);
  } else if (old === undefined) {
    if (next !== undefined) kept.added.add(key);
  } else kept.said[key] = old;
}

/** The running guest takes on what it can; the rest waits for its next start. */
export function hotplugPending(cluster: Cluster, guest: WorldGuest): void {
  const now = (key: string): boolean => atOnce.has(key) || plugged.test(key) || cloudInit.test(key);
  for (const key of [...guest.config.pendingDelete.keys(), ...Object.keys(guest.config.pending)]) {
    if (cloudInit.test(key) || key === 'name' || /^net\d+$/.test(key))
      remember(guest, key, guest.config.current[key], guest.config.pending[key]);
  }
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

export const isCloudInitOption = (key: string): boolean => cloudInit.test(key);
