import { accessHandlers } from './handlers/access.ts';
import { agentHandlers } from './handlers/agent.ts';
import { backupJobHandlers } from './handlers/backup-jobs.ts';
import { bulkActionHandlers } from './handlers/bulk-action.ts';
import { cloneHandlers } from './handlers/clone.ts';
import { clusterHandlers } from './handlers/cluster.ts';
import { configViewHandlers } from './handlers/config-view.ts';
import { configHandlers } from './handlers/config.ts';
import { createHandlers } from './handlers/create.ts';
import { destroyHandlers } from './handlers/destroy.ts';
import { diskHandlers } from './handlers/disks.ts';
import { firewallOptionHandlers } from './handlers/firewall-options.ts';
import { firewallRuleHandlers } from './handlers/firewall-rules.ts';
import { firewallSetHandlers } from './handlers/firewall-sets.ts';
import { haHandlers } from './handlers/ha.ts';
import { haRuleHandlers } from './handlers/ha-rules.ts';
import { haStatusHandlers } from './handlers/ha-status.ts';
import { migrateHandlers } from './handlers/migrate.ts';
import { moveDiskHandlers } from './handlers/move-disk.ts';
import { nodeHandlers } from './handlers/nodes.ts';
import { poolHandlers } from './handlers/pools.ts';
import { powerHandlers } from './handlers/power.ts';
import { replicationHandlers } from './handlers/replication.ts';
import { snapshotHandlers } from './handlers/snapshots.ts';
import { statusHandlers } from './handlers/status.ts';
import { vzdumpHandlers } from './handlers/vzdump.ts';
import { monitorHandlers } from './handlers/monitor.ts';
import { taskHandlers } from './handlers/tasks.ts';
import { aclHandlers } from './handlers/acl.ts';
import { groupHandlers } from './handlers/groups.ts';
import { roleHandlers } from './handlers/roles.ts';
import { tokenHandlers } from './handlers/api-tokens.ts';
import { userHandlers } from './handlers/users.ts';
import { clusterConfigHandlers } from './handlers/cluster-config.ts';
import { datacenterHandlers } from './handlers/datacenter.ts';
import { nodeConfigHandlers } from './handlers/node-config.ts';
import { storageHandlers } from './handlers/storages.ts';
import { storageConfigHandlers } from './handlers/storage-config.ts';
import { storageContentHandlers } from './handlers/storage-content.ts';
import type { Handler, Operation } from './operation.ts';

/** What carries out each row of the tables, by `METHOD path`. */
const handlers: Readonly<Record<string, Handler>> = {
  ...accessHandlers,
  ...agentHandlers,
  ...backupJobHandlers,
  ...bulkActionHandlers,
  ...cloneHandlers,
  ...clusterHandlers,
  ...configHandlers,
  ...configViewHandlers,
  ...createHandlers,
  ...destroyHandlers,
  ...diskHandlers,
  ...firewallOptionHandlers,
  ...firewallRuleHandlers,
  ...firewallSetHandlers,
  ...haHandlers,
  ...haRuleHandlers,
  ...haStatusHandlers,
  ...migrateHandlers,
  ...moveDiskHandlers,
  ...nodeHandlers,
  ...poolHandlers,
  ...powerHandlers,
  ...replicationHandlers,
  ...snapshotHandlers,
  ...statusHandlers,
  ...taskHandlers,
  ...vzdumpHandlers,
  ...monitorHandlers,
  ...storageContentHandlers,
  ...storageConfigHandlers,
  ...storageHandlers,
  ...nodeConfigHandlers,
  ...datacenterHandlers,
  ...clusterConfigHandlers,
  ...userHandlers,
  ...tokenHandlers,
  ...roleHandlers,
  ...groupHandlers,
  ...aclHandlers,
};

export function handlerOf(operation: Operation): Handler {
  const handler = handlers[`${operation.method} ${operation.path}`];
  if (!handler) throw new Error(`the tables name ${operation.method} ${operation.path} and nothing carries it out`);
  return handler;
}
