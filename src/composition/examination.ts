import type { Client } from '@temporalio/client';
import { examine } from '../api/doctor.ts';
import type { Finding } from '../api/doctor.ts';
import type { Parts } from './parts.ts';

/** What `umbra doctor` looks at in this installation. */
export function examination({ stores, providers }: Parts, client: Client): () => Promise<Finding[]> {
  return async () =>
    await examine({
      client,
      inventory: stores.inventory,
      demand: stores.demand,
      storeClock: async () => {
        const [row] = await stores.sql.query<{ at: number }>(
          'select (extract(epoch from clock_timestamp()) * 1000)::bigint as at',
        );
        return row?.at ?? Number.NaN;
      },
      nameServerOf: providers.nameServerOf,
      hypervisorOf: providers.hypervisorOf,
      now: Date.now,
    });
}
