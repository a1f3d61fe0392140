import { requireVolumeAccess } from '../../access/device-rights.ts';
import { check } from '../../access/permissions.ts';
import { archiveOwner, parseVolume, volumeParts } from '../../cluster/volumes.ts';
import { pathOf } from '../../world/world.ts';
import type { WorldStorage, WorldVolume } from '../../world/world.ts';
import { badParameter, failed, Refusal } from '../refusal.ts';
import { fork } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';
import { rowOf } from './volume-row.ts';

function mayAccess(call: Call, volid: string): boolean {
  try {
    requireVolumeAccess(call, undefined, volid);
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

/** Listed whichever guest is asked for. */
const ofNobody = new Set(['snippets', 'import']);

/** What is on a storage, as far as the caller may use it. Of a guest there are its images and backups, and all snippets. */
function listContent(call: Call): object[] {
  const { cluster, args, node } = call;
  const storage = cluster.volumes.activeStorage(args.need('storage'), node);
  const owner = args.number('vmid');
  const wanted = args.text('content');
  const kinds = cluster.volumes.contentOf(storage).filter((kind) => [kind, undefined].includes(wanted));
  return cluster.volumes
    .onNode(storage.id, node)
    .flatMap((volume) => rowOf(cluster, volume) ?? [])
    .filter(({ content }) => kinds.includes(content))
    .filter(({ content, vmid }) => owner === undefined || vmid === owner || ofNobody.has(content))
    .filter(({ volid }) => mayAccess(call, volid))
    .sort((a, b) => (a.volid.toLowerCase() < b.volid.toLowerCase() ? -1 : 1));
}

const kibibytes: Readonly<Record<string, number>> = { '': 1, M: 1024, G: 1024 ** 2 };

/** Makes an image of a guest that need not exist, under any name a file may have. */
function allocate(call: Call): string {
  const { cluster, args, node } = call;
  const name = args.need('filename');
  const [, number, unit] = /^(\d+)([MG]?)$/.exec(args.need('size'))!;
  const extension = /\.(raw|qcow2|vmdk)$/.exec(name)?.[1];
  const format = args.text('format') ?? extension;
  if (extension !== undefined && format !== extension)
    throw badParameter({ format: `different storage formats (${format ?? ''} != ${extension})` });
  const storage = cluster.volumes.activeStorage(args.need('storage'), node);
  const vmid = args.need('vmid');
  const bytes = Number(number) * kibibytes[unit!]! * 1024;
  if (pathOf(storage) === undefined) {
    if ((format ?? 'raw') !== 'raw') throw failed(`unsupported format '${format ?? ''}'`);
    if (!name.startsWith(`vm-${vmid}-`)) throw failed(`illegal name '${name}' - should be 'vm-${vmid}-*'`);
    return volumeId(cluster.volumes.allocate(storage, node, name, bytes));
  }
  const named = /^[^/\s]+\.(raw|qcow2|vmdk|subvol)$/.exec(name)?.[1];
  if (named === undefined) throw failed(`unable to parse volume filename '${name}'`);
  if (named !== (format ?? 'raw'))
    throw failed(`illegal name '${name}' - wrong extension for format ('${named} != '${format ?? 'raw'}')`);
  return volumeId(cluster.volumes.allocate(storage, node, `${vmid}/${name}`, bytes));
}

const volumeId = ({ storage, name }: WorldVolume): string => `${storage}:${name}`;

/** The volume of a path: named whole, or by what it is called on the storage. */
function volidOf({ args }: Call): string {
  const [volume, storage] = [args.need('volume'), args.need('storage')];
  if (!volume.includes(':')) return `${storage}:${volume}`;
  const of = volumeParts(volume)?.storage;
  if (of === undefined) throw badParameter({ volume: `unable to parse volume ID '${volume}'\n` });
  if (of !== storage) throw badParameter({ volume: `storage ID mismatch (${of} != ${storage})\n` });
  return volume;
}

type Located = {
  readonly storage: WorldStorage;
  readonly path: string;
  readonly content: string;
  readonly owner: number | undefined;
};

/** Where a volume is, whether or not it is there. */
function locate({ cluster }: Call, volid: string): Located {
  const parts = volumeParts(volid)!;
  const storage = cluster.volumes.storage(parts.storage);
  if (parts.content === undefined) throw failed(`unable to parse directory volume name '${parts.name}'`);
  const owner = parts.content === 'backup' ? archiveOwner(volid) : parseVolume(volid)?.owner;
  return { storage, path: cluster.volumes.pathTo(volid), content: parts.content, owner };
}

function volumeInfo(call: Call): object {
  const { cluster, node } = call;
  const volid = volidOf(call);
  requireVolumeAccess(call, undefined, volid);
  const { path, content } = locate(call, volid);
  const volume = cluster.volumes.findFile(volid, node);
  if (!volume) throw failed(`volume_size_info on '${volid}' failed - no format`);
  if (volume.bytes === 0) throw failed(`volume '${volid}' has size zero`);
  const format = parseVolume(volid)?.format ?? 'raw';
  const used = cluster.volumes.usedOf(volume) ?? volume.bytes;
  const kept = content === 'backup' ? { notes: volume.notes ?? '', protected: volume.protected ? 1 : 0 } : {};
  return { path, size: volume.bytes, used, format, ...kept };
}

function updateVolume(call: Call): null {
  const { cluster, args, node } = call;
  const volid = volidOf(call);
  requireVolumeAccess(call, undefined, volid);
  const { content } = locate(call, volid);
  if (args.has('notes') && content !== 'backup') throw failed('only backups can have notes');
  if (args.has('protected') && content !== 'backup') throw failed('only backups can be protected');
  const volume = cluster.volumes.findFile(volid, node);
  if (!volume) throw failed(`volume '${volid}' does not exist`);
  if (args.has('notes')) volume.notes = args.need('notes');
  if (args.has('protected')) volume.protected = args.flag('protected');
  return null;
}

async function deleteVolume(call: Call): Promise<string | null> {
  const { cluster, args, node, who } = call;
  const volid = volidOf(call);
  const { storage, path, content, owner } = locate(call, volid);
  if (content === 'backup' && owner !== undefined) {
    check(cluster.world, who, `/storage/${storage.id}`, ['Datastore.AllocateSpace']);
    check(cluster.world, who, `/vms/${owner}`, ['VM.Backup']);
  } else check(cluster.world, who, `/storage/${storage.id}`, ['Datastore.Allocate']);
  const task = fork(call, 'imgdel', owner === undefined ? storage.id : `${owner}@${storage.id}`, async (worker) => {
    cluster.volumes.activeStorage(storage.id, node);
    await worker.takes(cluster.timing.configMs);
    const { name } = volumeParts(volid)!;
    if (cluster.volumes.childrenOf(volid, node).length > 0)
      throw failed(`base volume '${name}' is still in use by linked clones`);
    const volume = cluster.volumes.findFile(volid, node);
    if (volume?.protected) throw failed(`cannot remove protected volume '${name}' on '${storage.id}'`);
    if (volume) cluster.volumes.free(volume);
    else worker.log(`disk image '${path}' does not exist`);
    worker.log(`Removed volume '${volid}'`);
  });
  const delayMs = (args.number('delay') ?? 0) * 1000;
  if (delayMs === 0) return task.upid;
  await Promise.race([task.ended, cluster.clock.sleep(delayMs)]);
  if (task.running) return task.upid;
  if (task.exit !== 'OK') throw failed(task.exit ?? 'unexpected status');
  return null;
}

/** There is nothing to fetch from: a file of this size appears. */
const downloadBytes = 2 ** 20;

function download(call: Call): string {
  const { cluster, args, node } = call;
  const [id, content, filename] = [args.need('storage'), args.need('content'), args.need('filename')];
  const storage = cluster.volumes.activeStorage(id, node);
  if (!cluster.volumes.contentOf(storage).includes(content))
    throw failed(`storage '${id}' is not configured for content-type '${content}'`);
  return fork(call, 'download', filename, async (worker) => {
    const name = `${content}/${filename}`;
    if (cluster.volumes.findFile(`${id}:${name}`, node))
      throw failed(`refusing to override existing file '${filename}'`);
    await worker.takes(Math.ceil((downloadBytes / cluster.timing.copyBytesPerSecond) * 1000));
    cluster.volumes.allocate(storage, node, name, downloadBytes);
    worker.log(`download of '${args.need('url')}' to '${cluster.volumes.pathTo(`${id}:${name}`)}' finished`);
  }).upid;
}

const content = '/nodes/{node}/storage/{storage}/content';

export const storageContentHandlers: Readonly<Record<string, Handler>> = {
  [`GET ${content}`]: listContent,
  [`POST ${content}`]: allocate,
  [`GET ${content}/{volume}`]: volumeInfo,
  [`PUT ${content}/{volume}`]: updateVolume,
  [`DELETE ${content}/{volume}`]: deleteVolume,
  'POST /nodes/{node}/storage/{storage}/download-url': download,
};
