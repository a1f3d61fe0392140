import { createHash } from 'node:crypto';
import type { HaState, WorldHaResource } from '../../world/world.ts';
import { failed } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';
import { underHaLock } from './ha-rules.ts';

/** `302` and `vm:302` are the same resource. */
function sidOf(call: Call): string {
  const given = call.args.need('sid');
  if (!/^\d+$/.test(given)) return given;
  if (!call.cluster.world.guests.has(Number(given)))
    throw failed(`unable do add resource - VM/CT ${given} does not exist`);
  return `vm:${given}`;
}

const digestOf = (resources: ReadonlyMap<string, WorldHaResource>): string =>
  createHash('sha1')
    .update([...resources].map(([sid, resource]) => `${sid} ${JSON.stringify(resource)}\n`).join(''))
    .digest('hex');

function shown(sid: string, resource: WorldHaResource): Record<string, unknown> {
  return {
    sid,
    type: sid.split(':')[0],
    ...(resource.state === undefined ? {} : { state: resource.state }),
    ...(resource.group === undefined ? {} : { group: resource.group }),
    ...(resource.comment === undefined ? {} : { comment: resource.comment }),
    ...(resource.failback === undefined ? {} : { failback: resource.failback ? 1 : 0 }),
    ...(resource.maxRestart === undefined ? {} : { max_restart: resource.maxRestart }),
    ...(resource.maxRelocate === undefined ? {} : { max_relocate: resource.maxRelocate }),
  };
}

function take(call: Call, resource: WorldHaResource): void {
  const { args } = call;
  if (args.has('state'))
    resource.state = (args.text('state') === 'enabled' ? 'started' : args.need('state')) as HaState;
  if (args.has('group')) resource.group = args.need('group');
  if (args.has('comment')) resource.comment = args.need('comment');
  if (args.has('failback')) resource.failback = args.flag('failback');
  if (args.has('max_restart')) resource.maxRestart = Number(args.need('max_restart'));
  if (args.has('max_relocate')) resource.maxRelocate = Number(args.need('max_relocate'));
}

/** An ignored resource counts as none. */
const isActive = (resource: WorldHaResource | undefined): boolean =>
  resource !== undefined && resource.state !== 'ignored';

/** Groups became rules in PVE 9. */
function refuseGroup(call: Call): void {
  if (call.args.has('group') && call.cluster.world.release !== '8.4') {
    throw failed("invalid parameter 'group': ha groups have been migrated to rules");
  }
}

function create(call: Call): null {
  const { cluster } = call;
  cluster.requireQuorum(call.node);
  const sid = sidOf(call);
  const [type, name] = sid.split(':') as [string, string];
  if (call.args.has('type') && call.args.text('type') !== type) throw failed('types does not match');
  if (type !== 'vm' && type !== 'ct') throw failed(`unknown section type '${type}'`);
  if (!/^[1-9][0-9]+$/.test(name)) throw failed(`invalid ${type === 'vm' ? 'VMID' : 'CT ID'} '${name}'`);
  const there = type === 'vm' ? cluster.world.guests : cluster.world.containers;
  if (!there.has(Number(name))) throw failed(`resource '${sid}' does not exist in cluster`);
  refuseGroup(call);
  return underHaLock('create resource', () => {
    if (cluster.world.ha.has(sid)) throw failed(`resource ID '${sid}' already defined`);
    const resource: WorldHaResource = {};
    take(call, resource);
    cluster.world.ha.set(sid, resource);
  });
}

function update(call: Call): null {
  const { cluster, args } = call;
  const sid = sidOf(call);
  refuseGroup(call);
  requireNoError(call, sid);
  return underHaLock('update resource', () => {
    if (args.has('digest') && args.text('digest') !== digestOf(cluster.world.ha)) {
      throw failed('detected modified configuration - file changed by other user? Try again.');
    }
    const resource = cluster.world.ha.get(sid);
    if (!resource) throw failed(`no such resource '${sid}'`);
    cluster.requireQuorum(call.node);
    take(call, resource);
    for (const option of args.list('delete')) {
      const key = deletable[option];
      if (key === undefined) throw failed(`no such option '${option}'`);
      Reflect.deleteProperty(resource, key);
    }
  });
}

/** What the manager gave up on is disabled before anything else is asked of it. */
function requireNoError({ cluster, args }: Call, sid: string): void {
  if (!cluster.ha.knows(sid) || cluster.ha.stateOf(sid) !== 'error' || args.text('state') === 'disabled') return;
  throw failed(`service '${sid}' in error state, must be disabled and fixed first`);
}

/** Options of a resource that a call may take away. */
const deletable: Readonly<Record<string, keyof WorldHaResource>> = {
  state: 'state',
  group: 'group',
  comment: 'comment',
  failback: 'failback',
  max_restart: 'maxRestart',
  max_relocate: 'maxRelocate',
};

/** Asks the manager to bring a resource to another node; that it is asked is all the answer says. */
function move(call: Call): object | null {
  const { cluster, args } = call;
  const sid = sidOf(call);
  const node = args.need('node');
  if (!isActive(cluster.world.ha.get(sid))) throw failed(`resource '${sid}' is not HA managed`);
  requireNoError(call, sid);
  // Whether there is such a node is for the manager to find out: it is asked all the same.
  cluster.ha.requestMove(sid, node);
  return cluster.world.release === '8.4' ? null : { sid, 'requested-node': node };
}

const resources = '/cluster/ha/resources';

export const haHandlers: Readonly<Record<string, Handler>> = {
  'GET /cluster/ha': () => ['status', 'resources', 'groups', 'rules'].map((id) => ({ id })),
  'POST /cluster/ha/status/arm-ha': ({ cluster }) => {
    cluster.ha.disarmed = undefined;
    return null;
  },
  'POST /cluster/ha/status/disarm-ha': ({ cluster, args }) => {
    cluster.ha.disarmed = args.need('resource-mode') === 'freeze' ? 'freeze' : 'ignore';
    return null;
  },
  [`GET ${resources}`]: ({ cluster, args }) =>
    [...cluster.world.ha]
      .filter(([sid]) => args.text('type') === undefined || sid.startsWith(`${args.need('type')}:`))
      .map(([sid, resource]) => ({ ...shown(sid, resource), digest: digestOf(cluster.world.ha) })),
  [`GET ${resources}/{sid}`]: (call) => {
    const sid = sidOf(call);
    const resource = call.cluster.world.ha.get(sid);
    if (!resource) throw failed(`no such resource '${sid}'`);
    return { ...shown(sid, resource), digest: digestOf(call.cluster.world.ha) };
  },
  [`POST ${resources}`]: create,
  [`PUT ${resources}/{sid}`]: update,
  [`POST ${resources}/{sid}/migrate`]: move,
  [`POST ${resources}/{sid}/relocate`]: move,
  [`DELETE ${resources}/{sid}`]: (call) => {
    const { cluster } = call;
    const sid = sidOf(call);
    if (!cluster.world.ha.delete(sid)) throw failed(`cannot delete service '${sid}', not HA managed!`);
    cluster.ha.forget(sid);
    return null;
  },
};
