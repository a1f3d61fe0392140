import { createHash } from 'node:crypto';
import { isShared, usualStorageBytes } from '../../world/world.ts';
import type { World, WorldStorage } from '../../world/world.ts';
import { failed } from '../refusal.ts';
import { fixedStorageOptions, ofEveryStorage, storageOptions, storageTypes } from '../storage-options.ts';
import type { Call, Handler } from '../operation.ts';
import { changeClusterFile } from './cluster-file.ts';
import { seesStorage } from './storages.ts';

const settable = { ...storageOptions, ...fixedStorageOptions };
/** Kept where only root reads it. */
const secret = new Set(['password', 'encryption-key', 'keyring', 'master-pubkey']);

const digestOf = (world: World): string =>
  createHash('sha1')
    .update(
      [...world.storages.values()]
        .map(({ id, type, options }) => `${type}: ${id} ${JSON.stringify(options)}\n`)
        .join(''),
    )
    .digest('hex');

function shown(world: World, storage: WorldStorage): object {
  const options = Object.entries(storage.options).map(([name, value]) => {
    const type = settable[name]?.type;
    return [name, type === 'boolean' || type === 'integer' ? Number(value) : value] as const;
  });
  return {
    content: 'images,rootdir',
    ...Object.fromEntries(options),
    ...(isShared(storage) ? { shared: 1 } : {}),
    storage: storage.id,
    type: storage.type,
    digest: digestOf(world),
  };
}

const changeStorages = <Result>(call: Call, failing: string, work: () => Result): Result =>
  changeClusterFile(call, 'file-storage_cfg', failing, work);

/** What a call says of a storage, as far as a storage of this type can be told so. */
function optionsOf({ args }: Call, type: string): Record<string, string> {
  const { understands, required, content } = storageTypes[type]!;
  const given = Object.keys(settable).filter((name) => args.has(name));
  for (const name of given) {
    const known = !understands || [...required, ...understands, ...ofEveryStorage].includes(name);
    if (!known) throw failed(`unexpected property '${name}'`);
  }
  for (const kind of args.list('content')) {
    if (!content.includes(kind)) throw failed(`storage does not support content type '${kind}'`);
  }
  const kept = given.filter((name) => !secret.has(name) && !(name === 'nodes' && args.need(name) === ''));
  return Object.fromEntries(kept.map((name) => [name, args.need(name)]));
}

function createStorage(call: Call): object {
  const { cluster, args } = call;
  const [id, type] = [args.need('storage'), args.need('type')];
  const options = optionsOf(call, type);
  for (const name of storageTypes[type]!.required) {
    if (!args.has(name)) throw failed(`missing value for required option '${name}'`);
  }
  return changeStorages(call, 'create storage failed', () => {
    if (cluster.world.storages.has(id)) throw failed(`storage ID '${id}' already defined`);
    cluster.world.storages.set(id, { id, type, options, totalBytes: usualStorageBytes });
    return { storage: id, type };
  });
}

function updateStorage(call: Call): object {
  const { cluster, args } = call;
  const id = args.need('storage');
  return changeStorages(call, 'update storage failed', () => {
    if (args.has('digest') && args.text('digest') !== digestOf(cluster.world))
      throw failed('detected modified configuration - file changed by other user? Try again.');
    const storage = cluster.volumes.storage(id);
    const options = optionsOf(call, storage.type);
    for (const name of args.list('delete')) {
      if (settable[name] === undefined) throw failed(`no such option '${name}'`);
      if (storageTypes[storage.type]?.required.includes(name))
        throw failed(`unable to delete required option '${name}'`);
      if (fixedStorageOptions[name]) throw failed(`unable to delete fixed option '${name}'`);
      if (args.has(name)) throw failed(`cannot set and delete property '${name}' at the same time!`);
    }
    for (const name of args.list('delete')) Reflect.deleteProperty(storage.options, name);
    Object.assign(storage.options, options);
    return { storage: id, type: storage.type };
  });
}

/** The storage is forgotten; what is on it stays where it is. */
function deleteStorage(call: Call): null {
  const { cluster, args } = call;
  const id = args.need('storage');
  changeStorages(call, 'delete storage failed', () => {
    cluster.volumes.storage(id);
    const isBase = [...cluster.world.storages.values()].some(({ options }) => options['base']?.startsWith(`${id}:`));
    if (isBase) throw failed("can't remove storage - storage is used as base of another storage");
    cluster.world.storages.delete(id);
  });
  cluster.world.acls = cluster.world.acls.filter(({ path }) => path !== `/storage/${id}`);
  for (const { storages } of cluster.world.pools.values()) storages.delete(id);
  return null;
}

export const storageConfigHandlers: Readonly<Record<string, Handler>> = {
  'GET /storage': (call) =>
    [...call.cluster.world.storages.values()]
      .filter(({ id, type }) => seesStorage(call, id) && [type, undefined].includes(call.args.text('type')))
      .map((storage) => shown(call.cluster.world, storage)),
  'GET /storage/{storage}': ({ cluster, args }) => shown(cluster.world, cluster.volumes.storage(args.need('storage'))),
  'POST /storage': createStorage,
  'PUT /storage/{storage}': updateStorage,
  'DELETE /storage/{storage}': deleteStorage,
};
