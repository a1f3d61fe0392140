import type { NativeConnection } from '@temporalio/worker';
import { searchAttributeTypes } from '../domain/search-attributes.ts';

/** Numbers of `temporal.api.enums.v1.IndexedValueType`. */
const indexedValueTypes = { KEYWORD: 2, BOOL: 5, DATETIME: 6 } as const;

/**
 * Makes the registry's search attributes known to the namespace: a workflow that upserts an unknown one stalls.
 * Idempotent; returns the names it added.
 */
export async function ensureSearchAttributes(connection: NativeConnection, namespace: string): Promise<string[]> {
  const { operatorService } = connection;
  const known = await listed(connection, namespace);
  const missing = Object.entries(searchAttributeTypes).filter(([name]) => !known.includes(name));
  if (missing.length === 0) return [];
  const searchAttributes = Object.fromEntries(missing.map(([name, type]) => [name, indexedValueTypes[type]]));
  try {
    await operatorService.addSearchAttributes({ namespace, searchAttributes });
  } catch (error) {
    // Two workers starting at once both see them missing; the second is told that they exist.
    if (!/already exist/i.test(error instanceof Error ? error.message : '')) throw error;
  }
  return missing.map(([name]) => name);
}

async function listed({ operatorService }: NativeConnection, namespace: string): Promise<string[]> {
  try {
    const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
    return Object.keys(customAttributes);
  } catch {
    // The time-skipping server lists none; adding twice is harmless there.
    return [];
  }
}
