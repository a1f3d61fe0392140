import { createHash } from 'node:crypto';
import { permissionsAt } from '../../access/permissions.ts';
import { addressOf, gateway, hostsFile } from '../../cluster/addresses.ts';
import { badParameter } from '../refusal.ts';
import type { Release } from '../../world/world.ts';
import type { Call, Handler } from '../operation.ts';

/** What is below a node. */
const indexOf = (release: Release): string[] => [
  ...['aplinfo', 'apt', 'capabilities', 'ceph', 'certificates', 'config', 'disks', 'dns', 'firewall', 'hardware'],
  ...['hosts', 'journal', 'lxc', 'migrateall', 'netstat', 'network', 'qemu'],
  ...(release === '8.4' ? [] : ['query-oci-repo-tags']),
  ...['query-url-metadata', 'replication', 'report', 'rrd', 'rrddata', 'scan', 'sdn', 'services', 'spiceshell'],
  ...['startall', 'status', 'stopall', 'storage', 'subscription', 'suspendall', 'syslog', 'tasks', 'termproxy', 'time'],
  ...['version', 'vncshell', 'vzdump', 'wakeonlan'],
];

type Interface = { readonly type: string } & Readonly<Record<string, unknown>>;

/** Every node has one card, in one bridge. */
function interfacesOf({ cluster: { world }, node }: Call): Record<string, Interface> {
  const address = addressOf(world, node);
  const both = { families: ['inet'], method6: 'manual', active: 1 };
  return {
    eth0: { type: 'eth', ...both, method: 'manual', priority: 3, exists: 1 },
    vmbr0: {
      type: 'bridge',
      ...both,
      method: 'static',
      address,
      netmask: '24',
      cidr: `${address}/24`,
      gateway,
      bridge_ports: 'eth0',
      bridge_stp: 'off',
      bridge_fd: '0',
      autostart: 1,
      priority: 4,
    },
  };
}

/** Whether somebody may use a bridge, or one of its VLANs. */
function usesBridge({ cluster: { world }, who }: Call, bridge: string): boolean {
  const path = `/sdn/zones/localnetwork/${bridge}`;
  const below = world.acls.map((acl) => acl.path).filter((other) => other.startsWith(`${path}/`));
  return [path, ...below].some((at) => {
    const granted = permissionsAt(world, who, at);
    return granted.has('SDN.Audit') || granted.has('SDN.Use');
  });
}

const isAnyBridge = new Set(['any_bridge', 'any_local_bridge']);

function listInterfaces(call: Call): object[] {
  const wanted = call.args.text('type');
  return Object.entries(interfacesOf(call))
    .filter(
      ([, { type }]) =>
        wanted === undefined ||
        wanted === 'include_sdn' ||
        wanted === type ||
        (isAnyBridge.has(wanted) && type === 'bridge'),
    )
    .filter(([iface, { type }]) => type !== 'bridge' || usesBridge(call, iface))
    .map(([iface, about]) => ({ iface, ...about }));
}

export const nodeConfigHandlers: Readonly<Record<string, Handler>> = {
  'GET /nodes/{node}': ({ cluster }) => indexOf(cluster.world.release).map((name) => ({ name })),
  'GET /nodes/{node}/network': listInterfaces,
  'GET /nodes/{node}/network/{iface}': (call) => {
    const found = interfacesOf(call)[call.args.need('iface')];
    if (!found) throw badParameter({ iface: 'interface does not exist' });
    return found;
  },
  'GET /nodes/{node}/hosts': ({ cluster: { world } }) => {
    const data = hostsFile(world);
    return { data, digest: createHash('sha1').update(data).digest('hex') };
  },
  'GET /nodes/{node}/dns': () => ({ dns1: '192.0.2.53' }),
  'GET /nodes/{node}/time': ({ cluster }) => {
    const time = Math.floor(cluster.clock.now() / 1000);
    return { timezone: 'UTC', time, localtime: time };
  },
  'GET /nodes/{node}/subscription': () => ({
    status: 'notfound',
    message: 'There is no subscription key',
    serverid: null,
    url: 'https://www.proxmox.com/en/proxmox-virtual-environment/pricing',
  }),
};
