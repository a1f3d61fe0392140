import type { FitLedger } from '../../ports/fit-ledger.ts';
import type { Sql } from '../../ports/sql.ts';

export function createFitLedger(sql: Sql): FitLedger {
  return {
    async claim(hostedVmIds, { holder, now, until, limit }) {
      // Two workers may see the same row as due: the second waits for the first, looks at the row again, and goes without.
      const rows = await sql.query<{ id: string }>(
        `with due as (
           select id from unnest($1::text[]) id left join forecast_fits f on f.hosted_vm_id = id
           where f.hosted_vm_id is null or (f.due_at <= $2 and f.claimed_until <= $2)
           order by f.due_at nulls first, id limit $5)
         insert into forecast_fits as f (hosted_vm_id, due_at, claimed_by, claimed_until)
         select id, $2::bigint, $3, $4::bigint from due order by id
         on conflict (hosted_vm_id) do update set claimed_by = excluded.claimed_by, claimed_until = excluded.claimed_until
           where f.due_at <= $2 and f.claimed_until <= $2
         returning hosted_vm_id as id`,
        [hostedVmIds, now, holder, until, limit],
      );
      return rows.map(({ id }) => id);
    },
    async settle(hostedVmId, { holder, dueAt, unfit }) {
      await sql.query(
        `update forecast_fits set due_at = $3, claimed_until = 0, unfit = $4
         where hosted_vm_id = $1 and claimed_by = $2`,
        [hostedVmId, holder, dueAt, unfit ?? null],
      );
    },
    async hasten(hostedVmId, now) {
      await sql.query('update forecast_fits set due_at = least(due_at, $2) where hosted_vm_id = $1', [hostedVmId, now]);
    },
    async unfit() {
      const rows = await sql.query<{ id: string; unfit: string }>(
        'select hosted_vm_id as id, unfit from forecast_fits where unfit is not null',
      );
      return new Map(rows.map(({ id, unfit }) => [id, unfit]));
    },
  };
}
