import { dayMs } from '../../domain/time.ts';
import type { EpochMs } from '../../domain/time.ts';
import type { Sql } from '../../ports/sql.ts';

/** One table cut by time: how wide a piece is and how long it is kept. */
export type Partitioned = { readonly table: string; readonly widthMs: number; readonly keepMs: number };

export type Retention = {
  readonly tenSecondsMs: number;
  readonly oneMinuteMs: number;
  readonly fiveMinutesMs: number;
  readonly oneHourMs: number;
};

/** Two days of detail, two weeks of minutes for daily and weekly shapes, a quarter of 5 min, two years of hours. */
export const defaultRetention: Retention = {
  tenSecondsMs: 2 * dayMs,
  oneMinuteMs: 14 * dayMs,
  fiveMinutesMs: 90 * dayMs,
  oneHourMs: 730 * dayMs,
};

export function partitionedTables(retention: Retention): readonly Partitioned[] {
  return [
    { table: 'demand_10s', widthMs: dayMs, keepMs: retention.tenSecondsMs },
    { table: 'demand_seen', widthMs: dayMs, keepMs: retention.tenSecondsMs },
    { table: 'demand_1m', widthMs: dayMs, keepMs: retention.oneMinuteMs },
    { table: 'demand_5m', widthMs: 10 * dayMs, keepMs: retention.fiveMinutesMs },
    { table: 'demand_1h', widthMs: 100 * dayMs, keepMs: retention.oneHourMs },
  ];
}

/** `demand_10s_20261122` for the piece that holds `at`. */
function pieceOf({ table, widthMs }: Partitioned, at: EpochMs): { name: string; from: EpochMs; to: EpochMs } {
  const from = Math.floor(at / widthMs) * widthMs;
  const day = new Date(from).toISOString().slice(0, 10).replaceAll('-', '');
  return { name: `${table}_${day}`, from, to: from + widthMs };
}

/** Two writers that meet a new day at once must not both create its piece. */
const partitionLock = 0x0dae_0001;

/** Makes the pieces that hold these instants. A piece that exists already is left as it is. */
export async function ensurePartitions(
  sql: Sql,
  tables: readonly Partitioned[],
  instants: readonly EpochMs[],
): Promise<void> {
  const wanted = new Map(
    tables
      .flatMap((table) => instants.map((at) => ({ table, piece: pieceOf(table, at) })))
      .map((p) => [p.piece.name, p]),
  );
  const found = await sql.query<{ name: string }>('select relname as name from pg_class where relname = any($1)', [
    [...wanted.keys()],
  ]);
  for (const { name } of found) wanted.delete(name);
  if (wanted.size === 0) return;
  await sql.transaction(async (inside) => {
    await inside.query('select pg_advisory_xact_lock($1)', [partitionLock]);
    for (const { table, piece } of wanted.values()) {
      await inside.query(
        `create table if not exists ${piece.name} partition of ${table.table} for values from (${piece.from}) to (${piece.to})`,
      );
    }
  });
}

/** Drops the pieces whose newest instant is older than what is kept. */
export async function dropOldPartitions(sql: Sql, tables: readonly Partitioned[], now: EpochMs): Promise<string[]> {
  const dropped: string[] = [];
  for (const table of tables) {
    const pieces = await sql.query<{ name: string }>(
      'select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = $1::regclass',
      [table.table],
    );
    const oldest = pieceOf(table, now - table.keepMs).name;
    for (const { name } of pieces) {
      if (name >= oldest) continue;
      await sql.query(`drop table if exists ${name}`);
      dropped.push(name);
    }
  }
  return dropped;
}
