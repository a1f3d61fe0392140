import { check } from '../../access/permissions.ts';
import { bootOrderOf } from '../../cluster/boot-order.ts';
import { disksOf, formatDrive, isCdrom, parseDrive } from '../../cluster/drive.ts';
import type { Drive } from '../../cluster/drive.ts';
import { addUnused } from '../../cluster/pending.ts';
import type { Worker } from '../../cluster/tasks.ts';
import { baseName, formatSize, humanBytes, parseVolume } from '../../cluster/volumes.ts';
import type { VolumeFormat } from '../../cluster/volumes.ts';
import { digestOf } from '../../world/guest-config.ts';
import type { WorldGuest } from '../../world/world.ts';
import { badParameter, failed } from '../refusal.ts';
import { fork } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';
import { diskAt } from './disks.ts';

const vmidOf = (call: Call): number => Number(call.args.need('vmid'));

/** Copies a disk to another storage, which also cuts it loose from the base it was linked to. */
function moveDisk(call: Call): string {
  const { cluster, node, args, who } = call;
  const vmid = vmidOf(call);
  const slot = args.need('disk');
  const storageId = args.text('storage');
  if (args.has('target-vmid')) return reassignDisk(call, storageId);
  if (storageId === undefined) {
    const text = "both 'storage' and 'target-vmid' missing, either needs to be set";
    throw badParameter({ 'target-vmid': text, storage: text });
  }
  check(cluster.world, who, `/storage/${storageId}`, ['Datastore.AllocateSpace']);
  requireMovable(call, vmid, slot, storageId);
  return fork(call, 'qmmove', String(vmid), (worker) =>
    cluster.locks.guest(node, vmid, 10_000, async () => {
      const { guest, drive } = requireMovable(call, vmid, slot, storageId);
      worker.log(
        `copying volume '${drive.file}' from current storage '${drive.file.split(':')[0]!}' to target storage '${storageId}'`,
      );
      try {
        await copyDisk(call, guest, drive, storageId, worker);
      } catch (error) {
        throw failed(`storage migration failed: ${error instanceof Error ? error.message : String(error)}`);
      }
    }),
  ).upid;
}

/** Looked at before the worker is forked, and again under the lock. */
function requireMovable(
  call: Call,
  vmid: number,
  slot: string,
  storageId: string,
): { guest: WorldGuest; drive: Drive } {
  const { cluster, node, args } = call;
  const guest = cluster.load(node, vmid);
  cluster.requireUnlocked(guest);
  if (args.has('digest') && args.text('digest') !== digestOf(guest.config)) {
    throw failed('detected modified configuration - file changed by other user? Try again.');
  }
  const drive = diskAt(guest, slot);
  if (isCdrom(drive)) throw failed("you can't move a cdrom");
  const from = parseVolume(drive.file);
  if (from?.storage === storageId && (!args.has('format') || from.format === args.text('format'))) {
    throw failed("you can't move to the same storage with same format");
  }
  if (!cluster.volumes.contentOf(cluster.volumes.enabledStorage(storageId, node)).includes('images'))
    throw badParameter({ storage: `storage '${storageId}' does not support vm images` });
  if (args.flag('delete') && inSnapshot(guest, drive.file)) {
    throw failed("you can't move a disk with snapshots and delete the source");
  }
  return { guest, drive };
}

const inSnapshot = (guest: WorldGuest, file: string): boolean =>
  [...guest.config.snapshots.values()].some((options) => disksOf(options).some((drive) => drive.file === file));

async function copyDisk(call: Call, guest: WorldGuest, drive: Drive, storageId: string, worker: Worker): Promise<void> {
  const { cluster, node, args } = call;
  const { current } = guest.config;
  const storage = cluster.volumes.activeStorage(storageId, node);
  const allowed = cluster.volumes.formatsOf(storage);
  const wanted = (args.text('format') ?? parseVolume(drive.file)?.format ?? 'raw') as VolumeFormat;
  const format = allowed.includes(wanted) ? wanted : allowed[0]!;
  const volume = cluster.volumes.find(drive.file, node);
  if (!volume) throw failed(`volume '${drive.file}' does not exist`);
  if (inSnapshot(guest, drive.file)) worker.log('moving disk with snapshots, snapshots will not be moved!');
  worker.log(`create full clone of drive ${drive.slot} (${drive.file})`);
  const name = cluster.volumes.nextName(storage, node, guest.vmid, format);
  const copy = cluster.volumes.allocate(storage, node, name, volume.bytes);
  const total = humanBytes(volume.bytes);
  await worker.takes((volume.bytes / cluster.timing.copyBytesPerSecond) * 1000);
  worker.log(`transferred ${total} of ${total} (100.00%)`);
  const kept = current['template'] === '1' ? cluster.volumes.rename(copy, baseName(name, guest.vmid)) : copy;
  current[drive.slot] = formatDrive({
    ...drive,
    file: `${storageId}:${kept.name}`,
    options: { ...drive.options, size: formatSize(volume.bytes) },
  });
  if (args.flag('delete')) {
    worker.log(`removing source volume '${drive.file}' after successful copy`);
    cluster.volumes.free(volume);
  } else {
    addUnused(current, drive.file);
    const unused = Object.keys(current).find((key) => /^unused\d+$/.test(key) && current[key] === drive.file);
    worker.log(`adding source volume '${drive.file}' as '${unused!}' to config`);
  }
}

/** Gives a disk to another guest of the same node. */
function reassignDisk(call: Call, storageId: string | undefined): string {
  const { cluster, node, args, who } = call;
  const vmid = vmidOf(call);
  const other = args.number('target-vmid')!;
  const slot = args.need('disk');
  const otherSlot = args.text('target-disk') ?? slot;
  if (storageId !== undefined) {
    const text = "either set 'storage' or 'target-vmid', but not both";
    throw badParameter({ 'target-vmid': text, storage: text });
  }
  check(cluster.world, who, `/vms/${other}`, ['VM.Config.Disk']);
  if (other === vmid) throw badParameter({ 'target-vmid': 'must be different than source VMID to reassign disk' });
  const { drive } = requireReassignable(call, vmid, slot, other, otherSlot);
  check(cluster.world, who, `/storage/${drive.file.split(':')[0]!}`, ['Datastore.AllocateSpace']);
  return fork(call, 'qmmove', `${vmid}-${slot}>${other}-${otherSlot}`, (worker) =>
    cluster.locks.guest(node, vmid, 10_000, () =>
      cluster.locks.guest(node, other, 10_000, async () => {
        const { source, target, drive: found } = requireReassignable(call, vmid, slot, other, otherSlot);
        worker.log(`reassign disk '${slot}' from VM '${vmid}' as '${otherSlot}' to VM '${other}'`);
        await worker.takes(100);
        const volume = cluster.volumes.find(found.file, node);
        if (!volume) throw failed(`volume '${found.file}' does not exist`);
        const storage = cluster.volumes.storage(volume.storage);
        const format = parseVolume(found.file)?.format ?? 'raw';
        const moved = cluster.volumes.rename(volume, cluster.volumes.nextName(storage, node, other, format));
        const order = /^order=([^,]*)$/.exec(source.config.current['boot'] ?? '')?.[1]?.split(';');
        if (order?.includes(slot)) {
          worker.log(`removing disk '${slot}' from boot order config`);
          source.config.current['boot'] = bootOrderOf(order.filter((one) => one !== slot));
        }
        Reflect.deleteProperty(source.config.current, slot);
        worker.log(`removing disk '${slot}' from VM '${vmid}' config`);
        target.config.current[otherSlot] = formatDrive({
          ...found,
          slot: otherSlot,
          file: `${storage.id}:${moved.name}`,
        });
      }),
    ),
  ).upid;
}

/** A digest that somebody gave is that of the configuration as it is. */
function requireSame(digest: string | undefined, guest: WorldGuest): void {
  if (digest !== undefined && digest !== '' && digest !== digestOf(guest.config))
    throw failed(`VM ${guest.vmid}: detected modified configuration - file changed by other user? Try again.`);
}

function requireReassignable(
  call: Call,
  vmid: number,
  slot: string,
  other: number,
  otherSlot: string,
): { source: WorldGuest; target: WorldGuest; drive: Drive } {
  const { cluster } = call;
  const source = cluster.world.guests.get(vmid);
  const target = cluster.world.guests.get(other);
  if (!source) throw failed(`could not find VM ${vmid}`);
  if (!target) throw failed(`could not find target VM ${other}`);
  if (source.node !== target.node)
    throw failed(`Both VMs need to be on the same node (${source.node} != ${target.node})`);
  cluster.requireUnlocked(cluster.load(call.node, vmid));
  cluster.requireUnlocked(cluster.load(call.node, other));
  if ([source, target].some((guest) => guest.config.current['template'] === '1'))
    throw failed("Can't move disks from or to template VMs");
  requireSame(call.args.text('digest'), source);
  requireSame(call.args.text('target-digest'), target);
  const value = source.config.current[slot];
  if (value === undefined) throw failed(`Disk '${slot}' for VM '${vmid}' does not exist`);
  if (target.config.current[otherSlot] !== undefined)
    throw failed(`Target disk key '${otherSlot}' is already in use for VM '${other}'`);
  const drive = parseDrive(slot, value);
  if (!drive?.file.includes(':')) throw failed(`disk '${slot}' has no associated volume`);
  if (isCdrom(drive)) throw failed("CD drive contents can't be moved to another VM");
  if (inSnapshot(source, drive.file)) throw failed("Can't move disk used by a snapshot to another VM");
  if (cluster.machines.get(vmid) && !slot.startsWith('unused'))
    throw failed('Cannot move disk to another VM while the source VM is running - detach first');
  return { source, target, drive };
}

export const moveDiskHandlers: Readonly<Record<string, Handler>> = {
  'POST /nodes/{node}/qemu/{vmid}/move_disk': moveDisk,
};
