import type { Cluster } from '../../cluster/cluster.ts';
import { archiveOwner, parseVolume, volumeParts } from '../../cluster/volumes.ts';
import type { VolumeName } from '../../cluster/volumes.ts';
import { pathOf } from '../../world/world.ts';
import type { WorldVolume } from '../../world/world.ts';

type VolumeRow = { readonly volid: string; readonly content: string; readonly vmid?: number } & Readonly<
  Record<string, unknown>
>;

/** The base an image is linked to: files say where, and say so when there is none. */
function parentOf({ base }: VolumeName, isFile: boolean): object {
  if (isFile) return { parent: base === undefined ? null : `../${base}` };
  return base === undefined ? {} : { parent: base };
}

/** How lists call the formats of files that are no images. */
function fileFormat(content: string, name: string): string {
  if (content === 'iso') return 'iso';
  if (content === 'snippets') return 'snippet';
  const extension = /\.((?:tar|vma)(?:\.\w+)?|\w+)$/.exec(name)?.[1] ?? 'raw';
  return content === 'vztmpl' ? `t${extension.split('.').at(-1)!}` : extension;
}

/** A volume as lists show it, with what it is kept under. */
export function rowOf(cluster: Cluster, volume: WorldVolume): VolumeRow | undefined {
  const volid = `${volume.storage}:${volume.name}`;
  const content = volumeParts(volid)?.content;
  if (content === undefined) return undefined;
  const ctime = cluster.volumes.ctimeOf(volume);
  const image = parseVolume(volid);
  if (image) {
    const used = cluster.volumes.usedOf(volume);
    const isFile = pathOf(cluster.volumes.storage(volume.storage)) !== undefined;
    return {
      volid,
      content: cluster.world.containers.has(image.owner) ? 'rootdir' : 'images',
      format: image.format,
      size: volume.bytes,
      ...(used === undefined ? {} : { used }),
      vmid: image.owner,
      ctime,
      ...parentOf(image, isFile),
    };
  }
  const row = { volid, content, format: fileFormat(content, volume.name), size: volume.bytes, ctime };
  if (content !== 'backup') return row;
  const owner = archiveOwner(volid);
  return {
    ...row,
    ...(owner === undefined ? {} : { vmid: owner, subtype: /vzdump-(\w+)-/.exec(volume.name)![1] }),
    ...(volume.notes ? { notes: volume.notes.split('\n')[0] } : {}),
    ...(volume.protected ? { protected: 1 } : {}),
  };
}
