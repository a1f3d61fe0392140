import { requireVolumeAccess } from '../../access/device-rights.ts';
import { check, checkAny, has } from '../../access/permissions.ts';
import { dumpFolder } from '../../cluster/archive.ts';
import { backUp, backupStorage } from '../../cluster/backup.ts';
import type { BackupMode } from '../../cluster/backup.ts';
import { archiveOwner } from '../../cluster/volumes.ts';
import { without } from '../../without.ts';
import { pathOf } from '../../world/world.ts';
import { badParameter, failed } from '../refusal.ts';
import { fork } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';
import { includedGuests, requireBackupRights, requireConsistent } from './backup-order.ts';

const minuteMs = 60_000;
const usualLockWaitMinutes = 180;
const usualStopWaitMinutes = 10;

/** Options of the command line only. */
function refuseCommandLine(call: Call): void {
  const { args, node } = call;
  const text = 'option is only allowed on the command line interface.';
  if (args.has('node') && args.text('node') !== node) throw badParameter({ node: text });
  if (args.flag('stdout')) throw badParameter({ stdout: text });
}

/** Backs guests up. Those of other nodes are left to them without a word; those of none fail, for all to see. */
function vzdump(call: Call): string {
  const { cluster, args, node, who } = call;
  refuseCommandLine(call);
  requireBackupRights(call);
  const storage = args.text('storage');
  if (args.has('prune-backups') && storage !== undefined && who.id !== 'root@pam')
    check(cluster.world, who, `/storage/${storage}`, ['Datastore.Allocate']);
  requireConsistent(args, true);
  const options = { ...args.rest(), ...(args.has('vmid') ? { vmid: args.need('vmid') } : {}) };
  const names = ['vmid', 'all', 'exclude', 'pool'].some((name) => args.has(name));
  const wanted = names ? includedGuests(cluster, options) : [];
  const here = wanted.filter((vmid) => (cluster.world.guests.get(vmid)?.node ?? node) === node);
  if (args.flag('stop')) {
    cluster.tasks.interrupt(node, (task) => task.of.type === 'vzdump');
    if (here.length === 0) return 'OK';
  }
  const isAll = args.flag('all') || args.has('exclude');
  if (here.length === 0 && !isAll) return 'OK';
  if (storage !== undefined) check(cluster.world, who, `/storage/${storage}`, ['Datastore.AllocateSpace']);
  const said = Object.entries(without(args.rest(), 'vmid')).map(([key, value]) => ` --${key} ${value}`);
  return fork(call, 'vzdump', here.length === 1 ? String(here[0]) : '', async (worker) => {
    const allowed = here.filter((vmid) => {
      const may = has(cluster.world, who, `/vms/${vmid}`, 'VM.Backup');
      // Of all guests those are meant that the caller may back up; one that is named must be one of them.
      if (!may && !isAll) check(cluster.world, who, `/vms/${vmid}`, ['VM.Backup']);
      return may;
    });
    worker.log(`INFO: starting new backup job: vzdump ${here.join(' ')}${said.join('')}`);
    const order = {
      storage: storage ?? 'local',
      mode: (args.text('mode') ?? 'snapshot') as BackupMode,
      compress: args.text('compress') ?? '0',
      bandwidth: args.number('bwlimit') ?? 0,
      stopWaitMs: (args.number('stopwait') ?? usualStopWaitMinutes) * minuteMs,
    };
    const lockWaitMs = (args.number('lockwait') ?? usualLockWaitMinutes) * minuteMs;
    await backUp(cluster, node, allowed, order, worker, lockWaitMs);
  }).upid;
}

/** What a backup without options would do, as far as the caller may know. */
function defaults(call: Call): Record<string, unknown> {
  const { cluster, args, node, who } = call;
  const id = args.text('storage') ?? 'local';
  checkAny(cluster.world, who, `/storage/${id}`, ['Datastore.Audit', 'Datastore.AllocateSpace']);
  const storage = backupStorage(cluster, id);
  const all = {
    all: 0,
    bwlimit: 0,
    compress: '0',
    fleecing: { enabled: 0 },
    ionice: 7,
    lockwait: usualLockWaitMinutes,
    mailnotification: 'always',
    mode: 'snapshot',
    'notification-mode': 'auto',
    performance: { 'max-workers': 16, 'pbs-entries-max': 1048576 },
    pigz: 0,
    'prune-backups': storage.options['prune-backups'] ?? 'keep-all=1',
    quiet: 0,
    remove: 1,
    stdexcludes: 1,
    stop: 0,
    stopwait: usualStopWaitMinutes,
    storage: id,
    zstd: 1,
    ...(pathOf(storage) === undefined ? {} : { dumpdir: dumpFolder(storage) }),
  };
  return has(cluster.world, who, `/nodes/${node}`, 'Sys.Audit') ? all : without(all, 'dumpdir', 'ionice');
}

function extractConfig(call: Call): string {
  const { cluster, args, who } = call;
  const volid = args.need('volume');
  requireVolumeAccess(call, undefined, volid);
  const owner = archiveOwner(volid);
  if (owner !== undefined) check(cluster.world, who, `/vms/${owner}`, ['VM.Backup']);
  const archive = cluster.world.archives.get(volid);
  if (!archive) throw failed(`unable to extract configuration: volume '${volid}' does not exist`);
  return archive.config;
}

export const vzdumpHandlers: Readonly<Record<string, Handler>> = {
  'POST /nodes/{node}/vzdump': vzdump,
  'GET /nodes/{node}/vzdump/defaults': defaults,
  'GET /nodes/{node}/vzdump/extractconfig': extractConfig,
};
