import type { Pushed, PushLedger } from '../../ports/push-ledger.ts';
import type { Sql } from '../../ports/sql.ts';

export function createPushLedger(sql: Sql): PushLedger {
  return {
    all: () => sql.query<Pushed>('select what, id, fingerprint, revision from inventory_pushes order by what, id'),
    record: async ({ what, id, fingerprint, revision }) => {
      // Two replicas may push at once; the newer revision stays.
      await sql.query(
        `insert into inventory_pushes (what, id, fingerprint, revision) values ($1, $2, $3, $4)
         on conflict (what, id) do update set fingerprint = excluded.fingerprint, revision = excluded.revision
         where excluded.revision >= inventory_pushes.revision`,
        [what, id, fingerprint, revision],
      );
    },
    forget: async (what, id) => {
      await sql.query('delete from inventory_pushes where what = $1 and id = $2', [what, id]);
    },
  };
}
