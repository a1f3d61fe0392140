import { hourMs, minuteMs } from '../../domain/time.ts';
import type { Heartbeat, HeartbeatStore } from '../../ports/registry.ts';
import type { Sql } from '../../ports/sql.ts';

/** A minute tells what it is now, six hours what is usual. */
const nowMs = minuteMs;
const usualMs = 6 * hourMs;
/** Ten minutes of beats once a second that had something to tell. */
const enoughBeats = 600;

/** A mean that forgets: beats further apart weigh more, and the first ones all the same. */
const follows = (column: string, memoryMs: number): string =>
  `case when excluded.disk_ms is null then heartbeats.${column}
     else coalesce(heartbeats.${column}, excluded.disk_ms) + (excluded.disk_ms - coalesce(heartbeats.${column}, excluded.disk_ms))
       * greatest(1 - exp(-least(excluded.at - heartbeats.at, 60000) / ${memoryMs}.0), 1.0 / (heartbeats.disk_beats + 1))
   end`;

type Row = {
  instance: string;
  at: number;
  load: Heartbeat['load'] | null;
  finding: Heartbeat['finding'] | null;
  ratio: number | null;
};

export function createHeartbeatStore(sql: Sql): HeartbeatStore {
  return {
    record: async (beats) => {
      const newest = new Map<string, Heartbeat>();
      for (const beat of beats) if ((newest.get(beat.instance)?.at ?? 0) <= beat.at) newest.set(beat.instance, beat);
      const rows = [...newest.values()];
      if (rows.length === 0) return;
      await sql.query(
        `insert into heartbeats (instance, at, load, finding, disk_ms, usual_disk_ms, disk_beats)
         select instance, at, load, finding, disk, disk, (disk is not null)::int
         from unnest($1::text[], $2::bigint[], $3::json[], $4::text[], $5::float8[]) as beat(instance, at, load, finding, disk)
         on conflict (instance) do update set at = excluded.at, load = excluded.load, finding = excluded.finding,
           disk_ms = ${follows('disk_ms', nowMs)}, usual_disk_ms = ${follows('usual_disk_ms', usualMs)},
           disk_beats = heartbeats.disk_beats + excluded.disk_beats
         where excluded.at > heartbeats.at`,
        [
          rows.map((row) => row.instance),
          rows.map((row) => row.at),
          rows.map((row) => (row.load === undefined ? null : JSON.stringify(row.load))),
          rows.map((row) => row.finding ?? null),
          rows.map((row) => row.load?.diskMs ?? null),
        ],
      );
    },
    newest: async (instances) => {
      const rows = await sql.query<Row>(
        `select instance, at, load, finding, case when disk_beats >= $2 then disk_ms / nullif(usual_disk_ms, 0) end as ratio
         from heartbeats where instance = any($1::text[])`,
        [instances, enoughBeats],
      );
      return new Map(rows.map((row) => [row.instance, beatOf(row)]));
    },
  };
}

function beatOf({ instance, at, load, finding, ratio }: Row): Heartbeat {
  return {
    instance,
    at,
    ...(load === null || load === undefined ? {} : { load }),
    ...(finding === null || finding === undefined ? {} : { finding }),
    ...(ratio === null ? {} : { diskLatencyRatio: ratio }),
  };
}
