import type { Calls } from './calls.ts';
import { isFailure, ProxmoxError } from './errors.ts';

/** The others of a quorate cluster say that a node is off: it runs no task any more. When nobody can be asked, nobody says so. */
export async function isOffline(calls: Calls, node: string): Promise<boolean> {
  try {
    const rows = await calls.clusterStatus();
    const quorate = rows.some((row) => row.type === 'cluster' && row.quorate === true);
    return quorate && rows.some((row) => row.type === 'node' && row.name === node && row.online === false);
  } catch (error) {
    if (isFailure(error, 'transient', 'permission')) return false;
    throw error;
  }
}

/** @throws ProxmoxError quorum: what this part of the cluster does not show may well exist */
export async function requireQuorum(calls: Calls, cluster: string): Promise<void> {
  const row = (await calls.clusterStatus()).find(({ type }) => type === 'cluster');
  // A single node that never joined a cluster has no such row, and decides alone.
  if (row?.quorate !== false) return;
  throw new ProxmoxError({
    operation: 'observe',
    target: 'cluster',
    failureClass: 'quorum',
    message: `the part of ${cluster} that answers has no quorum; nothing it does not show can be believed absent`,
  });
}
