import { createHash } from 'node:crypto';
import { check, has } from '../../access/permissions.ts';
import { requireReplicatable } from '../../cluster/replication.ts';
import { badParameter, failed } from '../refusal.ts';
import { Listing } from '../operation.ts';
import type { Call, Handler } from '../operation.ts';

type Job = Record<string, string>;
type Row = Record<string, string | number>;

const idOf = (call: Call): string => call.args.need('id');
const guestOf = (id: string): number => Number(id.split('-')[0]);

/** What may be set, in the order the file has it; what is not here is fixed or made up of the id. */
const changeable = ['comment', 'disable', 'rate', 'remove_job', 'schedule', 'source'];

function shown(id: string, job: Job): Row {
  const [guest, jobnum] = id.split('-').map(Number);
  const typed = Object.entries(job).map(([key, value]): [string, string | number] => [
    key,
    key === 'disable' || key === 'rate' ? Number(value) : value,
  ]);
  return { id, type: 'local', guest: guest!, jobnum: jobnum!, ...Object.fromEntries(typed) };
}

const digestOf = (call: Call): string =>
  createHash('sha1')
    .update([...call.cluster.world.replicationJobs].map(([id, job]) => `${id} ${JSON.stringify(job)}\n`).join(''))
    .digest('hex');

const sees = (call: Call, id: string): boolean => has(call.cluster.world, call.who, `/vms/${guestOf(id)}`, 'VM.Audit');

/** In PVE 9 who may replicate a guest is asked of the guest; PVE 8 has asked already. */
function requireReplicate(call: Call, id: string): void {
  if (call.cluster.world.release === '8.4') return;
  check(call.cluster.world, call.who, `/vms/${guestOf(id)}`, ['VM.Replicate']);
}

function jobOf(call: Call, id: string, missing = `no such replication job '${id}'`): Job {
  const job = call.cluster.world.replicationJobs.get(id);
  if (!job) throw failed(missing);
  return job;
}

function create(call: Call): null {
  const { cluster, args, node } = call;
  const id = idOf(call);
  const vmid = guestOf(id);
  const target = args.need('target');
  requireReplicate(call, id);
  const guest = cluster.world.guests.get(vmid);
  const source = guest?.node ?? cluster.world.containers.get(vmid)?.node;
  if (source === undefined) throw failed(`Guest '${vmid}' does not exist.`);
  if (!cluster.world.nodes.has(target)) throw failed(`Target '${target}' does not exist.`);
  const claimed = args.text('source');
  if (claimed !== undefined && claimed !== source)
    throw failed(`Source '${claimed}' does not match current node of guest '${vmid}' (${source})`);
  if (target === source) throw failed('Source and target must not be identical');
  if (!guest) throw failed('No replicatable volumes found');
  requireReplicatable(cluster.volumes, guest);
  cluster.requireClusterLock(node, 'file-replication_cfg');
  if (cluster.world.replicationJobs.has(id)) throw failed(`replication job '${id}' already exists`);
  cluster.world.replicationJobs.set(id, { target, ...taken(call), source });
  return null;
}

const taken = (call: Call): Job =>
  Object.fromEntries(changeable.filter((name) => call.args.has(name)).map((name) => [name, call.args.need(name)]));

function update(call: Call): null {
  const { cluster, args, node } = call;
  const id = idOf(call);
  requireReplicate(call, id);
  cluster.requireClusterLock(node, 'file-replication_cfg');
  if (args.has('digest') && args.text('digest') !== digestOf(call))
    throw failed('detected modified configuration - file changed by other user? Try again.');
  const job = jobOf(call, id, `no such job '${id}'`);
  for (const name of args.list('delete')) {
    if (name === 'target') throw failed(`unable to delete required option '${name}'`);
    if (!changeable.includes(name)) throw failed(`no such option '${name}'`);
  }
  Object.assign(job, taken(call));
  for (const name of args.list('delete')) Reflect.deleteProperty(job, name);
  return null;
}

/** A job is marked, and goes with the scheduler's next look; with `force` it goes at once and leaves what it made. */
function remove(call: Call): null {
  const { cluster, args, node } = call;
  const id = idOf(call);
  requireReplicate(call, id);
  cluster.requireClusterLock(node, 'file-replication_cfg');
  if (args.flag('force')) {
    if (args.flag('keep')) throw badParameter({ keep: "conflicts with parameter 'force'" });
    cluster.world.replicationJobs.delete(id);
    return null;
  }
  jobOf(call, id, `no such job '${id}'`)['remove_job'] = args.flag('keep') ? 'local' : 'full';
  return null;
}

/* Jobs of a node are those of the guests that are on it now. */

function statusRow(call: Call, id: string, job: Job): Row {
  const { cluster } = call;
  const { lastSync, lastTry, duration } = cluster.replication.stateOf(id);
  return {
    ...shown(id, job),
    vmtype: 'qemu',
    last_sync: lastSync,
    last_try: lastTry,
    next_sync: cluster.replication.nextSync(id),
    duration,
    fail_count: 0,
  };
}

function jobsHere(call: Call): [string, Job][] {
  const { world } = call.cluster;
  return [...world.replicationJobs].sort().filter(([id]) => world.guests.get(guestOf(id))?.node === call.node);
}

const jobs = '/cluster/replication';
const ofNode = '/nodes/{node}/replication';

export const replicationHandlers: Readonly<Record<string, Handler>> = {
  [`GET ${jobs}`]: (call) =>
    [...call.cluster.world.replicationJobs]
      .sort()
      .filter(([id]) => sees(call, id))
      .map(([id, job]) => shown(id, job)),
  [`GET ${jobs}/{id}`]: (call) => {
    const id = idOf(call);
    const job = jobOf(call, id);
    check(call.cluster.world, call.who, `/vms/${guestOf(id)}`, ['VM.Audit']);
    return { ...shown(id, job), digest: digestOf(call) };
  },
  [`POST ${jobs}`]: create,
  [`PUT ${jobs}/{id}`]: update,
  [`DELETE ${jobs}/{id}`]: remove,
  [`GET ${ofNode}`]: (call) =>
    jobsHere(call)
      .filter(([id]) => [undefined, guestOf(id)].includes(call.args.number('guest')) && sees(call, id))
      .map(([id, job]) => statusRow(call, id, job)),
  [`GET ${ofNode}/{id}`]: () => ['schedule_now', 'log', 'status'].map((name) => ({ name })),
  [`GET ${ofNode}/{id}/status`]: (call) => {
    const id = idOf(call);
    const job = jobsHere(call).find(([other]) => other === id)?.[1];
    if (!job) throw failed(`no such replication job '${id}'`);
    check(call.cluster.world, call.who, `/vms/${guestOf(id)}`, ['VM.Audit']);
    return statusRow(call, id, job);
  },
  [`GET ${ofNode}/{id}/log`]: (call) => {
    const id = idOf(call);
    jobOf(call, id);
    if (!has(call.cluster.world, call.who, `/nodes/${call.node}`, 'Sys.Audit'))
      check(call.cluster.world, call.who, `/vms/${guestOf(id)}`, ['VM.Audit']);
    const lines = call.cluster.replication.stateOf(id).log.map((t, at) => ({ n: at + 1, t }));
    if (lines.length === 0) return new Listing([{ n: 1, t: 'no content' }], 1);
    const start = call.args.number('start') ?? 0;
    return new Listing(lines.slice(start, start + (call.args.number('limit') ?? 50)), lines.length);
  },
  [`POST ${ofNode}/{id}/schedule_now`]: (call) => {
    const id = idOf(call);
    jobOf(call, id);
    requireReplicate(call, id);
    call.cluster.replication.runSoon(id);
    return null;
  },
};
