import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Inventory } from '../domain/inventory.ts';
import type { InventoryStore } from '../ports/registry.ts';

/** The newest inventory, kept in memory and on disk, so that a process starts and goes on while the store is away. */
export type InventorySnapshot = {
  /** @returns undefined until something has been applied */
  current(): { readonly revision: number; readonly inventory: Inventory } | undefined;
  onChange(listener: () => void): () => void;
  close(): Promise<void>;
};

type Kept = { readonly revision: number; readonly inventory: Inventory };

const retryMs = 1_000;

/** @param file where the last snapshot is kept; read first, so that its content is there when this resolves */
export async function watchInventory(
  store: InventoryStore,
  file: string,
  log: (line: string) => void,
): Promise<InventorySnapshot> {
  const known: { kept: Kept | undefined; closed: boolean } = { kept: await readKept(file), closed: false };
  const listeners = new Set<() => void>();
  const refresh = async (): Promise<void> => {
    const newest = await store.current();
    if (newest === undefined || (known.kept !== undefined && newest.revision <= known.kept.revision)) return;
    known.kept = { revision: newest.revision, inventory: newest.inventory };
    for (const listener of listeners) listener();
    await keep(file, known.kept);
  };
  let complained = false;
  const refreshOrWait = async (): Promise<void> => {
    for (;;) {
      try {
        await refresh(); return;
      } catch (error) {
        if (known.closed) return;
        if (!complained)
          log(`inventory: ${messageOf(error)}; going on with revision ${known.kept?.revision ?? 'none'}`);
        complained = true;
        await new Promise((resolve) => setTimeout(resolve, retryMs).unref());
      }
    }
  };
  // A store that is away must not stop a start that has a snapshot on disk.
  const first = refreshOrWait();
  if (known.kept === undefined) await first;
  const unsubscribe = await store.onChange(() => void refreshOrWait());
  return {
    current: () => known.kept,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => {
      known.closed = true;
      await unsubscribe();
    },
  };
}

async function readKept(file: string): Promise<Kept | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Kept;
  } catch {
    return undefined;
  }
}

async function keep(file: string, kept: Kept): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  // Renamed into place: a process killed here leaves the old snapshot whole.
  await writeFile(`${file}.new`, JSON.stringify(kept), { mode: 0o600 });
  await rename(`${file}.new`, file);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
