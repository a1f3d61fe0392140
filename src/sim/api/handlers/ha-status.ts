import type { Cluster } from '../../cluster/cluster.ts';
import type { Call, Handler } from '../operation.ts';

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Mon Nov 30 23:33:28 2026`, as the managers write instants. */
function written(ms: number): string {
  const at = new Date(ms);
  const day = String(at.getUTCDate()).padStart(2);
  return `${days[at.getUTCDay()]!} ${months[at.getUTCMonth()]!} ${day} ${at.toISOString().slice(11, 19)} ${at.getUTCFullYear()}`;
}

/** Rows of the manager and of its fence, which PVE 8 does not tell apart. */
function managerRows(call: Call): object[] {
  const { cluster, node } = call;
  const { ha } = cluster;
  const now = cluster.clock.now();
  const base = { id: 'master', type: 'master', node: ha.master, timestamp: Math.floor(now / 1000) };
  const heard = cluster.isUp(ha.master) && cluster.quorate(node);
  const status = `${ha.master} (${heard ? 'active' : 'old timestamp - dead?'}, ${written(now)})`;
  if (cluster.world.release === '8.4') return [{ ...base, status }];
  const fencing = { id: 'fencing', type: 'fencing', node: ha.master };
  if (ha.disarmed !== undefined) {
    const mode = `disarmed, resource mode: ${ha.disarmed}`;
    return [
      { ...fencing, 'armed-state': 'disarmed', resource_mode: ha.disarmed, status: `${mode} (CRM watchdog released)` },
      { ...base, status: `${status} - ${mode}` },
    ];
  }
  const [state, watchdog] = ha.armed ? ['armed', 'active'] : ['standby', 'standby'];
  return [
    { ...fencing, 'armed-state': state, status: `${state} (CRM watchdog ${watchdog})` },
    { ...base, status },
  ];
}

/** What a node's own manager does: it works where there is something to do, and lets the watchdog go when disarmed. */
function lrmMode(cluster: Cluster, name: string, from: string): string {
  const { ha, world } = cluster;
  const works = [...world.ha].some(([sid, { state }]) => state !== 'ignored' && ha.nodeOf(sid) === name);
  const watchdog = works && ha.armed ? 'watchdog active' : 'watchdog standby';
  if (!cluster.isUp(name) || !cluster.quorate(from)) return `old timestamp - dead?, ${watchdog}`;
  if (ha.disarmed !== undefined) return 'disarm mode, watchdog released';
  if (ha.maintenance.has(name)) return `maintenance mode, ${watchdog}`;
  return `${works ? 'active' : 'idle'}, ${watchdog}`;
}

function current(call: Call): object[] {
  const { cluster, node } = call;
  const { ha, world } = cluster;
  const now = cluster.clock.now();
  const quorate = cluster.quorate(node);
  const rows: object[] = [
    {
      id: 'quorum',
      type: 'quorum',
      node,
      status: quorate ? 'OK' : `No quorum on node '${node}'!`,
      quorate: quorate ? 1 : 0,
    },
    ...managerRows(call),
  ];
  for (const { name } of world.nodes.values()) {
    rows.push({
      id: `lrm:${name}`,
      type: 'lrm',
      node: name,
      status: `${name} (${lrmMode(cluster, name, node)}, ${written(now)})`,
      timestamp: Math.floor(now / 1000),
    });
  }
  for (const [sid, resource] of [...world.ha].sort()) {
    const state = ha.stateOf(sid);
    const where = ha.nodeOf(sid);
    rows.push({
      id: `service:${sid}`,
      type: 'service',
      sid,
      node: where,
      state,
      ...(ha.knows(sid) ? { crm_state: state } : {}),
      request_state: resource.state ?? 'started',
      status: `${sid} (${where}, ${state})`,
      max_restart: resource.maxRestart ?? 1,
      max_relocate: resource.maxRelocate ?? 1,
      ...(resource.comment === undefined ? {} : { comment: resource.comment }),
      ...(world.release === '8.4' ? {} : { failback: resource.failback === false ? 0 : 1 }),
    });
  }
  return rows;
}

function managerStatus({ cluster, node }: Call): object {
  const { ha, world } = cluster;
  const timestamp = Math.floor(cluster.clock.now() / 1000);
  const nodes = [...world.nodes.values()];
  const works = (name: string): boolean =>
    [...world.ha].some(([sid, { state }]) => state !== 'ignored' && ha.nodeOf(sid) === name);
  return {
    manager_status: {
      master_node: ha.master,
      node_status: Object.fromEntries(
        nodes.map(({ name, on }) => [name, ha.maintenance.has(name) ? 'maintenance' : on ? 'online' : 'unknown']),
      ),
      service_status: Object.fromEntries(
        [...world.ha.keys()]
          .filter((sid) => world.ha.get(sid)?.state !== 'ignored')
          .map((sid) => [sid, { node: ha.nodeOf(sid), state: ha.stateOf(sid) }]),
      ),
      timestamp,
    },
    quorum: { node, quorate: cluster.quorate(node) ? '1' : '0' },
    lrm_status: Object.fromEntries(
      nodes.map(({ name }) => [
        name,
        { mode: 'active', state: works(name) ? 'active' : 'wait_for_agent_lock', results: {}, timestamp },
      ]),
    ),
  };
}

export const haStatusHandlers: Readonly<Record<string, Handler>> = {
  'GET /cluster/ha/status': () => [{ name: 'current' }, { name: 'manager_status' }],
  'GET /cluster/ha/status/current': current,
  'GET /cluster/ha/status/manager_status': managerStatus,
};
