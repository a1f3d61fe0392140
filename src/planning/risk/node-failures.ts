import type { UmbraEvent } from '../../domain/event.ts';
import { dayMs, minuteMs } from '../../domain/time.ts';
import type { EpochMs } from '../../domain/time.ts';

/** Hosted VMs of one node notice its failure within seconds of each other; one that flaps for minutes has failed once. */
const sameFailureMs = 10 * minuteMs;
const monthMs = 30 * dayMs;

/**
 * How often a node failed in the last 30 days, from events that name it (`facts.node`): failures detected because
 * Proxmox said the node is offline, and imported ones. An import names no cluster, so it counts for any.
 */
export function nodeFailuresLastMonth(
  failures: readonly UmbraEvent[],
  { cluster, node }: { readonly cluster: string; readonly node: string },
  now: EpochMs,
): number {
  const at = failures
    .filter(({ facts }) => facts['node'] === node && (facts['cluster'] ?? cluster) === cluster)
    .map((event) => event.at)
    .filter((each) => each > now - monthMs && each <= now)
    .sort((left, right) => left - right);
  return at.filter((each, index) => index === 0 || each - at[index - 1]! > sameFailureMs).length;
}
