import { bucketMs } from '../../domain/demand.ts';
import type { DemandBatch, DemandCount, EdgeBucket } from '../../domain/demand.ts';
import type { Sql } from '../../ports/sql.ts';

/** Rows of one statement: larger arrays gain nothing and hold memory on both sides. */
const rowsPerStatement = 2_000;

const namedRcodes = ['noerror', 'nxdomain', 'servfail', 'refused'] as const;
const namedTypes = ['a', 'aaaa', 'https'] as const;

type Column = readonly [name: string, type: string, value: (count: DemandCount) => string | number | null];

const columns: readonly Column[] = [
  ['hosted_vm_id', 'text', (c) => c.hostedVmId],
  ['at', 'bigint', (c) => c.at],
  ['answers', 'bigint', (c) => c.answers],
  ['deduplicated', 'bigint', (c) => c.deduplicated],
  ['established', 'bigint', (c) => c.established ?? c.deduplicated],
  ['estimated', 'float8', (c) => (c.estimatedQps === null ? null : (c.estimatedQps * bucketMs) / 1_000)],
  ['sources', 'int', (c) => Math.round(c.sources)],
  ['top_share', 'real', (c) => c.topShare],
  ['tcp', 'bigint', (c) => c.tcp],
  ['response_bytes', 'bigint', (c) => c.responseBytes],
  ...namedRcodes.map((name): Column => [name, 'bigint', (c) => c.rcodes[name.toUpperCase()] ?? 0]),
  ['other_rcode', 'bigint', (c) => othersOf(c.rcodes, namedRcodes)],
  ...namedTypes.map((name): Column => [`type_${name}`, 'bigint', (c) => c.types[name.toUpperCase()] ?? 0]),
  ['other_type', 'bigint', (c) => othersOf(c.types, namedTypes)],
];

/** Columns that hold a count and are added up when a bucket comes in two parts (a restart within it). */
export const additiveColumns: readonly string[] = [
  'tcp',
  'response_bytes',
  ...namedRcodes,
  'other_rcode',
  ...namedTypes.map((name) => `type_${name}`),
  'other_type',
];

const names = columns.map(([name]) => name).join(', ');
const arrays = columns.map(([, type], i) => `$${i + 2}::${type}[]`).join(', ');
const added = ['answers', 'deduplicated', 'established', ...additiveColumns]
  .map((name) => `${name} = demand_10s.${name} + excluded.${name}`)
  .join(', ');

const insertCounts = `
  insert into demand_10s (edge, ${names}) select $1, * from unnest(${arrays})
  on conflict (hosted_vm_id, at, edge) do update set ${added},
    estimated = greatest(demand_10s.estimated, excluded.estimated),
    sources = greatest(demand_10s.sources, excluded.sources),
    top_share = greatest(demand_10s.top_share, excluded.top_share)`;

/** Takes apart counts that cover more than one bucket, evenly over the buckets the edge saw; sums are kept. */
export function spreadCounts(batch: DemandBatch): DemandCount[] {
  return batch.counts.flatMap((count) => {
    const { spanMs = bucketMs, ...rest } = count;
    if (spanMs === bucketMs) return [rest];
    const ats = batch.buckets.map(({ at }) => at).filter((at) => at >= count.at && at < count.at + spanMs);
    const part = (total: number, i: number): number =>
      Math.floor((total * (i + 1)) / ats.length) - Math.floor((total * i) / ats.length);
    const parts = (split: Readonly<Record<string, number>>, i: number): Record<string, number> =>
      Object.fromEntries(Object.entries(split).map(([key, total]) => [key, part(total, i)]));
    return ats.map((at, i) => ({
      ...rest,
      at,
      answers: part(count.answers, i),
      deduplicated: part(count.deduplicated, i),
      established: part(count.established ?? count.deduplicated, i),
      rcodes: parts(count.rcodes, i),
      types: parts(count.types, i),
      tcp: part(count.tcp, i),
      responseBytes: part(count.responseBytes, i),
    }));
  });
}

/** Adds one edge's counts. Rows go in order of their key, so that two writers never wait for each other in a circle. */
export async function writeCounts(sql: Sql, edge: string, counts: readonly DemandCount[]): Promise<void> {
  const sorted = inKeyOrder(counts);
  for (let first = 0; first < sorted.length; first += rowsPerStatement) {
    const rows = sorted.slice(first, first + rowsPerStatement);
    await sql.query(insertCounts, [edge, ...columns.map(([, , value]) => rows.map(value))]);
  }
}

function inKeyOrder(counts: readonly DemandCount[]): DemandCount[] {
  return [...counts].sort((a, b) => (a.hostedVmId < b.hostedVmId ? -1 : a.hostedVmId > b.hostedVmId ? 1 : a.at - b.at));
}

function othersOf(split: Readonly<Record<string, number>>, named: readonly string[]): number {
  let others = 0;
  for (const key in split) if (!named.includes(key.toLowerCase())) others += split[key]!;
  return others;
}

/** Adds what an edge saw of each bucket, and keeps its newest bucket as the edge's news. */
export async function writeEdgeBuckets(sql: Sql, buckets: readonly EdgeBucket[]): Promise<void> {
  const sorted = [...buckets].sort((a, b) => a.at - b.at);
  for (let first = 0; first < sorted.length; first += rowsPerStatement) {
    const rows = sorted.slice(first, first + rowsPerStatement);
    const of = (value: (bucket: EdgeBucket) => number | string | null): (number | string | null)[] => rows.map(value);
    await sql.query(
      `insert into demand_seen (edge, at, observed_share, intake, senders, frames, dropped, shed, late, undecodable, unknown_names)
       select * from unnest($1::text[], $2::bigint[], $3::real[], $4::real[], $5::int[], $6::bigint[], $7::bigint[],
         $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[])
       on conflict (edge, at) do update set
         observed_share = least(1, demand_seen.observed_share + excluded.observed_share),
         intake = least(1, demand_seen.intake + excluded.intake),
         senders = greatest(demand_seen.senders, excluded.senders),
         frames = demand_seen.frames + excluded.frames, dropped = demand_seen.dropped + excluded.dropped,
         shed = demand_seen.shed + excluded.shed, late = demand_seen.late + excluded.late,
         undecodable = demand_seen.undecodable + excluded.undecodable,
         unknown_names = demand_seen.unknown_names + excluded.unknown_names`,
      [
        of((b) => b.edge),
        of((b) => b.at),
        of((b) => b.observedShare),
        of((b) => b.intake ?? 1),
        of((b) => b.senders),
        of((b) => b.frames),
        of((b) => b.dropped),
        of((b) => b.shed ?? 0),
        of((b) => b.late),
        of((b) => b.undecodable),
        of((b) => b.unknownNames ?? 0),
      ],
    );
  }
  const newest = sorted.at(-1);
  if (newest === undefined) return;
  await sql.query(
    `insert into demand_edges (edge, last_bucket_at, frames_per_second, observed_share, senders)
     values ($1, $2, $3, $4, $5)
     on conflict (edge) do update set last_bucket_at = excluded.last_bucket_at, senders = excluded.senders,
       frames_per_second = excluded.frames_per_second, observed_share = excluded.observed_share
     where demand_edges.last_bucket_at <= excluded.last_bucket_at`,
    [newest.edge, newest.at, (newest.frames * 1_000) / bucketMs, newest.observedShare, newest.senders],
  );
}
