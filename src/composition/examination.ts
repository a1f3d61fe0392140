import type { Client } from '@temporalio/client';
import { examine } from '../api/doctor.ts';
import type { Finding } from '../api/doctor.ts';
import { socketProber } from '../providers/probes/prober.ts';
import type { Parts } from './parts.ts';

/** What `umbra doctor` looks at in this installation. */
export function examination(
  {
    stores,
    providers,
    inventory,
  }: Pick<Parts, 'stores' | 'providers'> & { readonly inventory: Pick<Parts['inventory'], 'current'> },
  client: Client,
): () => Promise<Finding[]> {
  return async () =>
    await examine({
      client,
      known: () => inventory.current()?.inventory,
      current: () => stores.inventory.current(),
      demand: stores.demand,
      registry: stores.registry,
      storeClock: async () => {
        const [row] = await stores.sql.query<{ at: number }>(
          'select (extract(epoch from clock_timestamp()) * 1000)::bigint as at',
        );
        return row?.at ?? Number.NaN;
      },
      nameServerOf: providers.nameServerOf,
      hypervisorOf: providers.hypervisorOf,
      prober: socketProber(),
      now: Date.now,
    });
}
