import type { UmbraEvent } from '../../domain/event.ts';
import type { EventLog } from '../../ports/event-log.ts';
import type { EventQuery } from '../../ports/registry.ts';
import type { Sql } from '../../ports/sql.ts';

export function createEventLog(sql: Sql): EventLog {
  return { append: (events) => insertEvents(sql, events) };
}

export async function insertEvents(sql: Sql, events: readonly UmbraEvent[]): Promise<void> {
  if (events.length === 0) return;
  await sql.query(
    `insert into events (id, at, hosted_vm_id, kind, actor, reason, facts)
     select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::json[], $7::json[])
     on conflict (id) do nothing`,
    [
      events.map((event) => event.id),
      events.map((event) => event.at),
      events.map((event) => event.hostedVmId),
      events.map((event) => event.kind),
      events.map((event) => event.actor),
      events.map((event) => JSON.stringify(event.reason)),
      events.map((event) => JSON.stringify(event.facts)),
    ],
  );
}

/** Newest first. */
export async function selectEvents(sql: Sql, query: EventQuery): Promise<UmbraEvent[]> {
  return await sql.query<UmbraEvent>(
    `select id, at, hosted_vm_id as "hostedVmId", kind, actor, reason, facts from events
     where ($1::text is null or hosted_vm_id = $1)
       and ($2::bigint is null or at < $2)
       and ($3::text[] is null or kind = any($3))
     order by at desc, n desc limit $4`,
    [query.hostedVmId ?? null, query.before ?? null, query.kinds ?? null, query.limit],
  );
}
