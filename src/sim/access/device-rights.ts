import { isCdrom, isCloudInit, isDriveSlot, parseDrive } from '../cluster/drive.ts';
import { archiveOwner, parseVolume, volumeParts } from '../cluster/volumes.ts';
import { parsePropertyString } from '../api/parameters.ts';
import { propertyStrings, usbDevice, virtioFs } from '../api/property-strings.ts';
import { badParameter, failed } from '../api/refusal.ts';
import type { Call } from '../api/operation.ts';
import type { Options } from '../world/guest-config.ts';
import { check, checkAny, checkGuest, has } from './permissions.ts';

/** `tank:8` is a disk to be made, not one that exists. */
const newDisk = /^(?:([^/:\s]+):)?\d+(?:\.\d+)?$/;

/** Drives of a call name storages that may be used and volumes the caller may see. */
export function requireVolumes(call: Call, vmid: number, set: Options): void {
  const { cluster, who } = call;
  for (const [key, value] of Object.entries(set)) {
    if (!isDriveSlot(key)) continue;
    const drive = parseDrive(key, value)!;
    const { file } = drive;
    if (file === 'none' || /(?:^|:)cloudinit$/.test(file)) continue;
    const isCd = drive.options['media'] === 'cdrom';
    requireSource(call, vmid, drive.options['import-from']);
    if (isCd && file === 'cdrom') {
      check(cluster.world, who, '/', ['Sys.Console']);
      continue;
    }
    const made = isCd ? null : newDisk.exec(file);
    if (!made) {
      requireVolumeAccess(call, vmid, file);
      const content = volumeParts(file)?.content;
      if (content !== 'images' && content !== 'iso')
        throw badParameter({ [key]: "content type needs to be 'images' or 'iso'" });
      continue;
    }
    const storage = made[1];
    if (storage === undefined) throw failed('no storage ID specified (and no default storage)');
    check(cluster.world, who, `/storage/${storage}`, ['Datastore.AllocateSpace']);
    if (!cluster.volumes.contentOf(cluster.volumes.storage(storage)).includes('images'))
      throw badParameter({ storage: `storage '${storage}' does not support vm images` });
  }
  if (set['vmstatestorage'] !== undefined)
    check(cluster.world, who, `/storage/${set['vmstatestorage']}`, ['Datastore.AllocateSpace']);
  for (const volid of snippetsOf(set['cicustom'])) requireSnippet(call, volid);
}

function snippetsOf(custom: string | undefined): string[] {
  const parsed = custom === undefined ? {} : parsePropertyString(propertyStrings['pve-qm-cicustom']!, custom);
  return typeof parsed === 'string' ? [] : Object.values(parsed).sort();
}

/** A snippet is for everybody to name, whatever they may do on its storage; anything else is none. */
function requireSnippet({ cluster }: Call, volid: string): void {
  const parts = volumeParts(volid);
  if (parts === undefined) throw failed('Only root can pass arbitrary filesystem paths.');
  cluster.volumes.storage(parts.storage);
  if (parts.content !== 'snippets') throw failed(`unable to use volume ${volid} - content type needs to be 'snippets'`);
}

/** A disk that is filled from a guest's needs the right to clone that guest. */
function requireSource(call: Call, vmid: number, source: string | undefined): void {
  if (source === undefined) return;
  const owner = parseVolume(source)?.owner;
  if (owner === undefined) requireVolumeAccess(call, vmid, source);
  else check(call.cluster.world, call.who, `/vms/${owner}`, ['VM.Clone']);
}

/** A volume may be used by who may allocate on its storage, by its owner, or by who may change its owner's disks. */
export function requireVolumeAccess(call: Call, vmid: number | undefined, volid: string, wanted?: string): void {
  const { cluster, who } = call;
  const parts = volumeParts(volid);
  if (parts === undefined) throw failed('Only root can pass arbitrary filesystem paths.');
  const { storage, name, content } = parts;
  cluster.volumes.storage(storage);
  if (content === undefined) throw failed(`unable to parse directory volume name '${name}'`);
  if (wanted !== undefined && content !== wanted)
    throw failed(`unable to use volume ${volid} - content type needs to be '${wanted}'`);
  if (has(cluster.world, who, `/storage/${storage}`, 'Datastore.Allocate')) return;
  const owner = content === 'backup' ? archiveOwner(volid) : parseVolume(volid)?.owner;
  if (content === 'iso' || content === 'vztmpl' || content === 'import')
    checkAny(cluster.world, who, `/storage/${storage}`, ['Datastore.AllocateSpace', 'Datastore.Audit']);
  else if (owner === undefined) throw failed(`missing privileges to access ${volid}`);
  else if (owner !== vmid && content === 'backup') {
    check(cluster.world, who, `/storage/${storage}`, ['Datastore.AllocateSpace']);
    check(cluster.world, who, `/vms/${owner}`, ['VM.Backup']);
  } else if (owner !== vmid) {
    check(cluster.world, who, `/storage/${storage}`, ['Datastore.Audit']);
    check(cluster.world, who, `/vms/${owner}`, ['VM.Config.Disk']);
  }
}

/** What it takes to put a drive into a guest or out of it. */
export function requireDriveRights(call: Call, vmid: number, slot: string, value: string): void {
  const drive = parseDrive(slot, value);
  const wanted =
    drive && isCloudInit(drive)
      ? ['VM.Config.Cloudinit', 'VM.Config.CDROM']
      : [drive && isCdrom(drive) ? 'VM.Config.CDROM' : 'VM.Config.Disk'];
  check(call.cluster.world, call.who, `/vms/${vmid}`, wanted);
}

/**
 * Devices of the host are for root in person, which no token is; mapped ones need the mapping too. `before` is what the
 * guest has in that place now.
 */
export function requireDeviceRights(
  call: Call,
  vmid: number,
  option: string,
  value: string,
  doing: Doing,
  before?: string,
  pool?: string,
): void {
  const { cluster, who } = call;
  if (who.id === 'root@pam') return;
  const here = (...privileges: string[]): void => checkGuest(cluster.world, who, vmid, privileges, pool);
  const hardware: Hardware = () => {
    here('VM.Config.HWType');
  };
  const values = [before, value].filter((one) => one !== undefined);
  if (/^serial\d+$/.test(option)) requireSerial(hardware, option, doing, value, before);
  else if (/^usb\d+$/.test(option)) for (const one of values) requireUsb(call, hardware, option, one);
  else if (/^hostpci\d+$/.test(option)) for (const one of values) requirePci(call, hardware, option, one);
  else if (option === 'rng0') {
    for (const one of values) {
      hardware();
      if (one.includes('/dev/hwrng')) check(cluster.world, who, '/mapping/hwrng', ['Mapping.Use']);
    }
  } else if (/^virtiofs\d+$/.test(option)) {
    for (const one of values) {
      here('VM.Config.Disk');
      check(cluster.world, who, `/mapping/dir/${keysOf(virtioFs, one)['dirid'] ?? ''}`, ['Mapping.Use']);
    }
  }
}

/** A guest is changed, or made with a device. */
type Doing = 'set' | 'delete' | 'create';
const verbs: Record<Doing, string> = { set: 'modify', delete: 'delete', create: 'set' };

/** Refuses who may not change the hardware of the guest in question. */
type Hardware = () => void;

function requireSerial(
  hardware: Hardware,
  option: string,
  doing: Doing,
  value: string,
  before: string | undefined,
): void {
  const isSocket = value === 'socket' && (before === undefined || before === 'socket');
  if (!isSocket) throw failed(`only root can ${verbs[doing]} '${option}' config for real devices`);
  hardware();
}

const keysOf = (format: Parameters<typeof parsePropertyString>[0], value: string): Record<string, string> => {
  const parsed = parsePropertyString(format, value);
  return typeof parsed === 'string' ? {} : parsed;
};

function requireUsb(call: Call, hardware: Hardware, option: string, value: string): void {
  hardware();
  const { host, mapping } = keysOf(usbDevice, value);
  if (host !== undefined) {
    if (host.toLowerCase() !== 'spice') throw failed(`only root can set '${option}' config for real devices`);
  } else if (mapping === undefined) throw failed("either 'host' or 'mapping' must be set.");
  else check(call.cluster.world, call.who, `/mapping/usb/${mapping}`, ['Mapping.Use']);
}

function requirePci(call: Call, hardware: Hardware, option: string, value: string): void {
  const { host, mapping, romfile } = keysOf(propertyStrings['pve-qm-hostpci']!, value);
  if (host !== undefined) throw failed(`only root can set '${option}' config for non-mapped devices`);
  if (mapping === undefined) throw failed("either 'host' or 'mapping' must be set.");
  check(call.cluster.world, call.who, `/mapping/pci/${mapping}`, ['Mapping.Use']);
  hardware();
  if (romfile !== undefined) throw badParameter({ [option]: "only root@pam can set 'romfile' option" });
}
