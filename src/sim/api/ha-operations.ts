import { atMost, flag, like, must, oneOf, since9, text, whole } from './parameter-words.ts';
import type { Operation } from './operation.ts';
import type { Parameter, Parameters } from './parameters.ts';
import { anybody, byDaemon, of9, on, row } from './rows.ts';

const sid = must(like('pve-ha-resource-or-vm-id'));
const audit = on('/', 'Sys.Audit');
const control = on('/', 'Sys.Console');
const changes: Parameters = { delete: like('pve-configid-list', 4096), digest: atMost(64) };

const rule = must(like('pve-configid'));
/** What only one kind of rules has is asked for, or refused, by who carries it out. */
const ruleOptions: Parameters = {
  rule,
  type: must(oneOf('node-affinity', 'resource-affinity')),
  affinity: oneOf('positive', 'negative'),
  comment: atMost(4096),
  disable: flag,
  nodes: like('pve-ha-node-list'),
  resources: like('pve-ha-resource-id-list'),
  strict: flag,
};

const group = must(like('pve-configid'));
const groupNodes: Parameter = { ...like('pve-ha-node-list'), before9: like('pve-ha-group-node-list') };
const groupOptions: Parameters = { group, comment: atMost(4096), nofailback: flag, restricted: flag };

export const haOperations: readonly Operation[] = [
  row('GET /cluster/ha', audit),
  row('GET /cluster/ha/status', anybody),
  row('GET /cluster/ha/status/current', audit),
  row('GET /cluster/ha/status/manager_status', audit),
  row('POST /cluster/ha/status/arm-ha', control, {}, { ...byDaemon, ...of9 }),
  row(
    'POST /cluster/ha/status/disarm-ha',
    control,
    { 'resource-mode': must(oneOf('freeze', 'ignore')) },
    { ...byDaemon, ...of9 },
  ),
  row('GET /cluster/ha/resources', audit, { type: oneOf('ct', 'vm') }),
  row('GET /cluster/ha/resources/{sid}', audit, { sid }),
  row(
    'POST /cluster/ha/resources',
    control,
    {
      sid,
      type: oneOf('ct', 'vm'),
      state: oneOf('started', 'stopped', 'enabled', 'disabled', 'ignored'),
      group: like('pve-configid'),
      failback: since9(flag),
      max_restart: whole(0),
      max_relocate: whole(0),
      comment: atMost(4096),
    },
    byDaemon,
  ),
  row(
    'PUT /cluster/ha/resources/{sid}',
    control,
    {
      sid,
      state: oneOf('started', 'stopped', 'enabled', 'disabled', 'ignored'),
      group: like('pve-configid'),
      failback: since9(flag),
      max_restart: whole(0),
      max_relocate: whole(0),
      comment: atMost(4096),
      ...changes,
    },
    byDaemon,
  ),
  row('DELETE /cluster/ha/resources/{sid}', control, { sid, purge: since9(flag) }, byDaemon),
  ...['migrate', 'relocate'].map((verb) =>
    row(`POST /cluster/ha/resources/{sid}/${verb}`, control, { sid, node: must(like('pve-node')) }, byDaemon),
  ),
  row('GET /cluster/ha/rules', audit, { resource: text, type: oneOf('node-affinity', 'resource-affinity') }, of9),
  row('GET /cluster/ha/rules/{rule}', audit, { rule }, of9),
  row(
    'POST /cluster/ha/rules',
    control,
    { ...ruleOptions, resources: must(like('pve-ha-resource-id-list')) },
    { ...byDaemon, ...of9 },
  ),
  row('PUT /cluster/ha/rules/{rule}', control, { ...ruleOptions, ...changes }, { ...byDaemon, ...of9 }),
  row('DELETE /cluster/ha/rules/{rule}', control, { rule }, { ...byDaemon, ...of9 }),
  row('GET /cluster/ha/groups', audit),
  row('GET /cluster/ha/groups/{group}', audit, { group }),
  row(
    'POST /cluster/ha/groups',
    control,
    {
      ...groupOptions,
      nodes: { ...must(groupNodes), before9: must(like('pve-ha-group-node-list')) },
      type: oneOf('group'),
    },
    byDaemon,
  ),
  row('PUT /cluster/ha/groups/{group}', control, { ...groupOptions, nodes: groupNodes, ...changes }, byDaemon),
  row('DELETE /cluster/ha/groups/{group}', control, { group }, byDaemon),
];
