import { accessOperations } from './access-operations.ts';
import { backupOperations } from './backup-operations.ts';
import { bulkOperations } from './bulk-operations.ts';
import { diskChoice, diskNames, guestOptions, unusedNames, updateOnly } from './guest-options.ts';
import { atMost, flag, like, must, needs, oneOf, pattern, since9, text, whole } from './parameter-words.ts';
import { machine } from './property-strings.ts';
import { firewallOperations } from './firewall-operations.ts';
import { haOperations } from './ha-operations.ts';
import { configOperations } from './config-operations.ts';
import { storageOperations } from './storage-operations.ts';
import { replicationOperations } from './replication-operations.ts';
import type { Operation, Permission } from './operation.ts';
import type { Parameter, Parameters } from './parameters.ts';
import { anybody, atNode, byDaemon, byDaemonAtNode, on, onAny, onGuest, row } from './rows.ts';
import type { Release } from '../world/world.ts';

/** PVE 8 asks VM.Monitor for anything to do with the guest agent; 9 distinguishes. */
const agent =
  (...of9: string[]) =>
  (release: Release): Permission =>
    release === '8.4' ? onGuest('VM.Monitor') : onAny('/vms/{vmid}', ...of9);
const agentAudit = agent('VM.GuestAgent.Audit', 'VM.GuestAgent.Unrestricted');

const agentUnrestricted = (release: Release): Permission =>
  onGuest(release === '8.4' ? 'VM.Monitor' : 'VM.GuestAgent.Unrestricted');

const vmid: Parameter = must({ ...like('pve-vmid'), type: 'integer', minimum: 100, maximum: 999999999 });
const node = must(like('pve-node'));
const ofNode: Parameters = { node };
const ofGuest: Parameters = { node, vmid };
const snapname = like('pve-configid', 40);
const ofSnapshot: Parameters = { ...ofGuest, snapname: must(snapname) };
const ofTask: Parameters = { node, upid: must(text) };
const pool = like('pve-poolid');
const imageFormat = oneOf('raw', 'qcow2', 'vmdk');
const storage = like('pve-storage-id');

const guest = '/nodes/{node}/qemu/{vmid}';
const power = `${guest}/status`;

const clusterRows: Operation[] = [
  row('GET /version', anybody),
  row('GET /cluster/status', on('/', 'Sys.Audit'), {}, byDaemon),
  row('GET /cluster/resources', anybody, { type: oneOf('vm', 'storage', 'node', 'sdn') }),
  row('GET /cluster/nextid', anybody, { vmid: { ...vmid, optional: true } }),
  row('GET /cluster/tasks', anybody),
  row('GET /access/permissions', anybody, {
    path: text,
    userid: pattern('[^\\s:/]+@[A-Za-z][A-Za-z0-9.\\-_]+(?:![A-Za-z][A-Za-z0-9.\\-_]+)?'),
  }),
  row('GET /access/ticket', { kind: 'world' }),
  row(
    'POST /access/ticket',
    { kind: 'world' },
    {
      username: must(atMost(64)),
      password: must(text),
      realm: like('pve-realm', 32),
      otp: text,
      path: needs('privs', atMost(64)),
      privs: needs('path', like('pve-priv-list', 64)),
      'new-format': flag,
      'tfa-challenge': text,
    },
    { ...byDaemon, tokenAllowed: false },
  ),
  row('GET /pools', anybody, { poolid: pool, type: needs('poolid', oneOf('qemu', 'lxc', 'storage')) }),
  row('GET /pools/{poolid}', on('/pool/{poolid}', 'Pool.Audit'), {
    poolid: must(pool),
    type: oneOf('qemu', 'lxc', 'storage'),
  }),
  row('POST /pools', on('/pool/{poolid}', 'Pool.Allocate'), { poolid: must(pool), comment: text }, byDaemon),
  ...['PUT /pools', 'PUT /pools/{poolid}'].map((route) =>
    row(
      route,
      on('/pool/{poolid}', 'Pool.Allocate'),
      {
        poolid: must(pool),
        comment: text,
        vms: like('pve-vmid-list'),
        storage: like('pve-storage-id-list'),
        'allow-move': flag,
        delete: flag,
      },
      byDaemon,
    ),
  ),
  ...['DELETE /pools', 'DELETE /pools/{poolid}'].map((route) =>
    row(route, on('/pool/{poolid}', 'Pool.Allocate'), { poolid: must(pool) }, byDaemon),
  ),
];

const nodeRows: Operation[] = [
  row('GET /nodes', anybody),
  row('GET /nodes/{node}/status', on('/nodes/{node}', 'Sys.Audit'), ofNode, atNode),
  row('GET /nodes/{node}/version', anybody, ofNode, atNode),
  row('GET /nodes/{node}/qemu', anybody, { ...ofNode, full: flag }, byDaemonAtNode),
  row(
    'GET /nodes/{node}/tasks',
    anybody,
    {
      ...ofNode,
      vmid: { ...vmid, optional: true },
      start: whole(0),
      limit: whole(0),
      userfilter: text,
      typefilter: text,
      errors: flag,
      source: oneOf('archive', 'active', 'all'),
      since: whole(),
      until: whole(),
      statusfilter: like('pve-task-status-type-list'),
    },
    atNode,
  ),
  row('GET /nodes/{node}/tasks/{upid}', anybody, ofTask),
  row('GET /nodes/{node}/tasks/{upid}/status', anybody, ofTask, byDaemonAtNode),
  row(
    'GET /nodes/{node}/tasks/{upid}/log',
    anybody,
    { ...ofTask, start: whole(0), limit: whole(0), download: flag },
    byDaemonAtNode,
  ),
  row('DELETE /nodes/{node}/tasks/{upid}', anybody, ofTask, byDaemonAtNode),
];

const configRights = onAny(
  '/vms/{vmid}',
  ...['Disk', 'CDROM', 'CPU', 'Memory', 'Network', 'HWType', 'Options', 'Cloudinit'].map((of) => `VM.Config.${of}`),
);
const skiplock = flag;
const migration: Parameters = {
  migration_type: oneOf('secure', 'insecure'),
  migration_network: like('CIDR'),
  targetstorage: like('storage-pair-list'),
  'with-conntrack-state': since9(flag),
};

const guestRows: Operation[] = [
  row(
    'POST /nodes/{node}/qemu',
    anybody,
    {
      ...ofGuest,
      ...guestOptions,
      pool,
      storage,
      start: flag,
      unique: needs('archive', flag),
      force: needs('archive', flag),
      archive: atMost(255),
      bwlimit: whole(0),
      'live-restore': flag,
      'ha-managed': since9(flag),
      'import-working-storage': storage,
    },
    byDaemonAtNode,
  ),
  row(`GET ${guest}`, anybody, ofGuest, atNode),
  row(
    `DELETE ${guest}`,
    onGuest('VM.Allocate'),
    { ...ofGuest, skiplock, purge: flag, 'destroy-unreferenced-disks': flag },
    byDaemonAtNode,
  ),
  row(`GET ${guest}/config`, onGuest('VM.Audit'), { ...ofGuest, current: flag, snapshot: snapname }, atNode),
  row(`PUT ${guest}/config`, configRights, { ...ofGuest, ...guestOptions, ...updateOnly }, byDaemonAtNode),
  row(
    `POST ${guest}/config`,
    configRights,
    { ...ofGuest, ...guestOptions, ...updateOnly, background_delay: whole(1, 30), 'import-working-storage': storage },
    byDaemonAtNode,
  ),
  row(`GET ${guest}/pending`, onGuest('VM.Audit'), ofGuest, atNode),
  row(`GET ${guest}/cloudinit`, onGuest('VM.Audit'), ofGuest, atNode),
  row(`PUT ${guest}/cloudinit`, onGuest('VM.Config.Cloudinit'), ofGuest, byDaemonAtNode),
  row(
    `GET ${guest}/cloudinit/dump`,
    onGuest('VM.Audit'),
    { ...ofGuest, type: must(oneOf('user', 'network', 'meta')) },
    atNode,
  ),
  row(
    `GET ${guest}/feature`,
    onGuest('VM.Audit'),
    { ...ofGuest, feature: must(oneOf('snapshot', 'clone', 'copy')), snapname },
    byDaemonAtNode,
  ),
  row(
    `GET ${guest}/rrddata`,
    onGuest('VM.Audit'),
    { ...ofGuest, timeframe: must(oneOf('hour', 'day', 'week', 'month', 'year')), cf: oneOf('AVERAGE', 'MAX') },
    byDaemon,
  ),
  row(
    `POST ${guest}/clone`,
    {
      kind: 'and',
      of: [
        onGuest('VM.Clone'),
        {
          kind: 'or',
          of: [
            on('/vms/{newid}', 'VM.Allocate'),
            { kind: 'privileges', path: '/pool/{pool}', all: ['VM.Allocate'], requireParameter: 'pool' },
          ],
        },
      ],
    },
    {
      ...ofGuest,
      newid: vmid,
      name: like('dns-name'),
      description: text,
      pool,
      snapname,
      storage,
      format: imageFormat,
      full: flag,
      target: like('pve-node'),
      bwlimit: whole(0),
    },
    byDaemonAtNode,
  ),
  row(
    `PUT ${guest}/resize`,
    onGuest('VM.Config.Disk'),
    {
      ...ofGuest,
      disk: diskChoice,
      size: must(pattern('\\+?\\d+(\\.\\d+)?[KMGT]?')),
      digest: atMost(40),
      skiplock,
    },
    byDaemonAtNode,
  ),
  row(
    `POST ${guest}/move_disk`,
    onGuest('VM.Config.Disk'),
    {
      ...ofGuest,
      disk: must(oneOf(...diskNames, ...unusedNames)),
      storage,
      format: imageFormat,
      delete: flag,
      digest: atMost(40),
      bwlimit: whole(0),
      'target-vmid': { ...vmid, optional: true },
      'target-disk': oneOf(...diskNames, ...unusedNames),
      'target-digest': atMost(40),
    },
    byDaemonAtNode,
  ),
  row(
    `PUT ${guest}/unlink`,
    onGuest('VM.Config.Disk'),
    { ...ofGuest, idlist: must(like('pve-configid-list')), force: flag },
    byDaemonAtNode,
  ),
  row(`POST ${guest}/template`, onGuest('VM.Allocate'), { ...ofGuest, disk: oneOf(...diskNames) }, byDaemonAtNode),
  row(`GET ${guest}/migrate`, onGuest('VM.Migrate'), { ...ofGuest, target: like('pve-node') }, byDaemonAtNode),
  row(
    `POST ${guest}/migrate`,
    onGuest('VM.Migrate'),
    {
      ...ofGuest,
      ...migration,
      target: node,
      online: flag,
      force: flag,
      'with-local-disks': flag,
      bwlimit: whole(0),
    },
    byDaemonAtNode,
  ),
  row(`GET ${guest}/snapshot`, onGuest('VM.Audit'), ofGuest, byDaemonAtNode),
  row(
    `POST ${guest}/snapshot`,
    onGuest('VM.Snapshot'),
    { ...ofSnapshot, description: text, vmstate: flag },
    byDaemonAtNode,
  ),
  row(`GET ${guest}/snapshot/{snapname}`, anybody, ofSnapshot),
  row(`DELETE ${guest}/snapshot/{snapname}`, onGuest('VM.Snapshot'), { ...ofSnapshot, force: flag }, byDaemonAtNode),
  row(
    `GET ${guest}/snapshot/{snapname}/config`,
    onAny('/vms/{vmid}', 'VM.Snapshot', 'VM.Snapshot.Rollback', 'VM.Audit'),
    ofSnapshot,
    atNode,
  ),
  row(
    `PUT ${guest}/snapshot/{snapname}/config`,
    onGuest('VM.Snapshot'),
    { ...ofSnapshot, description: text },
    byDaemonAtNode,
  ),
  row(
    `POST ${guest}/snapshot/{snapname}/rollback`,
    onAny('/vms/{vmid}', 'VM.Snapshot', 'VM.Snapshot.Rollback'),
    { ...ofSnapshot, start: flag },
    byDaemonAtNode,
  ),
];

const powerRows: Operation[] = [
  row(`GET ${power}`, anybody, ofGuest, atNode),
  row(`GET ${power}/current`, onGuest('VM.Audit'), ofGuest, byDaemonAtNode),
  row(
    `POST ${power}/start`,
    onGuest('VM.PowerMgmt'),
    {
      ...ofGuest,
      ...migration,
      skiplock,
      timeout: whole(0),
      machine: like(machine),
      migratedfrom: like('pve-node'),
      stateuri: atMost(128),
      'force-cpu': text,
      'nets-host-mtu': pattern('net\\d+=\\d+(,net\\d+=\\d+)*'),
    },
    byDaemonAtNode,
  ),
  row(
    `POST ${power}/stop`,
    onGuest('VM.PowerMgmt'),
    {
      ...ofGuest,
      skiplock,
      timeout: whole(0),
      keepActive: flag,
      migratedfrom: like('pve-node'),
      'overrule-shutdown': flag,
    },
    byDaemonAtNode,
  ),
  row(
    `POST ${power}/shutdown`,
    onGuest('VM.PowerMgmt'),
    {
      ...ofGuest,
      skiplock,
      timeout: whole(0),
      forceStop: flag,
      keepActive: flag,
    },
    byDaemonAtNode,
  ),
  row(`POST ${power}/reboot`, onGuest('VM.PowerMgmt'), { ...ofGuest, timeout: whole(0) }, byDaemonAtNode),
  row(`POST ${power}/reset`, onGuest('VM.PowerMgmt'), { ...ofGuest, skiplock }, byDaemonAtNode),
  row(
    `POST ${power}/suspend`,
    onGuest('VM.PowerMgmt'),
    {
      ...ofGuest,
      skiplock,
      todisk: flag,
      statestorage: needs('todisk', storage),
    },
    byDaemonAtNode,
  ),
  row(`POST ${power}/resume`, onGuest('VM.PowerMgmt'), { ...ofGuest, skiplock, nocheck: flag }, byDaemonAtNode),
];

const agentCommands = [
  ...['fsfreeze-freeze', 'fsfreeze-status', 'fsfreeze-thaw', 'fstrim', 'get-fsinfo', 'get-host-name'],
  ...['get-memory-block-info', 'get-memory-blocks', 'get-osinfo', 'get-time', 'get-timezone', 'get-users'],
  ...[
    'get-vcpus',
    'info',
    'network-get-interfaces',
    'ping',
    'shutdown',
    'suspend-disk',
    'suspend-hybrid',
    'suspend-ram',
  ],
];
const agentRows: Operation[] = [
  row(
    `POST ${guest}/agent`,
    agent('VM.GuestAgent.Unrestricted', 'VM.GuestAgent.Unrestricted'),
    { ...ofGuest, command: must(oneOf(...agentCommands)) },
    byDaemonAtNode,
  ),
  row(`GET ${guest}/agent`, anybody, ofGuest, atNode),
  row(`POST ${guest}/agent/ping`, agentAudit, ofGuest, byDaemonAtNode),
  row(
    `POST ${guest}/agent/fsfreeze-freeze`,
    agent('VM.GuestAgent.FileSystemMgmt', 'VM.GuestAgent.Unrestricted'),
    ofGuest,
    byDaemonAtNode,
  ),
  row(
    `GET ${guest}/agent/file-read`,
    agent('VM.GuestAgent.FileRead', 'VM.GuestAgent.Unrestricted'),
    { ...ofGuest, file: must(text), count: since9(whole(1, 16777216)), offset: since9(whole(0)), decode: since9(flag) },
    byDaemonAtNode,
  ),
  row(
    `POST ${guest}/monitor`,
    (release) => (release === '8.4' ? onGuest('VM.Monitor') : onAny('/vms/{vmid}', 'Sys.Audit', 'Sys.Modify')),
    { ...ofGuest, command: must(text) },
    byDaemonAtNode,
  ),
  row(`PUT ${guest}/sendkey`, onGuest('VM.Console'), { ...ofGuest, key: must(text), skiplock }, byDaemonAtNode),
  row(
    `POST ${guest}/agent/fsfreeze-status`,
    agent('VM.GuestAgent.Audit', 'VM.GuestAgent.FileSystemMgmt', 'VM.GuestAgent.Unrestricted'),
    ofGuest,
    byDaemonAtNode,
  ),
  ...['get-fsinfo', 'get-host-name', 'get-osinfo', 'get-time', 'info', 'network-get-interfaces'].map((command) =>
    row(`GET ${guest}/agent/${command}`, agentAudit, ofGuest, byDaemonAtNode),
  ),
  row(
    `POST ${guest}/agent/exec`,
    agentUnrestricted,
    { ...ofGuest, command: { type: 'array', items: text }, 'input-data': atMost(65536) },
    byDaemonAtNode,
  ),
  row(`GET ${guest}/agent/exec-status`, agentUnrestricted, { ...ofGuest, pid: must(whole()) }, byDaemonAtNode),
];

/** Every operation the simulator knows. */
export const operations: readonly Operation[] = [
  ...clusterRows,
  ...accessOperations,
  ...configOperations,
  ...storageOperations,
  ...bulkOperations,
  ...haOperations,
  ...firewallOperations,
  ...backupOperations,
  ...replicationOperations,
  ...nodeRows,
  ...guestRows,
  ...powerRows,
  ...agentRows,
];
