import { check, has } from '../../access/permissions.ts';
import type { WorldPool, WorldStorage } from '../../world/world.ts';
import { failed } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';
import { changeUserConfig } from './cluster-file.ts';
import { storageStats } from './cluster.ts';

function membersOf(call: Call, pool: WorldPool): object[] {
  const { cluster, args } = call;
  const type = args.text('type');
  const guests = [...pool.vms]
    .filter((vmid) => cluster.world.guests.has(vmid))
    .sort((a, b) => a - b)
    .map((vmid) => {
      const guest = cluster.world.guests.get(vmid)!;
      const sample = cluster.view.of(guest.node)?.guests.get(vmid);
      const row = { id: `qemu/${vmid}`, type: 'qemu', vmid, node: guest.node, status: 'unknown' };
      return sample ? { ...row, ...sample, template: sample.template ? 1 : 0, disk: 0 } : row;
    });
  const storages = [...pool.storages]
    .sort()
    .map((id) => cluster.world.storages.get(id))
    .filter((storage) => storage !== undefined)
    .map((storage) => storageMember(call, storage));
  const containers = [...pool.vms]
    .filter((vmid) => cluster.world.containers.has(vmid))
    .map((vmid) => ({
      id: `lxc/${vmid}`,
      type: 'lxc',
      vmid,
      node: cluster.world.containers.get(vmid)!.node,
      status: 'unknown',
    }));
  return [
    ...(type === undefined || type === 'qemu' ? guests : []),
    ...(type === undefined || type === 'lxc' ? containers : []),
    ...(type === undefined || type === 'storage' ? storages : []),
  ];
}

/** A storage is shown once: here when it is here, else on the first of its nodes. */
function storageMember({ cluster, node: here }: Call, storage: WorldStorage): object {
  const nodes = storage.options['nodes']?.split(/[,;\s]+/).sort();
  const node = nodes === undefined || nodes.includes(here) ? here : nodes[0]!;
  return storageStats(cluster, storage, node);
}

function poolNamed(call: Call): WorldPool {
  const id = call.args.need('poolid');
  const pool = call.cluster.world.pools.get(id);
  if (!pool) throw failed(`pool '${id}' does not exist`);
  return pool;
}

const described = (pool: WorldPool): object => (pool.comment === '' ? {} : { comment: pool.comment });

/** What fails under the lock of the file that pools are kept in says what was attempted. */
const requireUserLock = (call: Call, what: string): void => changeUserConfig(call, what, () => undefined);

function updatePool(call: Call): null {
  const { cluster, args, who } = call;
  const id = args.need('poolid');
  requireUserLock(call, 'update pools failed');
  const pool = cluster.world.pools.get(id);
  const refuse = (text: string): Error => failed(`update pools failed: ${text}`);
  if (!pool) throw refuse(`pool '${id}' does not exist`);
  // The refusal is caught on its way out and becomes an ordinary failure.
  const requireModify = (path: string, or: string): void => {
    if (!['Permissions.Modify', or].some((privilege) => has(cluster.world, who, path, privilege))) {
      throw refuse(`Permission check failed (${path}, Permissions.Modify|${or})`);
    }
  };
  const vmids = args.list('vms').map(Number);
  for (const vmid of vmids) {
    requireModify(`/vms/${vmid}`, 'VM.Allocate');
    if (args.flag('delete')) {
      if (!pool.vms.has(vmid)) throw refuse(`VM ${vmid} is not a pool member`);
      continue;
    }
    if (pool.vms.has(vmid)) throw refuse(`VM ${vmid} is already a pool member`);
    const other = cluster.poolOf(vmid);
    if (other !== undefined && !args.flag('allow-move')) {
      throw refuse(`VM ${vmid} belongs already to pool '${other}' and 'allow-move' is not set`);
    }
    if (other !== undefined) check(cluster.world, who, `/pool/${other}`, ['Pool.Allocate']);
  }
  const storages = args.list('storage');
  for (const storage of storages) {
    requireModify(`/storage/${storage}`, 'Datastore.Allocate');
    if (args.flag('delete') && !pool.storages.has(storage)) throw refuse(`Storage '${storage}' is not a pool member`);
    if (!args.flag('delete') && pool.storages.has(storage))
      throw refuse(`Storage '${storage}' is already a pool member`);
  }
  for (const vmid of vmids) {
    for (const other of cluster.world.pools.values()) other.vms.delete(vmid);
    if (!args.flag('delete')) pool.vms.add(vmid);
  }
  for (const storage of storages) {
    if (args.flag('delete')) pool.storages.delete(storage);
    else pool.storages.add(storage);
  }
  if (args.has('comment')) pool.comment = args.need('comment');
  return null;
}

function deletePool(call: Call): null {
  const { cluster, args } = call;
  const id = args.need('poolid');
  const refuse = (text: string): Error => failed(`delete pool failed: ${text}`);
  requireUserLock(call, 'delete pool failed');
  const pool = cluster.world.pools.get(id);
  if (!pool) throw refuse(`pool '${id}' does not exist`);
  const child = [...cluster.world.pools.keys()].sort().find((other) => other.startsWith(`${id}/`));
  if (child !== undefined) throw refuse(`pool '${id}' is not empty (contains pool '${child}')`);
  const vmid = [...pool.vms].sort((a, b) => a - b).find((id) => cluster.hasId(id));
  if (vmid !== undefined) throw refuse(`pool '${id}' is not empty (contains VM ${vmid})`);
  const storage = [...pool.storages].sort().find((id) => cluster.world.storages.has(id));
  if (storage !== undefined) throw refuse(`pool '${id}' is not empty (contains storage '${storage}')`);
  cluster.world.pools.delete(id);
  cluster.world.acls = cluster.world.acls.filter(({ path }) => path !== `/pool/${id}`);
  return null;
}

export const poolHandlers: Readonly<Record<string, Handler>> = {
  'GET /pools': (call) => {
    const { cluster, who, args } = call;
    if (args.has('poolid')) {
      const pool = poolNamedFor(call);
      return [{ poolid: args.need('poolid'), ...described(pool), members: membersOf(call, pool) }];
    }
    return [...cluster.world.pools]
      .filter(([id]) => has(cluster.world, who, `/pool/${id}`, 'Pool.Audit'))
      .map(([poolid, pool]) => ({ poolid, ...described(pool) }));
  },
  'GET /pools/{poolid}': (call) => {
    const pool = poolNamed(call);
    return { ...described(pool), members: membersOf(call, pool) };
  },
  'POST /pools': (call) => {
    const { cluster, args } = call;
    const id = args.need('poolid');
    requireUserLock(call, 'create pool failed');
    const parent = id.includes('/') ? id.slice(0, id.lastIndexOf('/')) : undefined;
    if (cluster.world.pools.has(id)) throw failed(`create pool failed: pool '${id}' already exists`);
    if (parent !== undefined && !cluster.world.pools.has(parent))
      throw failed(`create pool failed: parent '${parent}' of pool '${id}' does not exist`);
    cluster.world.pools.set(id, { comment: args.text('comment') ?? '', vms: new Set(), storages: new Set() });
    return null;
  },
  'PUT /pools': updatePool,
  'PUT /pools/{poolid}': updatePool,
  'DELETE /pools': deletePool,
  'DELETE /pools/{poolid}': deletePool,
};

/** With `poolid` the list is one pool, and the right to see that one is asked for. */
function poolNamedFor(call: Call): WorldPool {
  check(call.cluster.world, call.who, `/pool/${call.args.need('poolid')}`, ['Pool.Audit']);
  return poolNamed(call);
}
