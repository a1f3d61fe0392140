import { check } from '../../access/permissions.ts';
import { disksOf } from '../../cluster/drive.ts';
import { newUuid } from '../../cluster/identity.ts';
import { addUnused } from '../../cluster/pending.ts';
import { without } from '../../without.ts';
import type { Options } from '../../world/guest-config.ts';
import { digestOf } from '../../world/guest-config.ts';
import { failed } from '../refusal.ts';
import { fork } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';
import { show } from './config-view.ts';
import { startGuest } from '../../cluster/start.ts';

const vmidOf = (call: Call): number => Number(call.args.need('vmid'));

function listSnapshots(call: Call): object[] {
  const { config } = call.cluster.load(call.node, vmidOf(call));
  const rows: object[] = [...config.snapshots].map(([name, options]) => ({
    name,
    description: options['description'] ?? '',
    snaptime: Number(options['snaptime'] ?? 0),
    ...(options['parent'] === undefined ? {} : { parent: options['parent'] }),
    vmstate: options['vmstate'] === undefined ? 0 : 1,
  }));
  const parent = config.current['parent'];
  return [
    ...rows,
    {
      name: 'current',
      description: 'You are here!',
      digest: digestOf(config),
      running: call.cluster.machines.get(vmidOf(call)) ? 1 : 0,
      ...(parent === undefined ? {} : { parent }),
    },
  ];
}

/** The state of a guest at one moment, without what only the present has. */
const frozen = (options: Options): Options =>
  Object.fromEntries(
    Object.entries(options).filter(
      ([key]) => !['lock', 'digest', 'description'].includes(key) && !/^unused\d+$/.test(key),
    ),
  );

function takeSnapshot(call: Call): string {
  const { cluster, node, args } = call;
  const vmid = vmidOf(call);
  const name = args.need('snapname');
  if (name === 'current' || name.toLowerCase() === 'pending')
    throw failed(`unable to use snapshot name '${name.toLowerCase()}' (reserved name)`);
  cluster.load(node, vmid);
  return fork(call, 'qmsnapshot', String(vmid), (worker) =>
    cluster.locks.guest(node, vmid, 10_000, async () => {
      const guest = cluster.load(node, vmid);
      const { config } = guest;
      if (config.current['template'] === '1') throw failed("you can't take a snapshot if it's a template");
      cluster.requireUnlocked(guest);
      if (config.snapshots.has(name)) throw failed(`snapshot name '${name}' already used`);
      // Some snapshot may remember a parent of this name that is long gone.
      for (const [other, options] of config.snapshots)
        if (options['parent'] === name) config.snapshots.set(other, without(options, 'parent'));
      const disks = disksOf(config.current);
      if (!disks.every((drive) => cluster.volumes.can('snapshot', drive.file)))
        throw failed('snapshot feature is not available');
      cluster.requireWritable(node, vmid);
      config.current['lock'] = 'snapshot';
      for (const drive of disks) worker.log(`snapshotting 'drive-${drive.slot}' (${drive.file})`);
      await worker.takes(100);
      config.current = without(config.current, 'lock');
      const withState = args.flag('vmstate') && cluster.machines.get(vmid) !== undefined;
      config.snapshots.set(name, {
        ...frozen(config.current),
        snaptime: String(Math.floor(cluster.clock.now() / 1000)),
        ...(args.text('description') ? { description: args.need('description') } : {}),
        ...(withState ? { runningmachine: 'pc-i440fx-10.1+pve0' } : {}),
      });
      config.current['parent'] = name;
    }),
  ).upid;
}

function rollback(call: Call): string {
  const { cluster, node, args } = call;
  const vmid = vmidOf(call);
  const name = args.need('snapname');
  if (args.flag('start')) check(cluster.world, call.who, `/vms/${vmid}`, ['VM.PowerMgmt']);
  return fork(call, 'qmrollback', String(vmid), async (worker) => {
    await cluster.locks.guest(node, vmid, 10_000, async () => {
      const guest = cluster.load(node, vmid);
      const { config } = guest;
      if (config.current['template'] === '1') throw failed("you can't rollback if vm is a template");
      const snapshot = config.snapshots.get(name);
      if (!snapshot) throw failed(`snapshot '${name}' does not exist`);
      cluster.requireUnlocked(guest);
      cluster.requireWritable(node, vmid);
      if (cluster.machines.get(vmid)) cluster.halt(vmid);
      await worker.takes(200);
      const back: Options = without(snapshot, 'snaptime', 'runningmachine', 'runningcpu', 'vmstate', 'description');
      // Another generation of the guest, unless it goes on from memory that knows the old one.
      if (back['vmgenid'] !== undefined && snapshot['vmstate'] === undefined) back['vmgenid'] = newUuid();
      const kept = Object.entries(config.current).filter(([key]) => key === 'description' || /^unused\d+$/.test(key));
      const inUse = new Set(disksOf(back).map((drive) => drive.file));
      const next: Options = { ...back, ...Object.fromEntries(kept), parent: name };
      for (const drive of disksOf(config.current)) if (!inUse.has(drive.file)) addUnused(next, drive.file);
      for (const [key] of kept) if (inUse.has(next[key]!)) Reflect.deleteProperty(next, key);
      config.current = next;
      config.pending = {};
      config.pendingDelete.clear();
    });
    if (args.flag('start')) await startGuest(cluster, node, vmid, worker);
  }).upid;
}

function deleteSnapshot(call: Call): string {
  const { cluster, node, args } = call;
  const vmid = vmidOf(call);
  const name = args.need('snapname');
  return fork(call, 'qmdelsnapshot', String(vmid), (worker) =>
    cluster.locks.guest(node, vmid, 10_000, async () => {
      const guest = cluster.load(node, vmid);
      const { config } = guest;
      const snapshot = config.snapshots.get(name);
      if (!snapshot) throw failed(`snapshot '${name}' does not exist`);
      cluster.requireUnlocked(guest);
      if (config.current['template'] === '1') throw failed("you can't delete a snapshot if vm is a template");
      cluster.requireWritable(node, vmid);
      await worker.takes(200);
      const parent = snapshot['parent'];
      for (const options of [config.current, ...config.snapshots.values()]) {
        if (options['parent'] !== name) continue;
        if (parent === undefined) Reflect.deleteProperty(options, 'parent');
        else options['parent'] = parent;
      }
      config.snapshots.delete(name);
    }),
  ).upid;
}

function snapshotOf(call: Call): Options {
  const snapshot = call.cluster.load(call.node, vmidOf(call)).config.snapshots.get(call.args.need('snapname'));
  if (!snapshot) throw failed(`snapshot '${call.args.need('snapname')}' does not exist`);
  return snapshot;
}

const snapshots = '/nodes/{node}/qemu/{vmid}/snapshot';

export const snapshotHandlers: Readonly<Record<string, Handler>> = {
  [`GET ${snapshots}`]: listSnapshots,
  [`POST ${snapshots}`]: takeSnapshot,
  [`GET ${snapshots}/{snapname}`]: () => [{ cmd: 'rollback' }, { cmd: 'config' }],
  [`DELETE ${snapshots}/{snapname}`]: deleteSnapshot,
  [`GET ${snapshots}/{snapname}/config`]: (call) => show(snapshotOf(call)),
  [`PUT ${snapshots}/{snapname}/config`]: (call) => {
    if (!call.args.has('description')) return null;
    call.cluster.requireUnlocked(call.cluster.load(call.node, vmidOf(call)));
    snapshotOf(call)['description'] = call.args.need('description');
    return null;
  },
  [`POST ${snapshots}/{snapname}/rollback`]: rollback,
};
