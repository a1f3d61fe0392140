import { formatDrive, parseDrive } from '../../cluster/drive.ts';
import type { Worker } from '../../cluster/tasks.ts';
import { formatSize, parseVolume } from '../../cluster/volumes.ts';
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
  if (storageId === undefined || wanted === undefined) {
    if (drive.file.includes(':') && parseVolume(drive.file) && !call.cluster.volumes.find(drive.file, guest.node)) {
      throw failed(`volume '${drive.file}' does not exist`);
    }
    return value;
  }
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
    volumes.allocate(storage, guest.node, next, bytes);
    return next;
  });
  const options = without(drive.options, 'format');
  worker.log(
    `${key}: successfully created disk '${storageId}:${name},${wanted === 'cloudinit' ? 'media=cdrom' : `size=${formatSize(bytes)}`}'`,
  );
  const shape: Record<string, string> =
    wanted === 'cloudinit' ? { ...options, media: 'cdrom' } : { ...options, size: formatSize(bytes) };
  return formatDrive({ slot: key, file: `${storageId}:${name}`, options: shape });
}
