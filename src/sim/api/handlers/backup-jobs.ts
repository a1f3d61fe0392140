import { backupDisks } from '../../cluster/backup.ts';
import { nextRun } from '../../cluster/calendar.ts';
import { newUuid } from '../../cluster/identity.ts';
import { backupOptions } from '../backup-operations.ts';
import { badParameter, failed } from '../refusal.ts';
import { Arguments } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';
import { includedGuests, requireBackupRights, requireConsistent } from './backup-order.ts';

type Job = Record<string, string>;

const lock = 'file-jobs_cfg';
const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** A job's own, besides what every backup may be told. */
const ofJobs = ['comment', 'enabled', 'repeat-missed', 'schedule'];

function shown(id: string, job: Job): Record<string, unknown> {
  const isNumber = (key: string): boolean =>
    ['boolean', 'integer'].includes(backupOptions[key]?.type ?? '') || key === 'enabled' || key === 'repeat-missed';
  const typed = Object.entries(job).map(([key, value]): [string, unknown] => [
    key,
    isNumber(key) ? Number(value) : value,
  ]);
  return { id, type: 'vzdump', ...Object.fromEntries(typed) };
}

function jobOf(call: Call): Job {
  const id = call.args.need('id');
  const job = call.cluster.world.backupJobs.get(id);
  if (!job) throw badParameter({ id: `No such job '${id}'` });
  return job;
}

/** What a call sets; the days and the time of old become a schedule. */
function taken(call: Call, required: boolean): Job {
  const { args } = call;
  const job = Object.fromEntries(
    [...Object.keys(backupOptions), ...ofJobs].filter((name) => args.has(name)).map((name) => [name, args.need(name)]),
  );
  if (args.has('schedule') && args.has('starttime'))
    throw badParameter({ starttime: "'starttime' and 'schedule' cannot both be set" });
  if (args.has('starttime')) {
    const wanted = args.list('dow');
    const every = wanted.length === 0 || days.every((day) => wanted.includes(day));
    job['schedule'] = every ? args.need('starttime') : `${wanted.join(',')} ${args.need('starttime')}`;
  } else if (required && !args.has('schedule'))
    throw badParameter({ schedule: "neither 'starttime' nor 'schedule' were set" });
  return job;
}

function create(call: Call): null {
  const { cluster, args, node } = call;
  const job = taken(call, true);
  requireBackupRights(call);
  requireConsistent(args, true);
  cluster.requireClusterLock(node, lock);
  const id = args.text('id') ?? newUuid();
  if (cluster.world.backupJobs.has(id)) throw failed(`Job '${id}' already exists`);
  // What leaves some out means all the others.
  if (job['exclude'] !== undefined && job['pool'] === undefined) job['all'] = '1';
  cluster.world.backupJobs.set(id, job);
  return null;
}

function update(call: Call): null {
  const { cluster, args, node } = call;
  const set = taken(call, false);
  requireBackupRights(call);
  requireConsistent(args, false);
  cluster.requireClusterLock(node, lock);
  const job = { ...jobOf(call) };
  for (const name of args.list('delete')) {
    if (!(name in backupOptions) && !ofJobs.includes(name)) throw badParameter({ delete: `unknown option '${name}'` });
    Reflect.deleteProperty(job, name);
  }
  Object.assign(job, set);
  // What a job is about is named one way at a time: the newest word counts.
  if (set['vmid'] !== undefined) for (const other of ['all', 'exclude', 'pool']) Reflect.deleteProperty(job, other);
  else if (set['all'] === '1') for (const other of ['vmid', 'pool']) Reflect.deleteProperty(job, other);
  else if (set['pool'] !== undefined)
    for (const other of ['vmid', 'all', 'exclude']) Reflect.deleteProperty(job, other);
  requireConsistent(new Arguments(job), true);
  cluster.world.backupJobs.set(args.need('id'), job);
  return null;
}

/** The guests of a job and their disks, with the reason why each is in it or not. */
function includedVolumes(call: Call): object {
  const { cluster } = call;
  const children = includedGuests(cluster, jobOf(call)).map((vmid) => {
    const guest = cluster.world.guests.get(vmid);
    const disks = guest === undefined ? [] : backupDisks(guest);
    return {
      id: vmid,
      name: guest?.config.current['name'] ?? '',
      type: guest === undefined ? 'unknown' : 'qemu',
      children: disks.map(({ drive, included, reason }) => ({
        id: drive.slot,
        name: drive.file,
        included: included ? 1 : 0,
        reason,
      })),
    };
  });
  return { children };
}

/** Every job, with when it is due. */
function listed({ cluster }: Call): object[] {
  return [...cluster.world.backupJobs].sort().map(([id, job]) => {
    const next = nextRun(job['schedule'] ?? '', Math.floor(cluster.clock.now() / 1000));
    return { ...shown(id, job), ...(next === undefined ? {} : { 'next-run': next }) };
  });
}

const jobs = '/cluster/backup';

export const backupJobHandlers: Readonly<Record<string, Handler>> = {
  [`GET ${jobs}`]: (call) => listed(call),
  [`POST ${jobs}`]: create,
  [`GET ${jobs}/{id}`]: (call) => shown(call.args.need('id'), jobOf(call)),
  [`PUT ${jobs}/{id}`]: update,
  [`DELETE ${jobs}/{id}`]: (call) => {
    call.cluster.requireClusterLock(call.node, lock);
    jobOf(call);
    call.cluster.world.backupJobs.delete(call.args.need('id'));
    return null;
  },
  [`GET ${jobs}/{id}/included_volumes`]: includedVolumes,
};
