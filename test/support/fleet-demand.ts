import { bucketMs } from '../../src/domain/demand.ts';
import { dayMs, minuteMs } from '../../src/domain/time.ts';
import type { EpochMs } from '../../src/domain/time.ts';
import { defaultRetention, ensurePartitions, partitionedTables } from '../../src/providers/postgres/partitions.ts';
import type { Sql } from '../../src/ports/sql.ts';

const stepMs = 5 * minuteMs;

/** Days of a daily wave in steps of five minutes for each hosted VM, up to `now`, as the roll-up would have left it. */
export async function writeFleetDemand(
  sql: Sql,
  hostedVmIds: readonly string[],
  days: number,
  now: EpochMs,
): Promise<void> {
  const tables = partitionedTables(defaultRetention).filter(({ table }) => table.startsWith('demand_'));
  await ensurePartitions(
    sql,
    tables,
    Array.from({ length: Math.ceil(days) + 1 }, (_, day) => now - day * dayMs),
  );
  const end = Math.floor(now / stepMs) * stepMs;
  const range = [end - days * dayMs, end - stepMs, stepMs];
  await sql.query(
    `insert into demand_step_seen (step_ms, at, live_buckets)
     select $3::int, at, $4::int from generate_series($1::bigint, $2::bigint, $3::bigint) at`,
    [...range, stepMs / bucketMs],
  );
  await sql.query(
    `insert into demand_steps (step_ms, hosted_vm_id, at, answers, answers_corrected, deduplicated_corrected,
       established_corrected, estimated, sources, top_share, tcp, response_bytes, noerror, nxdomain, servfail, refused,
       other_rcode, type_a, type_aaaa, type_https, other_type)
     select $3::int, id, at, total, total, total, total, total, 50, 0.02, 0, total * 90, total, 0, 0, 0, 0, total, 0, 0, 0
     from unnest($4::text[]) with ordinality as vm(id, place), generate_series($1::bigint, $2::bigint, $3::bigint) at,
       lateral (select (300 * (20 + place % 17) * (1.2 - cos(2 * pi() * at / 86400000.0)
         + 0.1 * sin(at / 300000.0 * (1 + place % 7))))::bigint as total) of`,
    [...range, [...hostedVmIds]],
  );
}
