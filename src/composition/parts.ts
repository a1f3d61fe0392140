import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { KnownInventory } from './inventory.ts';
import { keepInventory } from './inventory.ts';
import type { Providers } from './providers.ts';
import { providersOf } from './providers.ts';
import type { Snapshot } from './snapshot.ts';
import { migrateWhenThere, openStores } from './stores.ts';
import type { Stores } from './stores.ts';

export type TemporalPlace = {
  readonly address: string;
  readonly namespace: string;
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  readonly apiKey?: string;
};

/** What most processes share: the store, the inventory, and the providers it names. */
export type Parts = {
  readonly dataDir: string;
  readonly log: Logger;
  readonly stores: Stores;
  readonly inventory: Snapshot<KnownInventory>;
  readonly providers: Providers;
  close(): Promise<void>;
};

/** Opens the store, brings its schema up to date (waiting for it when it is away), and keeps the inventory. */
export async function openParts(postgresUrl: string, dataDir: string, log: Logger): Promise<Parts> {
  const stores = openStores(postgresUrl);
  const say = (line: string): void => log.info(line);
  await migrateWhenThere(stores.sql, say);
  const inventory = await keepInventory(stores.inventory, dataDir, say);
  const providers = providersOf(inventory, log);
  return {
    dataDir,
    log,
    stores,
    inventory,
    providers,
    close: async () => {
      await inventory.close();
      await providers.close();
      await stores.sql.close();
    },
  };
}

/** A client for signals, updates and queries. Connects lazily: Temporal may be away when a process starts. */
export function temporalClient(place: TemporalPlace): { client: Client; close(): Promise<void> } {
  const connection = Connection.lazy(connectionOptions(place));
  return { client: new Client({ connection, namespace: place.namespace }), close: () => connection.close() };
}

const retryMs = 1_000;

/** A worker's connection; waits while Temporal is away, saying so once. */
export async function workerConnection(place: TemporalPlace, log: Logger): Promise<NativeConnection> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await NativeConnection.connect(connectionOptions(place));
    } catch (error) {
      if (attempt === 0) log.warn({ address: place.address, error: String(error) }, 'waiting for Temporal');
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }
}

function connectionOptions({ address, tls, apiKey }: TemporalPlace) {
  const clientCertPair = tls?.cert !== undefined && tls.key !== undefined ? { crt: tls.cert, key: tls.key } : undefined;
  return {
    address,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(tls === undefined
      ? {}
      : {
          tls: {
            ...(tls.ca === undefined ? {} : { serverRootCACertificate: tls.ca }),
            ...(clientCertPair === undefined ? {} : { clientCertPair }),
          },
        }),
  };
}
