import { flag, like, must, needs, whole } from './parameter-words.ts';
import type { Operation } from './operation.ts';
import type { Parameter, Parameters } from './parameters.ts';
import { anybody, byDaemon, of9, row } from './rows.ts';

const vms: Parameter = {
  type: 'array',
  optional: true,
  items: { ...like('pve-vmid'), type: 'integer', minimum: 100, maximum: 999999999 },
};
const workers: Parameters = { vms, 'max-workers': whole(1, 64), maxworkers: whole(1, 64) };
const guest = '/cluster/bulk-action/guest';
const how = { ...byDaemon, ...of9 };

/** One call for many guests. Who may is asked of each guest by who carries it out. */
export const bulkOperations: readonly Operation[] = [
  row(`GET ${guest}`, anybody, {}, of9),
  row(`POST ${guest}/start`, anybody, { ...workers, timeout: whole() }, how),
  row(`POST ${guest}/shutdown`, anybody, { ...workers, timeout: whole(), 'force-stop': flag }, how),
  row(
    `POST ${guest}/suspend`,
    anybody,
    { ...workers, 'to-disk': flag, statestorage: needs('to-disk', like('pve-storage-id')) },
    how,
  ),
  row(
    `POST ${guest}/migrate`,
    anybody,
    { ...workers, target: must(like('pve-node')), online: flag, 'with-local-disks': flag },
    how,
  ),
];
