import { check, has } from '../../access/permissions.ts';
import { isDriveSlot } from '../../cluster/drive.ts';
import { newUuid } from '../../cluster/identity.ts';
import { startGuest } from '../../cluster/start.ts';
import { uniqueTags } from '../../cluster/tags.ts';
import { without } from '../../without.ts';
import { emptyConfig } from '../../world/guest-config.ts';
import type { Options } from '../../world/guest-config.ts';
import type { WorldGuest } from '../../world/world.ts';
import { failed, notPermitted } from '../refusal.ts';
import { fork } from '../operation.ts';
import type { Handler } from '../operation.ts';
import { complete, requireRights } from './config.ts';
import { makeDisk } from './new-disk.ts';

/** Parameters of the call that are not options of the guest. */
const ofTheCall = [
  ...['pool', 'storage', 'start', 'unique', 'force', 'archive', 'bwlimit', 'live-restore', 'ha-managed'],
  'import-working-storage',
];

/** The order a guest boots in when nobody says: its first disk, its CD, its first card. */
function bootOrder(options: Options): string {
  const disks = Object.keys(options).filter(isDriveSlot).sort();
  const isCd = (slot: string): boolean => options[slot]!.includes('media=cdrom');
  const found = [
    disks.find((slot) => !isCd(slot)),
    disks.find(isCd),
    Object.keys(options)
      .sort()
      .find((key) => /^net\d+$/.test(key)),
  ];
  return `order=${found.filter((slot) => slot !== undefined).join(';')}`;
}

export const createHandlers: Readonly<Record<string, Handler>> = {
  'POST /nodes/{node}/qemu': (call) => {
    const { cluster, node, args, who } = call;
    const vmid = Number(args.need('vmid'));
    const pool = args.text('pool');
    if (pool !== undefined && !cluster.world.pools.has(pool)) throw notPermitted(`pool '${pool}' does not exist`);
    const storage = args.text('storage');
    if (storage !== undefined) check(cluster.world, who, `/storage/${storage}`, ['Datastore.AllocateSpace']);
    const allowed =
      has(cluster.world, who, `/vms/${vmid}`, 'VM.Allocate') ||
      (pool !== undefined && has(cluster.world, who, `/pool/${pool}`, 'VM.Allocate'));
    if (!allowed) throw notPermitted();
    if (args.has('archive')) throw failed('restoring from an archive is not part of the simulator');
    const set = without(args.rest(), ...ofTheCall);
    complete(call, set);
    requireRights(call, { set, deletions: [] }, pool);
    cluster.requireQuorum(node);
    const owner = cluster.world.guests.get(vmid) ?? cluster.world.containers.get(vmid);
    if (owner) {
      const kind = cluster.world.containers.has(vmid) ? 'CT' : 'VM';
      throw failed(`unable to create VM ${vmid} - ${kind} ${vmid} already exists on node '${owner.node}'`);
    }
    const guest: WorldGuest = { vmid, node, config: emptyConfig({ lock: 'create' }), running: false };
    cluster.world.guests.set(vmid, guest);
    return fork(call, 'qmcreate', String(vmid), async (worker) => {
      try {
        await cluster.locks.guest(node, vmid, 1000, async () => {
          const options: Options = {};
          for (const key of Object.keys(set).sort()) {
            const value = set[key]!;
            options[key] = isDriveSlot(key)
              ? await makeDisk(call, guest, key, value, worker)
              : key === 'tags'
                ? uniqueTags(value)
                : value;
          }
          options['boot'] ??= bootOrder(options);
          options['smbios1'] ??= `uuid=${newUuid()}`;
          options['vmgenid'] ??= newUuid();
          options['meta'] = `creation-qemu=10.1.2,ctime=${Math.floor(cluster.clock.now() / 1000)}`;
          guest.config.current = options;
          if (pool !== undefined) cluster.world.pools.get(pool)?.vms.add(vmid);
        });
      } catch (error) {
        for (const volume of cluster.volumes.ownedBy(vmid, node)) cluster.volumes.free(volume);
        cluster.world.guests.delete(vmid);
        throw failed(`unable to create VM ${vmid} - ${error instanceof Error ? error.message : String(error)}`);
      }
      if (args.flag('start')) await startGuest(cluster, node, vmid, worker);
    }).upid;
  },
};
