import { has } from '../../access/permissions.ts';
import type { Call } from '../operation.ts';

/** A member that is heard and publishes is online; one that is not heard is offline, whatever it published. */
function nodeStatus({ cluster, node: here }: Call, node: string): 'online' | 'offline' | 'unknown' {
  if (!cluster.isMember(here, node)) return 'offline';
  return cluster.view.of(node) ? 'online' : 'unknown';
}

/**
 * A node as lists show it. How large and how busy it is, is for auditors of the node alone; what it has published counts
 * for a while after it is gone, but for what moves.
 */
export function nodeRow(call: Call, name: string): Record<string, unknown> {
  const { cluster, who } = call;
  const node = cluster.world.nodes.get(name)!;
  const sample = cluster.view.of(name);
  const status = nodeStatus(call, name);
  const row = { id: `node/${name}`, type: 'node', node: name, status };
  if (!sample) return row;
  if (!has(cluster.world, who, `/nodes/${name}`, 'Sys.Audit')) return { ...row, level: '' };
  const size = { level: '', maxcpu: node.cpus, maxmem: node.memoryBytes, maxdisk: 100 * 2 ** 30 };
  if (status === 'offline') return { ...row, ...size };
  const uptime = Math.floor((cluster.clock.now() - sample.startedAt) / 1000);
  return { ...row, ...size, cpu: sample.cpu, mem: sample.mem, disk: 8 * 2 ** 30, uptime };
}
