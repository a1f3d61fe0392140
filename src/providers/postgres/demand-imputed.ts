import { minuteMs } from '../../domain/time.ts';
import type { DemandQuery } from '../../ports/demand-store.ts';
import type { Sql } from '../../ports/sql.ts';

/** The mean of this long before an edge fell silent stands in for it. */
const memoryMs = 15 * minuteMs;

type ImputedQuery = Omit<DemandQuery, 'hostedVmId'> & { readonly hostedVmIds: readonly string[] };

/**
 * Adds to each step what the edges that are silent now would have seen, by their own mean before they fell silent.
 * Only steps after the edge's last bucket; steps in which nobody looked stay missing.
 */
export async function readImputed(
  sql: Sql,
  query: ImputedQuery,
  series: ReadonlyMap<string, number[]>,
  silentAfterMs: number,
): Promise<void> {
  const rows = await sql.query<{ id: string; last: number; qps: number }>(
    `select d.hosted_vm_id as id, e.last_bucket_at as last,
       sum(d.deduplicated / greatest(coalesce(s.observed_share, s.intake, 1), 0.01)) / ($3::bigint / 1000.0)::float8 as qps
     from demand_edges e join demand_10s d on d.edge = e.edge and d.at > e.last_bucket_at - $3::bigint
       join demand_seen s on s.edge = d.edge and s.at = d.at
     where e.last_bucket_at < $2::bigint - $4::bigint and d.hosted_vm_id = any($1)
     group by 1, 2`,
    [[...query.hostedVmIds], query.to, memoryMs, silentAfterMs],
  );
  for (const { id, last, qps } of rows) {
    const values = series.get(id);
    values?.forEach((value, i) => {
      if (query.from + i * query.stepMs > last) values[i] = value + qps;
    });
  }
}
