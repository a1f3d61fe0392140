import type { EdgeStatus } from '../api/wire.ts';
import { counted, formatPercent } from './numbers.ts';

/** Below it the share that nobody observed is worth a word. */
const nearlyAll = 0.995;

/** Do we see all of DNS? */
export function edgesSentence(edges: readonly EdgeStatus[]): string {
  if (edges.length === 0) return 'No edge has reported yet: demand is unknown everywhere.';
  const silent = edges.filter((edge) => edge.silent);
  const lossy = edges.filter((edge) => !edge.silent && edge.observedShare !== null && edge.observedShare < nearlyAll);
  if (silent.length === edges.length)
    return `No: ${edges.length === 1 ? 'the only edge is' : `all ${edges.length} edges are`} silent, and demand is missing since.`;
  const parts = [
    ...(silent.length > 0
      ? [`${silent.map((edge) => edge.edge).join(', ')} ${silent.length === 1 ? 'is' : 'are'} silent`]
      : []),
    ...lossy.map((edge) => `${edge.edge} observes ${formatPercent(edge.observedShare, 1)}`),
  ];
  if (parts.length === 0)
    return `Yes: ${counted(edges.length, 'edge')} reporting, nothing lost as far as the counters tell.`;
  return `Not all of it: ${parts.join('; ')}.`;
}
