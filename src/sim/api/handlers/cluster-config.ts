import { has } from '../../access/permissions.ts';
import { addressOf, clusterName } from '../../cluster/addresses.ts';
import type { Task } from '../../cluster/tasks.ts';
import type { Release } from '../../world/world.ts';
import type { Call, Handler } from '../operation.ts';

/** What is below `/cluster`; PVE 9 has more of it. */
const indexOf = (release: Release): string[] => [
  ...['acme', 'backup', 'backup-info', ...(release === '8.4' ? [] : ['bulk-action']), 'ceph', 'config', 'firewall'],
  ...['ha', 'jobs', 'log', 'mapping', 'metrics', 'notifications', 'nextid', 'options'],
  ...(release === '9.2' ? ['qemu'] : []),
  ...['replication', 'resources', 'status', 'tasks', 'sdn'],
];

/** As many entries as the cluster's log keeps in mind when nobody asks for fewer. */
const longestLog = 500;

type Entry = { readonly time: number; readonly task: Task; readonly msg: string; readonly pri: number };

/** What the daemons say of their tasks: that they start, and how they end. */
const entriesOf = (task: Task): Entry[] => [
  { time: task.of.starttime, task, msg: `starting task ${task.upid}`, pri: 6 },
  ...(task.endtime === undefined
    ? []
    : [{ time: task.endtime, task, msg: `end task ${task.upid} ${task.exit ?? ''}`, pri: task.exit === 'OK' ? 6 : 3 }]),
];

/** The newest first; who is not allowed to read logs sees what they did themselves. */
function clusterLog({ cluster, who, args }: Call): object[] {
  const all = has(cluster.world, who, '/', 'Sys.Syslog');
  return cluster.tasks.all
    .flatMap(entriesOf)
    .sort((a, b) => a.time - b.time)
    .map(({ time, task, msg, pri }, at) => {
      const { node, user, pid } = task.of;
      return { uid: String(at + 1), id: `${at + 1}:${node}`, time, node, user, pid, tag: 'pvedaemon', msg, pri };
    })
    .filter(({ user }) => all || user === who.id)
    .reverse()
    .slice(0, args.number('max') ?? longestLog);
}

export const clusterConfigHandlers: Readonly<Record<string, Handler>> = {
  'GET /cluster': ({ cluster }) => indexOf(cluster.world.release).map((name) => ({ name })),
  'GET /cluster/log': clusterLog,
  'GET /cluster/bulk-action': () => [{ name: 'guest' }],
  'GET /cluster/config/nodes': ({ cluster: { world } }) =>
    [...world.nodes.keys()].map((node, at) => ({
      node,
      name: node,
      nodeid: String(at + 1),
      quorum_votes: '1',
      ring0_addr: addressOf(world, node),
    })),
  'GET /cluster/config/totem': ({ cluster: { world } }) => ({
    cluster_name: clusterName(world),
    config_version: '3',
    interface: { '0': { linknumber: '0' } },
    ip_version: 'ipv4-6',
    link_mode: 'passive',
    secauth: 'on',
    version: '2',
  }),
};
