import { has } from '../../access/permissions.ts';
import { without } from '../../without.ts';
import { isShared } from '../../world/world.ts';
import type { WorldStorage } from '../../world/world.ts';
import { badParameter } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';

const isEnabled = (storage: WorldStorage, node: string): boolean =>
  storage.options['disable'] !== '1' && (storage.options['nodes']?.split(/[,;\s]+/).includes(node) ?? true);

function storageRow(call: Call, storage: WorldStorage): Record<string, unknown> {
  const { cluster, node } = call;
  const active = isEnabled(storage, node) && !cluster.volumes.offline.has(storage.id);
  const used = active ? cluster.volumes.usedBytes(storage, node) : 0;
  const total = active ? storage.totalBytes : 0;
  return {
    storage: storage.id,
    type: storage.type,
    content: storage.options['content'] ?? 'images,rootdir',
    enabled: isEnabled(storage, node) ? 1 : 0,
    active: active ? 1 : 0,
    shared: isShared(storage) ? 1 : 0,
    total,
    used,
    avail: total - used,
    ...(total > 0 ? { used_fraction: used / total } : {}),
  };
}

export const seesStorage = (call: Call, id: string): boolean =>
  ['Datastore.Audit', 'Datastore.AllocateSpace'].some((privilege) =>
    has(call.cluster.world, call.who, `/storage/${id}`, privilege),
  );

const noSuchStorage = (): Error => badParameter({ storage: 'No such storage.' });

export const storageHandlers: Readonly<Record<string, Handler>> = {
  'GET /nodes/{node}/storage': (call) => {
    const { cluster, args, node } = call;
    const content = args.list('content');
    const wanted = args.text('storage');
    const target =
      args.text('target') === node || args.text('target') === 'localhost' ? undefined : args.text('target');
    const known = [...cluster.world.storages.values()].filter(
      (storage) =>
        content.length === 0 ||
        (isEnabled(storage, node) && cluster.volumes.contentOf(storage).some((kind) => content.includes(kind))),
    );
    if (wanted !== undefined && !known.some(({ id }) => id === wanted)) throw noSuchStorage();
    return known
      .filter((storage) => seesStorage(call, storage.id))
      .filter((storage) => wanted === undefined || storage.id === wanted)
      .filter((storage) => !args.flag('enabled') || storage.options['disable'] !== '1')
      .filter((storage) => target === undefined || (isShared(storage) && isEnabled(storage, target)))
      .map((storage) => storageRow(call, storage));
  },
  'GET /nodes/{node}/storage/{storage}/status': (call) => {
    const storage = call.cluster.world.storages.get(call.args.need('storage'));
    if (!storage) throw noSuchStorage();
    return without(storageRow(call, storage), 'storage', 'used_fraction');
  },
};
