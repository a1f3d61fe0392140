import { pathOf } from '../world/world.ts';
import type { WorldStorage } from '../world/world.ts';
import type { VolumeFormat } from './volumes.ts';

/** What the tool that makes image files prints about a new one; nothing for storages that are not files. */
export function formatting(storage: WorldStorage, name: string, format: VolumeFormat, bytes: number): string[] {
  const path = pathOf(storage);
  if (path === undefined) return [];
  const how =
    format === 'qcow2'
      ? `fmt=qcow2 cluster_size=65536 extended_l2=off preallocation=metadata compression_type=zlib size=${bytes} lazy_refcounts=off refcount_bits=16`
      : `fmt=${format} size=${bytes}${format === 'raw' ? ' preallocation=off' : ''}`;
  return [`Formatting '${path}/images/${name}', ${how}`];
}
