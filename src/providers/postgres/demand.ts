import { bucketMs } from '../../domain/demand.ts';
import type { DemandBatch, DemandSeries } from '../../domain/demand.ts';
import { dayMs, hourMs, minuteMs } from '../../domain/time.ts';
import type { EpochMs } from '../../domain/time.ts';
import type { DemandMeasure, DemandQuery, DemandStore, EdgeStatus } from '../../ports/demand-store.ts';
import { ProviderError } from '../../ports/errors.ts';
import type { Sql } from '../../ports/sql.ts';
import { spreadCounts, writeCounts, writeEdgeBuckets } from './demand-rows.ts';
import { readImputed } from './demand-imputed.ts';
import { rollUp } from './demand-rollup.ts';
import { defaultRetention, dropOldPartitions, ensurePartitions, partitionedTables } from './partitions.ts';
import type { Retention } from './partitions.ts';

/**
 * An edge whose newest bucket began longer ago than this is silent. A bucket arrives up to 23 s after its start
 * (10 s wide, 3 s watermark, up to 10 s until the next tells of it), which leaves 7 s for a slow store.
 */
export const silentAfterMs = 30_000;

/** The steps a series can be read in. */
const stepsMs: readonly number[] = [bucketMs, minuteMs, 5 * minuteMs, hourMs];

/** A repeat of a batch is recognised this long; a collector's spool keeps nothing as long. */
const batchMemory = '15 days';

/** Notified with the edge's name after each batch. */
export const demandChannel = 'umbra_demand';

/** Demand in PostgreSQL 15 or newer. */
export function openDemandStore(sql: Sql, retention: Retention = defaultRetention): DemandStore {
  const tables = partitionedTables(retention);
  const narrow = tables.slice(0, 2);
  const days = new Set<number>();

  const ensureDays = async (batch: DemandBatch): Promise<void> => {
    const wanted = new Set([...batch.buckets, ...batch.counts].map(({ at }) => Math.floor(at / dayMs)));
    const missing = [...wanted].filter((day) => !days.has(day));
    if (missing.length === 0) return;
    await ensurePartitions(
      sql,
      narrow,
      missing.map((day) => day * dayMs),
    );
    for (const day of missing) days.add(day);
  };

  return {
    async write(batch) {
      checkBatch(batch);
      await ensureDays(batch);
      try {
        return await writeOnce(sql, batch);
      } catch (error) {
        // Another process may have dropped the piece of an old day since we saw it.
        if (!(error instanceof ProviderError) || !error.message.includes('no partition')) throw error;
        days.clear();
        await ensureDays(batch);
        return await writeOnce(sql, batch);
      }
    },
    async read({ hostedVmId, measure = 'deduplicated', ...query }) {
      const series = await readSeries(sql, { ...query, hostedVmIds: [hostedVmId], measures: [measure] });
      return series[measure].get(hostedVmId)!;
    },
    async readMeasures({ hostedVmId, ...query }) {
      const series = await readSeries(sql, { ...query, hostedVmIds: [hostedVmId] });
      const one = query.measures.map((measure) => [measure, series[measure].get(hostedVmId)!]);
      return Object.fromEntries(one) as Record<(typeof query.measures)[number], DemandSeries>;
    },
    async readMany({ measure = 'deduplicated', ...query }) {
      return (await readSeries(sql, { ...query, measures: [measure] }))[measure];
    },
    edges: (now) => readEdges(sql, now),
    async maintain(now) {
      const tomorrow = now + dayMs;
      await ensurePartitions(sql, tables, [now, tomorrow]);
      await rollUp(sql, tables, now);
      await dropOldPartitions(sql, tables, now);
      await sql.query('delete from demand_step_seen where at < $1', [now - retention.oneHourMs]);
      await sql.query(`delete from demand_batches where written_at < now() - interval '${batchMemory}'`);
      days.clear();
    },
  };
}

async function writeOnce(sql: Sql, batch: DemandBatch): Promise<'written' | 'repeated'> {
  return await sql.transaction(async (inside) => {
    const fresh = await inside.query(
      'insert into demand_batches (edge, epoch, seq) values ($1, $2, $3) on conflict do nothing returning seq',
      [batch.edge, batch.epoch, batch.seq],
    );
    if (fresh.length === 0) return 'repeated';
    await writeEdgeBuckets(inside, batch.buckets);
    await writeCounts(inside, batch.edge, spreadCounts(batch));
    const instants = [...new Set([...batch.buckets, ...batch.counts].map(({ at }) => at))];
    // The update locks a mark that is there already: a roll-up waits for us, or we for it and then mark again.
    await inside.query(
      `insert into demand_dirty (step_ms, at)
       select distinct step, at - at % step from unnest($1::bigint[]) at, unnest($2::int[]) step
       order by 1, 2 on conflict (step_ms, at) do update set at = excluded.at`,
      [instants, stepsMs.slice(1)],
    );
    await inside.query('select pg_notify($1, $2)', [demandChannel, batch.edge]);
    return 'written';
  });
}

function checkBatch(batch: DemandBatch): void {
  const crooked = [...batch.buckets, ...batch.counts].find(({ at }) => at % bucketMs !== 0);
  const seen = new Set(batch.buckets.map(({ at }) => at));
  const unseen = batch.counts.find(({ at, spanMs }) => spanMs === undefined && !seen.has(at));
  const foreign = batch.buckets.find(({ edge }) => edge !== batch.edge);
  const complaint =
    crooked !== undefined
      ? `bucket ${crooked.at} does not start at a multiple of ${bucketMs} ms`
      : foreign !== undefined
        ? `bucket of edge ${foreign.edge} in a batch of edge ${batch.edge}`
        : unseen !== undefined
          ? `counts at ${unseen.at} without the edge's own bucket of that time`
          : undefined;
  if (complaint === undefined) return;
  const target = `batch ${batch.epoch}/${batch.seq} of ${batch.edge}`;
  throw new ProviderError({
    provider: 'postgres',
    operation: 'write',
    target,
    failureClass: 'invalid',
    message: complaint,
  });
}

type SeriesQuery<M extends DemandMeasure> = Omit<DemandQuery, 'hostedVmId' | 'measure'> & {
  readonly hostedVmIds: readonly string[];
  readonly measures: readonly M[];
};

/** What one bucket of one edge stands for, once what its server and its collector dropped is added back. */
const corrected = (column: string): string =>
  `sum(${column} / greatest(coalesce(s.observed_share, s.intake, 1), 0.01))`;

const narrowColumn: Record<DemandMeasure, string> = {
  answers: 'd.answers',
  deduplicated: 'd.deduplicated',
  estimated: 'coalesce(d.estimated, d.deduplicated)',
  established: 'd.established',
  topSource: 'd.top_share * d.answers',
  nxdomain: 'd.nxdomain',
};

const wideColumn: Record<DemandMeasure, string> = {
  answers: 'd.answers_corrected',
  deduplicated: 'd.deduplicated_corrected',
  estimated: 'd.estimated',
  established: 'd.established_corrected',
  topSource: 'd.top_share * d.answers_corrected',
  // As the answers were corrected; where there were none, as it was counted.
  nxdomain: 'd.nxdomain * case when d.answers > 0 then d.answers_corrected / d.answers else 1 end',
};

/** Sums of steps read from the narrow table: `$1` ids, `$2` from, `$3` to, `$4` step. */
function narrowSums(measures: readonly DemandMeasure[], only: string): string {
  const totals = measures.map((measure) => `${corrected(narrowColumn[measure])} as "${measure}"`).join(', ');
  return `select d.hosted_vm_id as id, d.at - d.at % $4 as at, ${totals}
    from demand_10s d join demand_seen s on s.edge = d.edge and s.at = d.at
    where d.hosted_vm_id = any($1) and d.at >= $2 and d.at < $3 and s.senders > 0 ${only} group by 1, 2`;
}

const narrowLive = (only: string): string => `select d.at - d.at % $4 as at, count(distinct d.at) as live
  from demand_seen d where d.at >= $2 and d.at < $3 and d.senders > 0 ${only} group by 1`;

const isDirty = 'exists (select from demand_dirty x where x.step_ms = $4 and x.at = d.at - d.at % $4)';

async function readSeries<M extends DemandMeasure>(
  sql: Sql,
  query: SeriesQuery<M>,
): Promise<Record<M, Map<string, DemandSeries>>> {
  const { stepMs, measures } = query;
  if (!stepsMs.includes(stepMs)) {
    const message = `a step of ${stepMs} ms is not kept; ask for one of ${stepsMs.join(', ')}`;
    const target = query.hostedVmIds.join(', ');
    throw new ProviderError({ provider: 'postgres', operation: 'read', target, failureClass: 'invalid', message });
  }
  const start = Math.floor(query.from / stepMs) * stepMs;
  const steps = Math.max(0, Math.ceil((query.to - start) / stepMs));
  const end = start + steps * stepMs;
  const rolled = stepMs !== bucketMs;
  const wide = measures.map((measure) => `${wideColumn[measure]} as "${measure}"`).join(', ');
  // Steps that changed since the last roll-up are read from the narrow table, all others from their own.
  const sums = rolled
    ? `select d.hosted_vm_id as id, d.at, ${wide} from demand_steps d
         where d.step_ms = $4 and d.hosted_vm_id = any($1) and d.at >= $2 and d.at < $3 and not ${isDirty}
       union all ${narrowSums(measures, `and ${isDirty}`)}`
    : narrowSums(measures, '');
  const live = rolled
    ? `select d.at, d.live_buckets as live from demand_step_seen d
         where d.step_ms = $4 and d.at >= $2 and d.at < $3 and not ${isDirty}
       union all ${narrowLive(`and ${isDirty}`)}`
    : narrowLive('');
  const range = [start, end, stepMs];
  const [liveRows, sumRows] = await Promise.all([
    sql.query<{ at: number; live: number }>(
      live.replaceAll(/\$([234])/g, (_, n) => `$${Number(n) - 1}`),
      range,
    ),
    sql.query<{ id: string; at: number } & Record<M, number | null>>(sums, [[...query.hostedVmIds], ...range]),
  ]);

  const seconds = new Float64Array(steps);
  for (const { at, live } of liveRows) seconds[(at - start) / stepMs] = (live * bucketMs) / 1_000;
  const found = await Promise.all(
    measures.map(async (measure) => {
      const result = new Map(
        query.hostedVmIds.map((id) => [id, Array.from(seconds, (seen) => (seen === 0 ? NaN : 0))]),
      );
      for (const row of sumRows) {
        const i = (row.at - start) / stepMs;
        const seen = seconds[i] ?? 0;
        if (seen > 0) result.get(row.id)![i] = (row[measure] ?? NaN) / seen;
      }
      const asked = { ...query, from: start, to: end, measure };
      if (query.imputed === true) await readImputed(sql, asked, result, silentAfterMs);
      return [measure, new Map([...result].map(([id, qps]) => [id, { start, stepMs, qps }]))] as [
        M,
        Map<string, DemandSeries>,
      ];
    }),
  );
  return Object.fromEntries<Map<string, DemandSeries>>(found) as Record<M, Map<string, DemandSeries>>;
}

async function readEdges(sql: Sql, now: EpochMs): Promise<EdgeStatus[]> {
  const rows = await sql.query<Omit<EdgeStatus, 'silent'>>(
    `select edge, last_bucket_at as "lastBucketAt", frames_per_second as "framesPerSecond",
       observed_share as "observedShare", senders,
       coalesce((select sum(unknown_names) from demand_seen s where s.edge = e.edge and s.at > $1), 0)::bigint as "unknownNames"
       from demand_edges e order by edge`,
    [now - hourMs],
  );
  return rows.map((row) => {
    const silent = row.lastBucketAt === null || now - row.lastBucketAt > silentAfterMs || row.senders === 0;
    return { ...row, framesPerSecond: silent ? 0 : row.framesPerSecond, silent };
  });
}
