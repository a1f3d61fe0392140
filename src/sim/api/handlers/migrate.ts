import { check } from '../../access/permissions.ts';
import { disksOf, drivesOf, isCdrom, isCloudInit, isDriveSlot, parseDrive } from '../../cluster/drive.ts';
import type { Drive } from '../../cluster/drive.ts';
import { parseSize } from '../../cluster/volumes.ts';
import { isShared } from '../../world/world.ts';
import type { WorldGuest } from '../../world/world.ts';
import { badParameter, failed } from '../refusal.ts';
import { fork } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';

const vmidOf = (call: Call): number => Number(call.args.need('vmid'));

const localDisks = (call: Call, guest: WorldGuest): Drive[] =>
  drivesOf(guest.config.current).filter(
    (drive) =>
      !isCdrom(drive) && drive.file.includes(':') && !isShared(call.cluster.volumes.storage(drive.file.split(':')[0]!)),
  );

/** Every local volume a configuration names: disks, CDs, what is unused, and what snapshots need. */
function localVolumes(call: Call, guest: WorldGuest): object[] {
  const { volumes } = call.cluster;
  const found = new Map<string, Record<string, unknown>>();
  const note = (key: string, value: string, snapshot?: string): void => {
    const drive = parseDrive(key, value);
    if (!drive?.file.includes(':')) return;
    if (isShared(volumes.storage(drive.file.split(':')[0]!)) || drive.options['shared'] === '1') return;
    const unused = /^unused\d+$/.test(key);
    const row = found.get(drive.file) ?? { volid: drive.file, is_attached: 0 };
    found.set(drive.file, row);
    Object.assign(row, {
      ...(isDriveSlot(key) ? { drivename: key } : {}),
      ...(drive.options['size'] === undefined ? {} : { size: parseSize(drive.options['size']) }),
      shared: 0,
      cdrom: drive.options['media'] === 'cdrom' ? 1 : 0,
      replicate: drive.options['replicate'] === '0' ? 0 : 1,
      is_attached: row['is_attached'] === 1 || (!unused && snapshot === undefined) ? 1 : 0,
      is_unused: unused ? 1 : 0,
      is_vmstate: key === 'vmstate' ? 1 : 0,
      is_cloudinit: isCloudInit(drive) ? 1 : 0,
      is_tpmstate: key === 'tpmstate0' ? 1 : 0,
    });
    if (snapshot !== undefined)
      row['referenced_in_snapshot'] = { ...(row['referenced_in_snapshot'] as object | undefined), [snapshot]: 1 };
  };
  const isVolume = (key: string): boolean => isDriveSlot(key) || /^unused\d+$|^vmstate$/.test(key);
  for (const [key, value] of Object.entries(guest.config.current)) if (isVolume(key)) note(key, value);
  for (const [name, options] of guest.config.snapshots)
    for (const [key, value] of Object.entries(options)) if (isVolume(key)) note(key, value, name);
  return [...found.values()];
}

function precheck(call: Call): unknown {
  const { cluster, node } = call;
  const vmid = vmidOf(call);
  const guest = cluster.load(node, vmid);
  const running = cluster.machines.get(vmid) !== undefined;
  const others = [...cluster.world.nodes.keys()].filter((name) => name !== node);
  const refused: Record<string, object> = {};
  const allowed: string[] = [];
  for (const name of others) {
    const missing = [...new Set(disksOf(guest.config.current).map((drive) => drive.file.split(':')[0]!))].filter(
      (storage) => {
        const nodes = cluster.volumes.storage(storage).options['nodes'];
        return nodes !== undefined && !nodes.split(/[,;\s]+/).includes(name);
      },
    );
    if (missing.length > 0) refused[name] = { unavailable_storages: missing };
    else {
      refused[name] = {};
      allowed.push(name);
    }
  }
  return {
    running: running ? 1 : 0,
    allowed_nodes: allowed.reverse(),
    not_allowed_nodes: refused,
    ...(cluster.isHaManaged(vmid) && cluster.world.release !== '8.4' ? { 'dependent-ha-resources': [] } : {}),
    local_disks: localVolumes(call, guest),
    local_resources: [],
    'mapped-resources': [],
    ...(cluster.world.release === '8.4' ? {} : { 'mapped-resource-info': {}, 'has-dbus-vmstate': 1 }),
  };
}

/** What the guest needs is there, too; another storage in its place is one the caller may use. */
function requireStoragesAt(call: Call, guest: WorldGuest, target: string): void {
  const { cluster, args, who } = call;
  const others = args.list('targetstorage');
  if (others.length > 0 && !others.includes('1')) {
    check(cluster.world, who, `/vms/${guest.vmid}`, ['VM.Config.Disk']);
    for (const id of others.map((entry) => entry.split(':').at(-1)!)) {
      const storage = cluster.volumes.enabledStorage(id, target);
      check(cluster.world, who, `/storage/${id}`, ['Datastore.AllocateSpace']);
      if (!cluster.volumes.contentOf(storage).includes('images'))
        throw failed(`storage '${id}' does not support vm images`);
    }
    return;
  }
  for (const drive of disksOf(guest.config.current)) cluster.volumes.enabledStorage(drive.file.split(':')[0]!, target);
}

function migrate(call: Call): string {
  const { cluster, node, args, who } = call;
  const vmid = vmidOf(call);
  const target = args.need('target');
  if (target === node) throw badParameter({ target: 'target is local node.' });
  cluster.requireQuorum(node);
  cluster.requireNode(target);
  for (const name of ['force', 'migration_type', 'migration_network']) {
    if (args.has(name) && (name !== 'force' || args.flag(name)) && who.id !== 'root@pam')
      throw badParameter({ [name]: 'Only root may use this option.' });
  }
  const guest = cluster.load(node, vmid);
  cluster.requireUnlocked(guest);
  const running = cluster.machines.get(vmid) !== undefined;
  if (running && !args.flag('online')) throw failed("can't migrate running VM without --online");
  requireStoragesAt(call, guest, target);
  if (cluster.isHaManaged(vmid)) {
    return fork(call, 'hamigrate', String(vmid), async (worker) => {
      worker.log(`Requesting HA migration for VM ${vmid} to node ${target}`);
      await worker.takes(300);
      cluster.ha.requestMove(`vm:${vmid}`, target);
    }).upid;
  }
  return fork(call, 'qmigrate', String(vmid), (worker) =>
    cluster.locks.guest(node, vmid, 10_000, async () => {
      const locals = localDisks(call, guest);
      worker.log(`starting migration of VM ${vmid} to node '${target}' (127.0.1.1)`);
      if (!cluster.isUp(target) || !cluster.reaches(node, target))
        throw failed('migration aborted: Can not connect to destination address using public key');
      if (running && locals.some((drive) => !isCloudInit(drive)) && !args.flag('with-local-disks')) {
        for (const drive of locals)
          worker.log(
            `can't live migrate attached local disks without with-local-disks option`.replace(
              'attached',
              `attached '${drive.file}'`,
            ),
          );
        throw failed("Failed to sync data - can't live migrate attached local disks without with-local-disks option");
      }
      guest.config.current['lock'] = 'migrate';
      const bytes = locals.reduce((sum, drive) => sum + (cluster.volumes.find(drive.file, node)?.bytes ?? 0), 0);
      const memory = running ? Number(/(\d+)/.exec(guest.config.current['memory'] ?? '512')?.[1]) * 2 ** 20 : 0;
      await worker.takes(
        (bytes / cluster.timing.copyBytesPerSecond + memory / cluster.timing.migrateBytesPerSecond) * 1000,
      );
      Reflect.deleteProperty(guest.config.current, 'lock');
      cluster.volumes.move(vmid, node, target);
      guest.node = target;
      cluster.machines.moveTo(vmid, target);
      worker.log('migration finished successfully (duration 00:00:01)');
    }),
  ).upid;
}

export const migrateHandlers: Readonly<Record<string, Handler>> = {
  'GET /nodes/{node}/qemu/{vmid}/migrate': precheck,
  'POST /nodes/{node}/qemu/{vmid}/migrate': migrate,
};
