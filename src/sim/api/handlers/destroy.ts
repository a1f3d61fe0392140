import { drivesOf, isCdrom } from '../../cluster/drive.ts';
import { parseVolume } from '../../cluster/volumes.ts';
import { guestFirewall } from '../../world/firewall.ts';
import type { World } from '../../world/world.ts';
import { failed } from '../refusal.ts';
import { fork } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';
import { refuseSkiplock } from './power.ts';

/** Refused at once, and looked at again under the lock. */
function requireDestroyable(call: Call, vmid: number): void {
  const { cluster, node, args } = call;
  const { config } = cluster.load(node, vmid);
  if (config.current['protection'] === '1') throw failed(`can't remove VM ${vmid} - protection mode enabled`);
  if (!args.flag('purge') && cluster.world.ha.has(`vm:${vmid}`)) {
    throw failed(`unable to remove VM ${vmid} - used in HA resources and purge parameter not set.`);
  }
  if (cluster.machines.get(vmid)) throw failed(`VM ${vmid} is running - destroy failed`);
}

/** No job is left for a guest that is purged: replication of it goes, and backups leave it out. */
function forgetJobs(world: World, vmid: number): void {
  for (const id of world.replicationJobs.keys()) if (id.startsWith(`${vmid}-`)) world.replicationJobs.delete(id);
  for (const [id, job] of world.backupJobs) {
    for (const list of ['vmid', 'exclude'] as const) {
      if (job[list] === undefined) continue;
      const others = job[list].split(/[,;\s]+/).filter((one) => one !== '' && one !== String(vmid));
      if (others.length > 0) job[list] = others.join(',');
      else if (list === 'vmid') world.backupJobs.delete(id);
      else Reflect.deleteProperty(job, list);
    }
  }
}

export const destroyHandlers: Readonly<Record<string, Handler>> = {
  'DELETE /nodes/{node}/qemu/{vmid}': (call) => {
    const { cluster, node, args } = call;
    const vmid = Number(args.need('vmid'));
    refuseSkiplock(call);
    requireDestroyable(call, vmid);
    return fork(call, 'qmdestroy', String(vmid), (worker) =>
      cluster.locks.guest(node, vmid, 10_000, async () => {
        requireDestroyable(call, vmid);
        const guest = cluster.load(node, vmid);
        // What was suspended to disk may go; its state goes with it.
        if (guest.config.current['lock'] !== 'suspended') cluster.requireUnlocked(guest);
        const options = [guest.config.current, guest.config.pending, ...guest.config.snapshots.values()];
        const owned = [
          ...options
            .flatMap(drivesOf)
            .filter((drive) => !isCdrom(drive))
            .map((drive) => drive.file),
          ...options.flatMap((section) =>
            Object.entries(section)
              .filter(([key]) => /^unused\d+$|^vmstate$/.test(key))
              .map(([, value]) => value),
          ),
        ].filter((file) => parseVolume(file)?.owner === vmid);
        const inUse = owned.filter((file) => cluster.volumes.childrenOf(file, node).length > 0);
        if (guest.config.current['template'] === '1' && inUse[0] !== undefined)
          throw failed(`base volume '${inUse[0]}' is still in use by linked cloned`);
        cluster.requireWritable(node, vmid);
        guest.config.current['lock'] = 'destroyed';
        for (const file of new Set(owned)) {
          const volume = cluster.volumes.find(file, node);
          if (!volume) continue;
          if (inUse.includes(file))
            worker.log(
              `Could not remove disk '${file}', check manually: base volume '${volume.name}' is still in use by linked clones`,
            );
          else if (cluster.volumes.offline.has(volume.storage))
            worker.warn(`Could not remove disk '${file}', check manually: storage '${volume.storage}' is not online`);
          else {
            await worker.takes(cluster.timing.stopMs);
            cluster.volumes.free(volume);
          }
        }
        if (args.flag('destroy-unreferenced-disks')) {
          for (const volume of cluster.volumes.ownedBy(vmid, node)) {
            if (!cluster.volumes.offline.has(volume.storage)) cluster.volumes.free(volume);
          }
        }
        for (const pool of cluster.world.pools.values()) pool.vms.delete(vmid);
        cluster.world.acls = cluster.world.acls.filter((acl) => acl.path !== `/vms/${vmid}`);
        cluster.world.firewalls.delete(guestFirewall(vmid));
        if (args.flag('purge')) {
          worker.log(`purging VM ${vmid} from related configurations..`);
          forgetJobs(cluster.world, vmid);
          if (cluster.world.ha.delete(`vm:${vmid}`))
            worker.log(`NOTE: removed VM ${vmid} from HA resource configuration.`);
        }
        cluster.world.guests.delete(vmid);
      }),
    ).upid;
  },
};
