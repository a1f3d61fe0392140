import { drivesOf, formatDrive, isCloudInit, parseDrive } from '../../cluster/drive.ts';
import type { Drive } from '../../cluster/drive.ts';
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
  const bytes = wanted === 'cloudinit' ? 4 * 2 ** 20 : Math.floor(Number(wanted) * 2 ** 30);
  const name = await locks.storage(guest.node, storageId, false, 10_000, async () => {
    await worker.takes(timing.allocateFileMs);
    const next = volumes.nextName(
      storage,
      guest.node,
      guest.vmid,
      format,
      wanted === 'cloudinit' ? 'cloudinit' : 'disk',
    );
    const volume = volumes.allocate(storage, guest.node, next, bytes);
    const isTemplate = wanted !== 'cloudinit' && guest.config.current['template'] === '1';
    return isTemplate ? volumes.rename(volume, baseName(next, guest.vmid)).name : next;
  });
  const options = without(drive.options, 'format');
  worker.log(
    `${key}: successfully created disk '${storageId}:${name},${wanted === 'cloudinit' ? 'media=cdrom' : `size=${formatSize(bytes)}`}'`,
  );
  const shape: Record<string, string> =
    wanted === 'cloudinit' ? { ...options, media: 'cdrom' } : { ...options, size: formatSize(bytes) };
  return formatDrive({ slot: key, file: `${storageId}:${name}`, options: shape });
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
