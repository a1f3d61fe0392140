import { has } from '../../access/permissions.ts';
import { isShared } from '../../world/world.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Release, WorldStorage } from '../../world/world.ts';
import { badParameter, failed } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';
import { addressOf, clusterName } from '../../cluster/addresses.ts';
import { nodeRow } from './node-row.ts';
import { describeTask } from './tasks.ts';

const versions: Record<Release, { version: string; release: string; repoid: string }> = {
  '8.4': { version: '8.4.14', release: '8.4', repoid: '0123456789abcdef' },
  '9.1': { version: '9.1.3', release: '9.1', repoid: '0123456789abcdef' },
  '9.2': { version: '9.2.11', release: '9.2', repoid: '14a22df3f0e6b1c8' },
};
export const versionOf = (release: Release): unknown => versions[release];

/** The lowest id nobody has, from the range the datacenter allows. */
function nextFreeId(call: Call): number {
  const [, lower, upper] = /lower=(\d+)(?:.*upper=(\d+))?/.exec(call.cluster.world.datacenter['next-id'] ?? '') ?? [];
  for (let id = Number(lower ?? 100); id < Number(upper ?? 1_000_000); id += 1) {
    if (!call.cluster.hasId(id)) return id;
  }
  throw failed('unable to get any free VMID in range');
}

function guestRows(call: Call): object[] {
  const { cluster, who } = call;
  const rows: object[] = [];
  for (const guest of [...cluster.world.guests.values()].sort((a, b) => a.vmid - b.vmid)) {
    if (!has(cluster.world, who, `/vms/${guest.vmid}`, 'VM.Audit')) continue;
    const sample = cluster.view.of(guest.node)?.guests.get(guest.vmid);
    const ha = cluster.world.ha.get(`vm:${guest.vmid}`);
    const pool = cluster.poolOf(guest.vmid);
    const { lock, tags } = guest.config.current;
    rows.push({
      id: `qemu/${guest.vmid}`,
      type: 'qemu',
      vmid: guest.vmid,
      node: guest.node,
      status: 'unknown',
      ...(pool === undefined ? {} : { pool }),
      ...(lock === undefined ? {} : { lock }),
      ...(tags === undefined || tags === '' ? {} : { tags }),
      ...(ha === undefined ? {} : { hastate: haStateOf(cluster, guest.vmid) }),
      ...(sample === undefined ? {} : { ...sample, template: sample.template ? 1 : 0, disk: 0 }),
    });
  }
  for (const [vmid, { node, config }] of cluster.world.containers) {
    if (!has(cluster.world, who, `/vms/${vmid}`, 'VM.Audit')) continue;
    const { lock, tags } = config.current;
    rows.push({
      id: `lxc/${vmid}`,
      type: 'lxc',
      vmid,
      node,
      status: 'unknown',
      ...(lock === undefined ? {} : { lock }),
      ...(tags === undefined ? {} : { tags }),
    });
  }
  return rows;
}

/** What the manager says; before it has seen a resource, what is asked of it, which may be nothing. */
function haStateOf(cluster: Cluster, vmid: number): string | null {
  const sid = `vm:${vmid}`;
  return cluster.ha.knows(sid) ? cluster.ha.stateOf(sid) : (cluster.world.ha.get(sid)?.state ?? null);
}

function nodeRows(call: Call): object[] {
  const { cluster } = call;
  return [...cluster.world.nodes.keys()].map((node) => ({
    ...nodeRow(call, node),
    ...(cluster.view.of(node) ? { 'cgroup-mode': 2 } : {}),
    ...(cluster.ha.maintenance.has(node) ? { hastate: 'maintenance' } : {}),
  }));
}

/** A storage as a node last published it. */
export function storageStats(cluster: Cluster, storage: WorldStorage, node: string): object {
  const state = cluster.view.of(node)?.storages.get(storage.id);
  return {
    id: `storage/${node}/${storage.id}`,
    type: 'storage',
    storage: storage.id,
    node,
    plugintype: storage.type,
    status: state?.active === true ? 'available' : 'unknown',
    shared: isShared(storage) ? 1 : 0,
    content: storage.options['content'] ?? 'images,rootdir',
    ...(state ? { disk: state.used, maxdisk: state.total } : {}),
  };
}

function storageRows(call: Call): object[] {
  const { cluster, who } = call;
  const rows: object[] = [];
  for (const node of cluster.world.nodes.keys()) {
    for (const storage of cluster.world.storages.values()) {
      if (!has(cluster.world, who, `/storage/${storage.id}`, 'Datastore.Audit')) continue;
      if (storage.options['disable'] === '1') continue;
      const nodes = storage.options['nodes']?.split(/[,;\s]+/);
      if (nodes && !nodes.includes(node)) continue;
      rows.push(storageStats(cluster, storage, node));
    }
  }
  return rows;
}

const poolRows = (call: Call): object[] =>
  [...call.cluster.world.pools.keys()]
    .filter((pool) => has(call.cluster.world, call.who, `/pool/${pool}`, 'Pool.Audit'))
    .map((pool) => ({ id: `/pool/${pool}`, type: 'pool', pool }));

/** The zone every bridge is in. PVE 9 lists it as a network. */
function zoneRows({ cluster, who }: Call): object[] {
  if (!has(cluster.world, who, '/sdn/zones/localnetwork', 'SDN.Audit')) return [];
  const zone = 'localnetwork';
  return [...cluster.world.nodes.keys()].map((node) =>
    cluster.world.release === '8.4'
      ? { id: `sdn/${node}/${zone}`, type: 'sdn', sdn: zone, node, status: 'ok' }
      : {
          id: `network/${node}/zone/${zone}`,
          type: 'network',
          network: zone,
          'network-type': 'zone',
          node,
          status: 'ok',
        },
  );
}

export const clusterHandlers: Readonly<Record<string, Handler>> = {
  'GET /version': ({ cluster }) => versionOf(cluster.world.release),
  'GET /cluster/resources': (call) => {
    const type = call.args.text('type');
    return [
      ...(type === undefined ? poolRows(call) : []),
      ...(type === undefined || type === 'vm' ? guestRows(call) : []),
      ...(type === undefined || type === 'node' ? nodeRows(call) : []),
      ...(type === undefined || type === 'storage' ? storageRows(call) : []),
      ...(type === undefined || type === 'sdn' ? zoneRows(call) : []),
    ];
  },
  'GET /cluster/nextid': (call) => {
    const asked = call.args.number('vmid');
    if (asked === undefined) return String(nextFreeId(call));
    if (call.cluster.hasId(asked)) throw badParameter({ vmid: `VM ${asked} already exists` });
    return String(asked);
  },
  'GET /cluster/status': ({ cluster, node: here }) => [
    {
      type: 'cluster',
      id: 'cluster',
      name: clusterName(cluster.world),
      nodes: cluster.world.nodes.size,
      quorate: cluster.quorate(here) ? 1 : 0,
      version: 3,
    },
    ...[...cluster.world.nodes.keys()].map((node, at) => ({
      type: 'node',
      id: `node/${node}`,
      name: node,
      nodeid: at + 1,
      ip: addressOf(cluster.world, node),
      level: '',
      local: node === here ? 1 : 0,
      online: cluster.isMember(here, node) ? 1 : 0,
    })),
  ],
  'GET /cluster/tasks': ({ cluster, who }) =>
    [...cluster.world.nodes.keys()]
      .flatMap((node) => cluster.tasks.ofNode(node).slice(0, 25))
      // What a token did is its user's: the token itself sees it as an auditor only.
      .filter((task) => has(cluster.world, who, '/', 'Sys.Audit') || task.of.user.split('!')[0] === who.id)
      .sort((a, b) => b.of.starttime - a.of.starttime)
      .map((task) => ({ ...describeTask(task), ...(task.running ? {} : { status: task.exit }) })),
};
