import type { Options } from '../world/guest-config.ts';
import type { VolumeName } from './volumes.ts';

/** A qcow2 file: a page, three clusters of its own, and a table for each stretch of the disk. */
const qcow2 = { page: 4096, cluster: 64 * 1024, perTable: 512 * 2 ** 20 };
/** Of the image that cloud-init reads: written when a guest starts, which no template does. */
const cloudInitBytes = 3 * qcow2.cluster;

/**
 * Bytes that the file of an image takes: what it says about itself, and what was written. A new qcow2 has its tables
 * ready, a clone of a base has none, a raw file is a hole. `owner` is the configuration of its guest, if there is one.
 */
export function fileBytes(image: VolumeName, diskBytes: number, owner: Options | undefined): number {
  const isWritten = image.leaf.includes('-cloudinit') && owner !== undefined && owner['template'] !== '1';
  const written = isWritten ? cloudInitBytes : 0;
  if (image.format !== 'qcow2') return written;
  const tables = image.base === undefined ? Math.ceil(diskBytes / qcow2.perTable) : 0;
  return qcow2.page + qcow2.cluster * (3 + tables) + written;
}
