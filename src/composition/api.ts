import { startApi } from '../api/server.ts';
import type { ApiOptions, RunningApi } from '../api/options.ts';
import type { InstanceId } from '../domain/instance.ts';
import type { HostedVmView } from '../domain/view.ts';
import type { ConfigDrift } from '../ports/hypervisor.ts';
import { reportForesight } from '../foresight/report.ts';
import { hostedVmIdsOf } from './foresight.ts';
import type { Parts } from './parts.ts';

/** The API process: what differs between production and the demonstration comes from outside. */
export async function startApiProcess(
  parts: Parts,
  options: Omit<ApiOptions, 'stores' | 'forecasts' | 'drift' | 'log'>,
): Promise<RunningApi> {
  return await startApi({
    ...options,
    stores: parts.stores,
    forecasts: {
      newest: (id) => parts.stores.forecasts.newest(id),
      foresight: () =>
        reportForesight(
          {
            ...parts.stores,
            ledger: parts.stores.fits,
            hostedVmIds: () => Promise.resolve(hostedVmIdsOf(parts)),
          },
          (options.now ?? Date.now)(),
        ),
    },
    drift: (view) => driftOf(parts, view),
    log: parts.log,
  });
}

/** How each shadow differs from its primary, by the cluster's own word. */
async function driftOf(
  { providers, inventory }: Parts,
  { id: hostedVmId, instances }: HostedVmView,
): Promise<Record<InstanceId, readonly ConfigDrift[]>> {
  const primary = instances.find(({ role }) => role === 'primary');
  if (primary?.vmid === undefined) return {};
  const from = { cluster: primary.cluster, vmid: primary.vmid };
  const named = inventory.current()?.inventory.hostedVms.find(({ id }) => id === hostedVmId)?.source;
  // What both may come from tells which of them changed; what a shadow was copied from directly tells nothing.
  const source = named === undefined || named.vmid === from.vmid ? undefined : { cluster: from.cluster, ...named };
  const shadows = instances.filter(
    ({ role, state }) => role === 'shadow' && (state.kind === 'warm' || state.kind === 'serving'),
  );
  const drifts = await Promise.all(
    shadows.map(async ({ id, cluster, vmid }) => {
      if (vmid === undefined || cluster !== primary.cluster) return [];
      const hypervisor = await providers.hypervisorOf(cluster);
      return [[id, await hypervisor.configDrift(from, { cluster, vmid }, undefined, source)] as const];
    }),
  );
  return Object.fromEntries(drifts.flat());
}
