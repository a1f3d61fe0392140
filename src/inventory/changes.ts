import { isDeepStrictEqual } from 'node:util';
import type { Inventory, InventoryChange } from '../domain/inventory.ts';

type Item = Readonly<Record<string, unknown>>;

/** What applying `next` over `current` would change. Empty: nothing. */
export function inventoryChanges(current: Inventory | undefined, next: Inventory): InventoryChange[] {
  return [
    ...changesOf('cluster', byKey(current?.clusters ?? [], 'name'), byKey(next.clusters, 'name')),
    ...changesOf('zone', byKey(current?.zones ?? [], 'zone'), byKey(next.zones, 'zone')),
    ...changesOf('hostedVm', byKey(current?.hostedVms ?? [], 'id'), byKey(next.hostedVms, 'id')),
  ];
}

function byKey(items: readonly object[], key: string): Map<string, Item> {
  return new Map(items.map((item) => [String((item as Item)[key]), item as Item]));
}

function changesOf(
  what: InventoryChange['what'],
  before: Map<string, Item>,
  after: Map<string, Item>,
): InventoryChange[] {
  const changes: InventoryChange[] = [];
  for (const [id, item] of after) {
    const old = before.get(id);
    if (old === undefined) changes.push({ kind: 'add', what, id });
    else {
      const fields = changedFields(old, item);
      if (fields.length > 0) changes.push({ kind: 'change', what, id, fields });
    }
  }
  for (const id of before.keys()) if (!after.has(id)) changes.push({ kind: 'remove', what, id });
  return changes;
}

/** `policy.probationMs: 86400000 -> 600000`: one level deep is what a person wants to read. */
function changedFields(before: Item, after: Item, prefix = ''): string[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) => {
    const [old, now] = [before[key], after[key]];
    if (isDeepStrictEqual(old, now)) return [];
    if (isPlain(old) && isPlain(now)) return changedFields(old, now, `${prefix}${key}.`);
    return [`${prefix}${key}: ${brief(old)} -> ${brief(now)}`];
  });
}

function isPlain(value: unknown): value is Item {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function brief(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
