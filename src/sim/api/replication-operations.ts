import { atMost, decimal, flag, like, must, oneOf, pattern, whole } from './parameter-words.ts';
import type { Operation, Permission } from './operation.ts';
import type { Parameter, Parameters } from './parameters.ts';
import { anybody, byDaemon, byDaemonAtNode, on, row } from './rows.ts';
import type { Release } from '../world/world.ts';

const id: Parameter = must({ ...pattern('[1-9][0-9]{2,8}-\\d{1,9}'), format: 'pve-replication-job-id' });
const node = must(like('pve-node'));

/** PVE 8 asks for the storages; 9 asks who carries it out for the guest. */
const change = (release: Release): Permission => (release === '8.4' ? on('/storage', 'Datastore.Allocate') : anybody);

const options: Parameters = {
  comment: atMost(4096),
  disable: flag,
  rate: decimal(1),
  remove_job: oneOf('local', 'full'),
  schedule: like('pve-calendar-event', 128),
  source: like('pve-node'),
};

/** Copying the disks of a guest to another node, again and again. */
export const replicationOperations: readonly Operation[] = [
  row('GET /cluster/replication', anybody),
  row('GET /cluster/replication/{id}', anybody, { id }),
  row('POST /cluster/replication', change, { id, type: must(oneOf('local')), target: node, ...options }, byDaemon),
  row(
    'PUT /cluster/replication/{id}',
    change,
    { id, ...options, delete: like('pve-configid-list', 4096), digest: atMost(64) },
    byDaemon,
  ),
  row('DELETE /cluster/replication/{id}', change, { id, keep: flag, force: flag }, byDaemon),
  row(
    'GET /nodes/{node}/replication',
    anybody,
    { node, guest: { ...like('pve-vmid'), type: 'integer', minimum: 100, maximum: 999999999 } },
    byDaemonAtNode,
  ),
  row('GET /nodes/{node}/replication/{id}', anybody, { node, id }),
  row('GET /nodes/{node}/replication/{id}/status', anybody, { node, id }, byDaemonAtNode),
  row(
    'GET /nodes/{node}/replication/{id}/log',
    anybody,
    { node, id, start: whole(0), limit: whole(0) },
    byDaemonAtNode,
  ),
  row('POST /nodes/{node}/replication/{id}/schedule_now', change, { node, id }, byDaemonAtNode),
];
