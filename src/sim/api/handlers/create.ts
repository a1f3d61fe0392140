import { requireDeviceRights, requireVolumes } from '../../access/device-rights.ts';
import { requireBridges, requireOptionRights } from '../../access/option-rights.ts';
import { check, checkGuest, has } from '../../access/permissions.ts';
import { bootOrderOf } from '../../cluster/boot-order.ts';
import { isDriveSlot } from '../../cluster/drive.ts';
import { newUuid } from '../../cluster/identity.ts';
import { startGuest } from '../../cluster/start.ts';
import { requireTags, uniqueTags } from '../../cluster/tags.ts';
import type { Worker } from '../../cluster/tasks.ts';
import { without } from '../../without.ts';
import { emptyConfig } from '../../world/guest-config.ts';
import type { Options } from '../../world/guest-config.ts';
import type { WorldGuest } from '../../world/world.ts';
import { diskNames } from '../guest-options.ts';
import { failed, notPermitted } from '../refusal.ts';
import { fork } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';
import { cardsOf, complete, normalize, resolveCdrom } from './config.ts';
import { makeDisk } from './new-disk.ts';
import { requireRestoreRights, restore } from './restore.ts';

/** Parameters of the call that are not options of the guest. */
const ofTheCall = [
  ...['pool', 'storage', 'start', 'unique', 'force', 'archive', 'bwlimit', 'live-restore', 'ha-managed'],
  'import-working-storage',
];

/** The order a guest boots in when nobody says: its first disk, its CD, its first card. */
function bootOrder(options: Options): string {
  const disks = diskNames.filter((slot) => options[slot] !== undefined && !/^(?:efidisk|tpmstate)0$/.test(slot));
  const isCd = (slot: string): boolean => options[slot]!.includes('media=cdrom');
  const found = [
    disks.find((slot) => !isCd(slot)),
    disks.find(isCd),
    Object.keys(options)
      .sort()
      .find((key) => /^net\d+$/.test(key)),
  ].filter((slot) => slot !== undefined);
  return bootOrderOf(found);
}

/** What may be refused before the parameters are looked into: the pool, the storage, and what is to happen afterwards. */
function requireAllowed(call: Call, vmid: number): void {
  const { cluster, args, who } = call;
  const { world } = cluster;
  const pool = args.text('pool');
  if (pool !== undefined && !world.pools.has(pool)) throw notPermitted(`pool '${pool}' does not exist`);
  const storage = args.text('storage');
  if (storage !== undefined) check(world, who, `/storage/${storage}`, ['Datastore.AllocateSpace']);
  if (args.flag('ha-managed')) check(world, who, '/', ['Sys.Console']);
  if (args.flag('start')) checkGuest(world, who, vmid, ['VM.PowerMgmt'], pool);
  if (args.has('archive')) {
    requireRestoreRights(call, vmid);
    return;
  }
  const allowed =
    has(world, who, `/vms/${vmid}`, 'VM.Allocate') ||
    (pool !== undefined && has(world, who, `/pool/${pool}`, 'VM.Allocate'));
  if (!allowed) throw notPermitted();
}

function requireRights(call: Call, vmid: number, set: Options): void {
  const { cluster, who, args } = call;
  const pool = args.text('pool');
  requireVolumes(call, vmid, set);
  requireOptionRights(cluster.world, who, vmid, Object.keys(set), pool);
  for (const [option, value] of Object.entries(set))
    requireDeviceRights(call, vmid, option, value, 'create', undefined, pool);
  requireBridges(cluster.world, who, cardsOf(set));
}

async function createGuest(call: Call, guest: WorldGuest, set: Options, worker: Worker): Promise<void> {
  const { cluster, node, args, who } = call;
  const { vmid } = guest;
  const options: Options = {};
  for (const key of Object.keys(set).sort()) {
    const value = set[key]!;
    options[key] = isDriveSlot(key) ? await makeDisk(call, guest, key, value, worker) : value;
  }
  options['boot'] ??= bootOrder(options);
  options['smbios1'] ??= `uuid=${newUuid()}`;
  options['vmgenid'] ??= newUuid();
  if (options['tags'] !== undefined) {
    requireTags(cluster.world, who, vmid, '', options['tags']);
    options['tags'] = uniqueTags(cluster.world, options['tags']);
  }
  options['meta'] = `creation-qemu=10.1.2,ctime=${Math.floor(cluster.clock.now() / 1000)}`;
  guest.config.current = options;
  const pool = args.text('pool');
  if (pool !== undefined) cluster.world.pools.get(pool)?.vms.add(vmid);
  cluster.log(`${node} has a new guest ${vmid}`);
}

export const createHandlers: Readonly<Record<string, Handler>> = {
  'POST /nodes/{node}/qemu': (call) => {
    const { cluster, node, args } = call;
    const vmid = Number(args.need('vmid'));
    const set = without(args.rest(), ...ofTheCall);
    normalize(set);
    cluster.requireQuorum(node);
    requireAllowed(call, vmid);
    if (args.has('archive')) return restore(call, vmid, set);
    resolveCdrom(set);
    requireRights(call, vmid, set);
    complete(call, set);
    const owner = cluster.world.guests.get(vmid) ?? cluster.world.containers.get(vmid);
    if (owner) {
      const kind = cluster.world.containers.has(vmid) ? 'CT' : 'VM';
      throw failed(`unable to create VM ${vmid} - ${kind} ${vmid} already exists on node '${owner.node}'`);
    }
    const guest: WorldGuest = { vmid, node, config: emptyConfig({ lock: 'create' }), running: false };
    cluster.world.guests.set(vmid, guest);
    return fork(call, 'qmcreate', String(vmid), async (worker) => {
      try {
        await cluster.locks.guest(node, vmid, 1000, () => createGuest(call, guest, set, worker));
      } catch (error) {
        for (const volume of cluster.volumes.ownedBy(vmid, node)) cluster.volumes.free(volume);
        cluster.world.guests.delete(vmid);
        throw failed(`unable to create VM ${vmid} - ${error instanceof Error ? error.message : String(error)}`);
      }
      if (args.flag('ha-managed')) {
        worker.log('Add as HA resource');
        cluster.world.ha.set(`vm:${vmid}`, { state: args.flag('start') ? 'started' : 'stopped' });
      }
      // The HA manager starts its own.
      if (!args.flag('start') || cluster.isHaManaged(vmid)) return;
      worker.log('Execute autostart');
      // A guest that does not start is there all the same.
      await startGuest(cluster, node, vmid, worker).catch((error: unknown) => {
        worker.log(error instanceof Error ? error.message : String(error));
      });
    }).upid;
  },
};
