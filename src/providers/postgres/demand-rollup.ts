import { bucketMs } from '../../domain/demand.ts';
import { dayMs, hourMs, minuteMs } from '../../domain/time.ts';
import type { EpochMs } from '../../domain/time.ts';
import type { Sql } from '../../ports/sql.ts';
import { additiveColumns } from './demand-rows.ts';
import { ensurePartitions } from './partitions.ts';
import type { Partitioned } from './partitions.ts';

/** Edges that are late by a little are waited for, so that most steps are rolled up once. */
const graceMs = 30_000;
/** Steps of one transaction: bounds how long rows stay locked after an hour without the store. */
const stepsPerTransaction = 60;

const others = additiveColumns.join(', ');
const summed = additiveColumns.map((name) => `sum(${name})::bigint`).join(', ');
const target = `hosted_vm_id, at, answers, answers_corrected, deduplicated_corrected, established_corrected, estimated,
  sources, top_share, ${others}`;
const share = 'greatest(coalesce(s.observed_share, s.intake, 1), 0.01)';

/** One step from its 10 s buckets; `$1` step, `$2` starts of steps. */
const fromBuckets = `
  select $1::int, d.hosted_vm_id, d.at - d.at % $1, sum(answers)::bigint, sum(answers / ${share}),
    sum(deduplicated / ${share}), sum(established / ${share}), sum(coalesce(estimated, deduplicated) / ${share}),
    max(sources), sum(top_share * answers) / greatest(sum(answers), 1), ${additiveColumns.map((name) => `sum(d.${name})::bigint`).join(', ')}
  from unnest($2::bigint[]) step join demand_10s d on d.at >= step and d.at < step + $1
    join demand_seen s on s.edge = d.edge and s.at = d.at
  where s.senders > 0 group by 2, 3`;

/** One step of 5 min or 1 h from its minutes, which are rolled up first. */
const fromMinutes = `
  select $1::int, d.hosted_vm_id, d.at - d.at % $1, sum(answers)::bigint, sum(answers_corrected),
    sum(deduplicated_corrected), sum(established_corrected), sum(estimated), max(sources),
    sum(top_share * answers) / greatest(sum(answers), 1), ${summed}
  from unnest($2::bigint[]) step join demand_1m d on d.at >= step and d.at < step + $1 group by 2, 3`;

const liveFromBuckets = `
  select $1::int, d.at - d.at % $1, count(distinct d.at)::int
  from unnest($2::bigint[]) step join demand_seen d on d.at >= step and d.at < step + $1
  where d.senders > 0 group by 2`;

const addedUp = ['answers', 'answers_corrected', 'deduplicated_corrected', 'established_corrected', 'estimated']
  .concat(additiveColumns)
  .map((name) => `${name} = demand_steps.${name} + excluded.${name}`)
  .join(', ');

/** Rolls up every finished step that has changed. Steps still running are read from the narrow table. */
export async function rollUp(sql: Sql, tables: readonly Partitioned[], now: EpochMs): Promise<void> {
  const detailMs = tables.find(({ table }) => table === 'demand_10s')!.keepMs;
  const minutesMs = tables.find(({ table }) => table === 'demand_1m')!.keepMs;
  const oldestDetail = Math.floor((now - detailMs) / dayMs) * dayMs;
  const oldestMinute = Math.floor((now - minutesMs) / dayMs) * dayMs;
  for (const stepMs of [minuteMs, 5 * minuteMs, hourMs]) {
    const table = tables.find((one) => one.table === stepTable(stepMs))!;
    for (;;) {
      const dirty = await sql.query<{ at: number }>(
        'select at from demand_dirty where step_ms = $1 and at <= $2 order by at limit $3',
        [stepMs, now - graceMs - stepMs, stepsPerTransaction],
      );
      if (dirty.length === 0) break;
      const starts = dirty.map(({ at }) => at);
      await ensurePartitions(sql, [table], starts);
      const recent = starts.filter((at) => at >= oldestDetail);
      const old = starts.filter((at) => at < oldestDetail);
      await replaceSteps(
        sql,
        stepMs,
        recent,
        recent.every((at) => at >= oldestMinute),
      );
      await addToSteps(sql, stepMs, old);
    }
  }
  await sql.query('delete from demand_10s where at < $1', [oldestDetail]);
}

function stepTable(stepMs: number): string {
  return stepMs === minuteMs ? 'demand_1m' : stepMs === hourMs ? 'demand_1h' : 'demand_5m';
}

async function replaceSteps(sql: Sql, stepMs: number, starts: number[], minutesKept: boolean): Promise<void> {
  if (starts.length === 0) return;
  await sql.transaction(async (inside) => {
    // Taking the marks first: whoever writes meanwhile waits, and then marks the step again.
    const taken = await take(inside, stepMs, starts);
    await inside.query('delete from demand_steps where step_ms = $1 and at = any($2::bigint[])', [stepMs, taken]);
    await inside.query('delete from demand_step_seen where step_ms = $1 and at = any($2::bigint[])', [stepMs, taken]);
    const source = stepMs === minuteMs || !minutesKept ? fromBuckets : fromMinutes;
    await inside.query(`insert into demand_steps (step_ms, ${target}) ${source}`, [stepMs, taken]);
    await inside.query(`insert into demand_step_seen (step_ms, at, live_buckets) ${liveFromBuckets}`, [stepMs, taken]);
  });
}

/** Steps whose detail is gone cannot be made again; what arrived since (an edge was away for days) is added. */
async function addToSteps(sql: Sql, stepMs: number, starts: number[]): Promise<void> {
  if (starts.length === 0) return;
  await sql.transaction(async (inside) => {
    const taken = await take(inside, stepMs, starts);
    await inside.query(
      `insert into demand_steps (step_ms, ${target}) ${fromBuckets}
       on conflict (step_ms, hosted_vm_id, at) do update set ${addedUp},
         sources = greatest(demand_steps.sources, excluded.sources),
         top_share = greatest(demand_steps.top_share, excluded.top_share)`,
      [stepMs, taken],
    );
    await inside.query(
      `insert into demand_step_seen (step_ms, at, live_buckets) ${liveFromBuckets}
       on conflict (step_ms, at) do update
         set live_buckets = least($3::int, greatest(demand_step_seen.live_buckets, excluded.live_buckets))`,
      [stepMs, taken, stepMs / bucketMs],
    );
  });
}

async function take(sql: Sql, stepMs: number, starts: number[]): Promise<number[]> {
  const rows = await sql.query<{ at: number }>(
    `with held as (select at from demand_dirty where step_ms = $1 and at = any($2::bigint[]) order by at for update)
     delete from demand_dirty d using held where d.step_ms = $1 and d.at = held.at returning d.at`,
    [stepMs, starts],
  );
  return rows.map(({ at }) => at);
}
