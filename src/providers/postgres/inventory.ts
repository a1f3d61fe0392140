import type { Inventory } from '../../domain/inventory.ts';
import type { InventoryRevision, InventoryStore } from '../../ports/registry.ts';
import type { NotifyingSql } from './pool.ts';

const channel = 'umbra_inventory';

const columns =
  'revision, applied_at as "appliedAt", applied_by as "by", inventory, written as text, ' +
  '(select id from installation) as installation';

/** @param now milliseconds since the epoch */
export function createInventoryStore(sql: NotifyingSql, now: () => number = Date.now): InventoryStore {
  const current = async (): Promise<InventoryRevision | undefined> =>
    (
      await sql.query<InventoryRevision>(`select ${columns} from inventory_revisions order by revision desc limit 1`)
    )[0];
  return {
    current,
    append: (inventory: Inventory, text: string, by: string, expected: number) =>
      sql.transaction(async (transaction) => {
        // Two who apply at once both read the same newest revision; the primary key lets one of them through.
        const [written] = await transaction.query<InventoryRevision>(
          `insert into inventory_revisions (revision, applied_at, applied_by, inventory, written)
           select $1::integer + 1, $2, $3, $4, $5
           where $1 = (select coalesce(max(revision), 0) from inventory_revisions)
           on conflict (revision) do nothing
           returning ${columns}`,
          [expected, now(), by, JSON.stringify(inventory), text],
        );
        if (written !== undefined)
          await transaction.query('select pg_notify($1, $2)', [channel, `${written.revision}`]);
        return written;
      }),
    onChange: (listener) =>
      sql.listen(channel, (payload) => {
        if (payload !== '') listener(Number(payload));
        // Notifications may have been missed while the connection was away.
        else
          void current().then(
            (revision) => revision && listener(revision.revision),
            () => undefined,
          );
      }),
  };
}
