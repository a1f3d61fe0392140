import { datacenterOptions } from './datacenter-options.ts';
import { like, must, oneOf, whole } from './parameter-words.ts';
import type { Operation } from './operation.ts';
import type { Parameters } from './parameters.ts';
import { anybody, atNode, byDaemon, byDaemonAtNode, of9, on, row } from './rows.ts';

const ofNode: Parameters = { node: must(like('pve-node')) };
const auditNode = on('/nodes/{node}', 'Sys.Audit');
const auditCluster = on('/', 'Sys.Audit');

/** How the cluster and its nodes are set up: options, members, networks. */
export const configOperations: readonly Operation[] = [
  row('GET /cluster', anybody),
  row('GET /cluster/bulk-action', anybody, {}, of9),
  row('GET /cluster/log', anybody, { max: whole(1) }),
  row('GET /cluster/options', anybody),
  row(
    'PUT /cluster/options',
    on('/', 'Sys.Modify'),
    { ...datacenterOptions, delete: like('pve-configid-list') },
    byDaemon,
  ),
  row('GET /cluster/config/nodes', auditCluster),
  row('GET /cluster/config/totem', auditCluster),
  row('GET /nodes/{node}', anybody, ofNode),
  row(
    'GET /nodes/{node}/network',
    anybody,
    {
      ...ofNode,
      type: oneOf(
        ...['bridge', 'bond', 'eth', 'alias', 'vlan', 'fabric', 'OVSBridge', 'OVSBond', 'OVSPort', 'OVSIntPort'],
        ...['vnet', 'any_bridge', 'any_local_bridge', 'include_sdn'],
      ),
    },
    atNode,
  ),
  row(
    'GET /nodes/{node}/network/{iface}',
    auditNode,
    { ...ofNode, iface: must({ ...like('pve-iface', 20), minLength: 2 }) },
    atNode,
  ),
  row('GET /nodes/{node}/hosts', auditCluster, ofNode, byDaemonAtNode),
  row('GET /nodes/{node}/dns', auditNode, ofNode, atNode),
  row('GET /nodes/{node}/time', auditNode, ofNode, atNode),
  row('GET /nodes/{node}/subscription', anybody, ofNode, atNode),
];
