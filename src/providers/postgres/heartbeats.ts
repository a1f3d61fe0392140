import type { Heartbeat, HeartbeatStore } from '../../ports/registry.ts';
import type { Sql } from '../../ports/sql.ts';

type Row = { instance: string; at: number; load: Heartbeat['load'] | null; finding: Heartbeat['finding'] | null };

export function createHeartbeatStore(sql: Sql): HeartbeatStore {
  return {
    record: async (beats) => {
      const newest = new Map<string, Heartbeat>();
      for (const beat of beats) if ((newest.get(beat.instance)?.at ?? 0) <= beat.at) newest.set(beat.instance, beat);
      const rows = [...newest.values()];
      if (rows.length === 0) return;
      await sql.query(
        `insert into heartbeats (instance, at, load, finding)
         select * from unnest($1::text[], $2::bigint[], $3::json[], $4::text[])
         on conflict (instance) do update set at = excluded.at, load = excluded.load, finding = excluded.finding
         where excluded.at > heartbeats.at`,
        [
          rows.map((row) => row.instance),
          rows.map((row) => row.at),
          rows.map((row) => (row.load === undefined ? null : JSON.stringify(row.load))),
          rows.map((row) => row.finding ?? null),
        ],
      );
    },
    newest: async (instances) => {
      const rows = await sql.query<Row>(
        'select instance, at, load, finding from heartbeats where instance = any($1::text[])',
        [instances],
      );
      return new Map(rows.map((row) => [row.instance, beatOf(row)]));
    },
  };
}

function beatOf({ instance, at, load, finding }: Row): Heartbeat {
  return {
    instance,
    at,
    ...(load === null || load === undefined ? {} : { load }),
    ...(finding === null || finding === undefined ? {} : { finding }),
  };
}
