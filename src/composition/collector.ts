import type { Logger } from 'pino';
import { startCollector } from '../collector/collector.ts';
import type { Collector } from '../collector/collector.ts';
import type { Listen } from '../collector/listeners.ts';
import type { CollectorLog } from '../collector/log.ts';
import type { NameSource, RegisteredName } from '../collector/names.ts';
import type { DemandStore } from '../ports/demand-store.ts';
import type { KnownInventory } from './inventory.ts';
import type { Snapshot } from './snapshot.ts';

export type CollectorProcessOptions = {
  readonly edge: string;
  readonly listen: Listen;
  readonly store: Pick<DemandStore, 'write'>;
  readonly names: NameSource;
  readonly spoolDir: string;
  readonly maxSpoolBytes?: number;
  readonly statistics: readonly string[];
  /** As address prefixes. */
  readonly trustedResolvers?: readonly string[];
  readonly log: Logger;
};

/** The collector process of one edge. */
export async function startCollectorProcess(options: CollectorProcessOptions): Promise<Collector> {
  const { log, statistics, trustedResolvers = [], ...rest } = options;
  const say: CollectorLog = (level, text, facts) => log[level](facts ?? {}, text);
  const tally = { trustedSubnetSenders: trustedResolvers };
  return await startCollector({ ...rest, tally, log: say, ...(statistics.length === 0 ? {} : { statistics }) });
}

/** The names of the inventory in force, now and after each change. */
export function namesOf(inventory: Snapshot<KnownInventory>): NameSource {
  return (listener) => {
    const tell = (): void => {
      const known = inventory.current();
      if (known !== undefined) listener(known.inventory.hostedVms.map(registered));
    };
    tell();
    return inventory.onChange(tell);
  };
}

function registered(spec: KnownInventory['inventory']['hostedVms'][number]): RegisteredName {
  return { hostedVmId: spec.id, names: spec.names, ttlSeconds: spec.ttlSeconds };
}
