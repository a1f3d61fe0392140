import type { HostedVmView } from '../domain/view.ts';
import type { SeenDemand } from '../inventory/seen.ts';
import type { Api } from './api-client.ts';

type Demand = { readonly demand: { readonly stepMs: number; readonly qps: readonly (number | null)[] } };
type Edge = { readonly edge: string; readonly unknownNames?: number };

const since = '24h';
/** Steps of five minutes: the newest that is whole and known is at most this many old to count as now. */
const newestSteps = 2;

/** What the collector has counted, by the running Umbra; what it cannot tell is a sentence. */
export async function countedDemand(
  api: Api | undefined,
): Promise<{ readonly demand: readonly SeenDemand[]; readonly unread: readonly string[] }> {
  if (api === undefined) {
    return { demand: [], unread: ['demand: no Umbra runs here, so nothing is counted; capacities are guesses'] };
  }
  try {
    const [views, edges] = await Promise.all([
      api.read<HostedVmView[]>('/api/v1/hosted-vms'),
      api.read<Edge[]>('/api/v1/edges'),
    ]);
    return {
      demand: (await Promise.all(views.map((view) => demandOf(api, view)))).flat(),
      unread: unknownWords(edges),
    };
  } catch (error) {
    return { demand: [], unread: [`demand: ${error instanceof Error ? error.message : String(error)}`] };
  }
}

async function demandOf(api: Api, { id, names }: HostedVmView): Promise<SeenDemand[]> {
  const path = `/api/v1/hosted-vms/${encodeURIComponent(id)}/demand?since=${since}&step=5m`;
  const { demand } = await api.read<Demand>(path);
  const known = demand.qps.filter((value) => value !== null);
  if (known.length === 0) return [];
  const now = demand.qps.slice(-newestSteps - 1).findLast((value) => value !== null) ?? undefined;
  return [{ hostedVmId: id, names, peakQps: Math.max(...known), since, ...(now === undefined ? {} : { nowQps: now }) }];
}

function unknownWords(edges: readonly Edge[]): string[] {
  if (edges.length === 0)
    return ['demand: no edge has delivered anything; docs/name-servers.md says how dnstap is sent'];
  return edges.flatMap(({ edge, unknownNames = 0 }) =>
    unknownNames === 0
      ? []
      : [
          `names: edge ${edge} counted ${unknownNames} answers in the last hour about names that no hosted VM has; it keeps their number only`,
        ],
  );
}
