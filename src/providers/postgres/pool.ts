import pg from 'pg';

import { ProviderError } from '../../ports/errors.ts';
import type { FailureClass } from '../../ports/errors.ts';
import type { Sql } from '../../ports/sql.ts';

// The one place that makes connections, so the one place that says how PostgreSQL's types arrive: counts fit a number.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** Connections of one process. Few: every statement here is short. */
const maxConnections = 10;
/** A store that does not accept a connection within this time is away; callers spool or retry. */
const connectTimeoutMs = 5_000;
/** A listener that lost its connection tries again this often. */
const relistenMs = 1_000;

/** Ends a subscription. */
export type Stop = () => Promise<void>;

/** `Sql` with PostgreSQL's notifications. */
export interface NotifyingSql extends Sql {
  /**
   * Calls `handler` with each payload on `channel`; over reconnects. After a reconnect it is called with an empty
   * payload: notifications may have been missed, so look at the tables.
   */
  listen(channel: string, handler: (payload: string) => void): Promise<Stop>;
  notify(channel: string, payload: string): Promise<void>;
}

/**
 * Opens a pool on a PostgreSQL URL. Connects when first asked, so a store that is away does not stop a start.
 * Every rejection is a ProviderError of provider `postgres`; its text never holds the URL.
 */
export function openSql(url: string): NotifyingSql {
  const settings = { connectionString: url, connectionTimeoutMillis: connectTimeoutMs, keepAlive: true };
  const pool = new pg.Pool({ ...settings, max: maxConnections });
  const target = placeOf(url);
  // Without a listener an idle connection that breaks would end the process; the next query says what is wrong.
  pool.on('error', () => undefined);

  return {
    query: (text, values) => ask(pool, target, text, values),
    async transaction(work) {
      const client = await pool.connect().catch((error: unknown) => fail(error, 'connect to', target));
      let broken = false;
      const noticeLoss = (): void => void (broken = true);
      client.on('error', noticeLoss);
      const sql = withinTransaction(client, target);
      try {
        await sql.query('begin');
        const result = await work(sql);
        await sql.query('commit');
        return result;
      } catch (error) {
        await client.query('rollback').catch(noticeLoss);
        throw error;
      } finally {
        client.off('error', noticeLoss);
        client.release(broken);
      }
    },
    listen: (channel, handler) => listen(settings, target, channel, handler),
    async notify(channel, payload) {
      await ask(pool, target, 'select pg_notify($1, $2)', [channel, payload]);
    },
    close: () => pool.end(),
  };
}

type Queryable = Pick<pg.Pool, 'query'>;

async function ask<Row extends object>(
  client: Queryable,
  target: string,
  text: string,
  values?: readonly unknown[],
): Promise<Row[]> {
  try {
    // Several statements in one text give several results; the last one is the answer.
    const result = (await (values === undefined ? client.query(text) : client.query(text, [...values]))) as
      pg.QueryResult<Row> | pg.QueryResult<Row>[];
    return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows;
  } catch (error) {
    return fail(error, firstWords(text), target);
  }
}

function withinTransaction(client: pg.PoolClient, target: string): Sql {
  const sql: Sql = {
    query: (text, values) => ask(client, target, text, values),
    transaction: (work) => work(sql),
    close: () => Promise.resolve(),
  };
  return sql;
}

async function listen(
  settings: pg.ClientConfig,
  target: string,
  channel: string,
  handler: (payload: string) => void,
): Promise<Stop> {
  const state: { stopped: boolean; client: pg.Client | undefined; retry: NodeJS.Timeout | undefined } = {
    stopped: false,
    client: undefined,
    retry: undefined,
  };
  const connect = async (): Promise<void> => {
    const client = new pg.Client(settings);
    const lost = (): void => {
      if (state.client !== client || state.stopped) return;
      state.client = undefined;
      again();
    };
    client.on('error', lost);
    client.on('end', lost);
    client.on('notification', (message) => handler(message.payload ?? ''));
    state.client = client;
    try {
      await client.connect();
      await client.query(`listen ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      state.client = undefined;
      await client.end().catch(() => undefined);
      throw error;
    }
  };
  const again = (): void => {
    state.retry = setTimeout(() => {
      connect().then(
        () => handler(''),
        () => (state.stopped ? undefined : again()),
      );
    }, relistenMs);
  };
  await connect().catch((error: unknown) => fail(error, `listen ${channel}`, target));
  return async () => {
    state.stopped = true;
    clearTimeout(state.retry);
    await state.client?.end().catch(() => undefined);
  };
}

function fail(error: unknown, operation: string, target: string): never {
  if (error instanceof ProviderError) throw error;
  const message = messageOf(error);
  throw new ProviderError(
    { provider: 'postgres', operation, target, failureClass: classOf(error), message },
    { cause: error },
  );
}

/** Which failures pass by themselves: https://www.postgresql.org/docs/current/errcodes-appendix.html */
function classOf(error: unknown): FailureClass {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string') return 'transient';
  if (code === '28P01' || code === '28000') return 'auth';
  if (code === '42501') return 'permission';
  if (code === '23505') return 'exists';
  if (code.startsWith('22') || code.startsWith('23')) return 'invalid';
  // Connection (08), resources (53), operator intervention (57), serialization and deadlock (40), or a socket's error.
  return /^(08|53|57|40|E[A-Z])/.test(code) ? 'transient' : 'permanent';
}

/** A refused connection to a name with two addresses is an AggregateError without a message of its own. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map((part) => messageOf(part)).join('; ');
  return error instanceof Error ? error.message : String(error);
}

function placeOf(url: string): string {
  try {
    const { host, pathname } = new URL(url);
    return `${host}${pathname}`;
  } catch {
    return 'the store';
  }
}

function firstWords(text: string): string {
  return text.trim().split(/\s+/).slice(0, 3).join(' ');
}
