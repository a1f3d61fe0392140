import { without } from '../without.ts';
import type { Options } from '../world/guest-config.ts';
import type { WorldGuest } from '../world/world.ts';
import type { Cluster } from './cluster.ts';
import { isCdrom, isCloudInit, isDriveSlot, parseDrive } from './drive.ts';
import { parseVolume } from './volumes.ts';

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

/** A drive is taken off: what cloud-init reads goes away, a disk of the guest's own stays as `unusedN`. */
export function detach(cluster: Cluster, guest: WorldGuest, slot: string, value: string, force = false): void {
  const drive = parseDrive(slot, value);
  if (!drive || isCdrom(drive) || !drive.file.includes(':')) return;
  const volume = cluster.volumes.find(drive.file, guest.node);
  if (!volume) return;
  if (force || isCloudInit(drive)) cluster.volumes.free(volume);
  else if (parseVolume(drive.file)?.owner === guest.vmid) addUnused(guest.config.current, drive.file);
}

/** A volume nobody uses any more is noted once, under the lowest number that is free. */
export function addUnused(options: Options, volid: string): void {
  const unused = Object.keys(options).filter((key) => /^unused\d+$/.test(key));
  if (unused.some((key) => options[key] === volid)) return;
  let n = 0;
  while (options[`unused${n}`] !== undefined) n += 1;
  options[`unused${n}`] = volid;
}

/** A volume that a drive uses again is not unused. */
function dropUsed(guest: WorldGuest): void {
  const { current, pending } = guest.config;
  const used = new Set(
    [current, pending].flatMap((options) =>
      Object.keys(options)
        .filter(isDriveSlot)
        .map((slot) => parseDrive(slot, options[slot]!)?.file),
    ),
  );
  for (const key of Object.keys(current)) {
    if (/^unused\d+$/.test(key) && used.has(current[key])) Reflect.deleteProperty(current, key);
  }
}

function applyDelete(cluster: Cluster, guest: WorldGuest, key: string, force: boolean): void {
  const { config } = guest;
  const old = config.current[key];
  config.current = without(config.current, key);
  config.pendingDelete.delete(key);
  if (isDriveSlot(key) && old !== undefined) detach(cluster, guest, key, old, force);
}

function applySet(cluster: Cluster, guest: WorldGuest, key: string, value: string): void {
  const { config } = guest;
  const old = config.current[key];
  if (isDriveSlot(key) && old !== undefined && parseDrive(key, old)?.file !== parseDrive(key, value)?.file) {
    detach(cluster, guest, key, old);
  }
  config.current[key] = value;
  // An empty description is not written down at all.
  if (key === 'description' && value === '') config.current = without(config.current, key);
  config.pending = without(config.pending, key);
}

/** Everything that waits becomes current: the guest is off, or about to start. */
export function applyPending(cluster: Cluster, guest: WorldGuest): void {
  for (const [key, force] of [...guest.config.pendingDelete]) applyDelete(cluster, guest, key, force);
  for (const [key, value] of Object.entries(guest.config.pending)) applySet(cluster, guest, key, value);
  dropUsed(guest);
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
  dropUsed(guest);
  const taken: Options = { ...machine.options };
  for (const [key, value] of Object.entries(guest.config.current)) if (now(key)) taken[key] = value;
  for (const key of Object.keys(taken)) {
    if (now(key) && guest.config.current[key] === undefined) Reflect.deleteProperty(taken, key);
  }
  cluster.machines.plug(guest.vmid, taken);
}

export const isCloudInitOption = (key: string): boolean => cloudInit.test(key);
