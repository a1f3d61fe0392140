import { drivesOf, formatDrive, isCloudInit, parseDrive } from '../../cluster/drive.ts';
import type { Drive } from '../../cluster/drive.ts';
import { formatting } from '../../cluster/qemu-img.ts';
import type { Worker } from '../../cluster/tasks.ts';
import { baseName, formatSize, parseVolume, volumeParts } from '../../cluster/volumes.ts';
import { without } from '../../without.ts';
import type { WorldGuest } from '../../world/world.ts';
import { failed } from '../refusal.ts';
import type { Call } from '../operation.ts';

/** `tank:8` makes an 8 GiB disk, `tank:cloudinit` the image cloud-init reads. */
export async function makeDisk(
  call: Call,
  guest: WorldGuest,
  key: string,
  value: string,
  worker: Pick<Worker, 'takes' | 'log'>,
): Promise<string> {
  const drive = parseDrive(key, value)!;
  const [, storageId, wanted] = /^([^:]+):(\d+(?:\.\d+)?|cloudinit)$/.exec(drive.file) ?? [];
  if (isCloudInit(drive)) requireOneCloudInit(guest, drive);
  if (storageId === undefined || wanted === undefined) return useDisk(call, guest, drive);
  const { volumes, timing, locks } = call.cluster;
  const storage = volumes.activeStorage(storageId, guest.node);
  const format = (drive.options['format'] ??
    (wanted === 'cloudinit' ? volumes.formatsOf(storage).at(1) : undefined) ??
    'raw') as 'raw' | 'qcow2';
  const imported = sourceOf(call, guest, drive);
  const bytes = imported ?? sizeOf(drive, wanted);
  const name = await locks.storage(guest.node, storageId, false, 10_000, async () => {
    await worker.takes(timing.allocateFileMs);
    const next = volumes.nextName(
      storage,
      guest.node,
      guest.vmid,
      format,
      wanted === 'cloudinit' ? 'cloudinit' : 'disk',
    );
    for (const line of formatting(storage, next, format, bytes)) worker.log(line);
    const volume = volumes.allocate(storage, guest.node, next, bytes);
    const isTemplate = wanted !== 'cloudinit' && guest.config.current['template'] === '1';
    return isTemplate ? volumes.rename(volume, baseName(next, guest.vmid)).name : next;
  });
  const options = without(drive.options, 'format', 'import-from');
  const shape: Record<string, string> =
    wanted === 'cloudinit' ? { ...options, media: 'cdrom' } : { ...options, size: formatSize(bytes) };
  const made = formatDrive({ slot: key, file: `${storageId}:${name}`, options: shape });
  worker.log(`${key}: successfully created disk '${made}'`);
  return made;
}

/** Firmware variables, the state of a TPM and what cloud-init reads have sizes of their own. */
function sizeOf(drive: Drive, wanted: string): number {
  if (wanted === 'cloudinit' || drive.slot === 'tpmstate0') return 4 * 2 ** 20;
  if (drive.slot === 'efidisk0') return (drive.options['efitype'] === '4m' ? 528 : 128) * 2 ** 10;
  return Math.floor(Number(wanted) * 2 ** 30);
}

/** The size of the volume a new disk is filled from; undefined when it starts empty. */
function sourceOf(call: Call, guest: WorldGuest, drive: Drive): number | undefined {
  const source = drive.options['import-from'];
  if (source === undefined) return undefined;
  const volume = call.cluster.volumes.find(source, guest.node);
  if (!volume) throw failed(`could not get size of ${source}`);
  return volume.bytes;
}

/** A volume that exists: it must be there, and its size is noted. */
function useDisk(call: Call, guest: WorldGuest, drive: Drive): string {
  if (drive.file === 'none' || drive.file === 'cdrom')
    return formatDrive({ ...drive, options: without(drive.options, 'size') });
  const parts = volumeParts(drive.file);
  if (parts === undefined) return formatDrive(drive);
  const { volumes } = call.cluster;
  volumes.activeStorage(parts.storage, guest.node);
  const volume =
    volumes.find(drive.file, guest.node) ??
    volumes.onNode(parts.storage, guest.node).find(({ name }) => name === parts.name);
  const { format } = drive.options;
  const stored = parseVolume(drive.file)?.format ?? 'raw';
  if (format !== undefined && format !== stored)
    throw failed(
      `drive '${drive.slot}' - volume '${drive.file}' - 'format=${format}' option different from storage format '${stored}'`,
    );
  if (!volume) throw failed(`volume '${drive.file}' does not exist`);
  return formatDrive({ ...drive, options: { ...drive.options, size: formatSize(volume.bytes) } });
}

/** A guest reads one cloud-init image. */
function requireOneCloudInit(guest: WorldGuest, drive: Drive): void {
  const other = [guest.config.current, guest.config.pending]
    .flatMap(drivesOf)
    .find((one) => one.slot !== drive.slot && isCloudInit(one));
  if (other) throw failed(`${drive.slot} - cloud-init drive is already attached at '${other.slot}'`);
}
