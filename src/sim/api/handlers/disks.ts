import { check } from '../../access/permissions.ts';
import { disksOf, formatDrive, isCdrom, parseDrive } from '../../cluster/drive.ts';
import type { Drive } from '../../cluster/drive.ts';
import { baseName, formatSize, parseSize, parseVolume } from '../../cluster/volumes.ts';
import { digestOf } from '../../world/guest-config.ts';
import type { WorldGuest } from '../../world/world.ts';
import { failed } from '../refusal.ts';
import { fork } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';
import { updateConfig } from './config.ts';
import { refuseSkiplock } from './power.ts';

const vmidOf = (call: Call): number => Number(call.args.need('vmid'));

function requireDigest(call: Call, guest: WorldGuest): void {
  if (call.args.has('digest') && call.args.text('digest') !== digestOf(guest.config)) {
    throw failed('checksum mismatch (file change by other user?)');
  }
}

export function diskAt(guest: WorldGuest, slot: string): Drive {
  const value = guest.config.current[slot];
  if (value === undefined) throw failed(`disk '${slot}' does not exist`);
  const drive = parseDrive(slot, value);
  if (!drive?.file.includes(':')) throw failed(`disk '${slot}' has no associated volume`);
  return drive;
}

function resize(call: Call): string {
  const { cluster, node, args, who } = call;
  const vmid = vmidOf(call);
  refuseSkiplock(call);
  return fork(call, 'resize', String(vmid), (worker) =>
    cluster.locks.guest(node, vmid, 10_000, async () => {
      const guest = cluster.load(node, vmid);
      requireDigest(call, guest);
      cluster.requireUnlocked(guest);
      const slot = args.need('disk');
      const file = parseDrive(slot, guest.config.current[slot] ?? '')?.file;
      if (file === 'none' || file === 'cdrom') throw failed(`unable to parse volume ID '${file}'`);
      const drive = diskAt(guest, slot);
      if (isCdrom(drive) || drive.options['media'] === 'cdrom') throw failed("you can't resize a cdrom");
      const storage = drive.file.split(':')[0]!;
      check(cluster.world, who, `/storage/${storage}`, ['Datastore.AllocateSpace']);
      cluster.volumes.activeStorage(storage, node);
      const volume = cluster.volumes.find(drive.file, node);
      if (!volume) throw failed(`Could not determine current size of volume '${drive.file}'`);
      const size = args.need('size');
      const bytes = size.startsWith('+') ? volume.bytes + parseSize(size.slice(1)) : parseSize(size);
      if (bytes < volume.bytes) throw failed('shrinking disks is not supported');
      if (bytes === volume.bytes) return;
      await worker.takes(200);
      if (!cluster.machines.get(vmid)) worker.log('Image resized.');
      volume.bytes = bytes;
      cluster.requireWritable(node, vmid);
      guest.config.current[slot] = formatDrive({ ...drive, options: { ...drive.options, size: formatSize(bytes) } });
    }),
  ).upid;
}

function toTemplate(call: Call): string {
  const { cluster, node } = call;
  const vmid = vmidOf(call);
  const checked = (): WorldGuest => {
    const guest = cluster.load(node, vmid);
    cluster.requireUnlocked(guest);
    if (guest.config.snapshots.size > 0) throw failed('unable to create template, because VM contains snapshots');
    if (guest.config.current['template'] === '1' && !call.args.has('disk')) {
      throw failed("you can't convert a template to a template");
    }
    if (cluster.machines.get(vmid)) throw failed("you can't convert a VM to template if VM is running");
    return guest;
  };
  checked();
  return fork(call, 'qmtemplate', String(vmid), (worker) =>
    cluster.locks.guest(node, vmid, 10_000, async () => {
      const guest = checked();
      await worker.takes(200);
      guest.config.current['template'] = '1';
      for (const drive of disksOf(guest.config.current)) {
        if (call.args.has('disk') && drive.slot !== call.args.text('disk')) continue;
        const volume = cluster.volumes.find(drive.file, node);
        if (!volume || parseVolume(drive.file)?.isBase === true) continue;
        const leaf = baseName(volume.name, vmid);
        cluster.volumes.rename(volume, leaf);
        guest.config.current[drive.slot] = formatDrive({ ...drive, file: `${volume.storage}:${leaf}` });
      }
    }),
  ).upid;
}

/** Another way to say `delete` of these options. */
const unlink = (call: Call): Promise<string | null> =>
  updateConfig({ ...call, args: call.args.with({ delete: call.args.need('idlist') }, 'idlist') }, true);

const guest = '/nodes/{node}/qemu/{vmid}';

export const diskHandlers: Readonly<Record<string, Handler>> = {
  [`PUT ${guest}/resize`]: resize,
  [`PUT ${guest}/unlink`]: unlink,
  [`POST ${guest}/template`]: toTemplate,
};
