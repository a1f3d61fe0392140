import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Inventory } from '../domain/inventory.ts';
import type { InventoryStore } from '../ports/registry.ts';
import { keepSnapshot } from './snapshot.ts';
import type { Snapshot } from './snapshot.ts';

export type KnownInventory = {
  readonly revision: number;
  readonly inventory: Inventory;
  /** Which Umbra this is; absent in a snapshot of a version that did not know. */
  readonly installation?: string;
};

function snapshotFile(dataDir: string): string {
  return join(dataDir, 'inventory-snapshot.json');
}

/** What a process of this machine has kept of the inventory; nothing is asked and nothing waited for. */
export async function recallInventory(dataDir: string): Promise<Pick<Snapshot<KnownInventory>, 'current'>> {
  const kept = await readFile(snapshotFile(dataDir), 'utf8')
    .then((text) => JSON.parse(text) as KnownInventory)
    .catch(() => undefined);
  return { current: () => kept };
}

/** The inventory in force, as far as this process knows. */
export function keepInventory(
  store: InventoryStore,
  dataDir: string,
  log: (line: string) => void,
): Promise<Snapshot<KnownInventory>> {
  return keepSnapshot<KnownInventory>({
    what: 'inventory',
    file: snapshotFile(dataDir),
    read: async () => {
      const current = await store.current();
      if (current === undefined) return undefined;
      const { revision, inventory, installation } = current;
      return { revision, inventory, installation };
    },
    subscribe: (listener) => store.onChange(listener),
    log,
  });
}
