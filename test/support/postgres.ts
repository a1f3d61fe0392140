import { randomBytes } from 'node:crypto';

import { startEmbeddedPostgres } from '../../src/providers/postgres/embedded.ts';
import type { EmbeddedPostgres } from '../../src/providers/postgres/embedded.ts';
import { migrate } from '../../src/providers/postgres/migrate.ts';
import { openSql } from '../../src/providers/postgres/pool.ts';
import type { NotifyingSql } from '../../src/providers/postgres/pool.ts';

const template = 'umbra_template';

export type FreshDatabase = { readonly url: string; readonly sql: NotifyingSql; drop(): Promise<void> };

export type TestPostgres = {
  readonly url: string;
  /** A migrated database of its own: a copy of the template, 50 ms. */
  fresh(): Promise<FreshDatabase>;
  stop(): Promise<void>;
};

/**
 * One PostgreSQL for a test file: start it in `beforeAll`, stop it in `afterAll`, take a fresh database per test.
 * `UMBRA_TEST_POSTGRES_BIN` names the bin folder of another version (the suite also runs on PostgreSQL 15).
 */
export async function startTestPostgres(): Promise<TestPostgres> {
  const binDir = process.env['UMBRA_TEST_POSTGRES_BIN'];
  const server: EmbeddedPostgres = await startEmbeddedPostgres({
    port: 0,
    durable: false,
    ...(binDir === undefined ? {} : { binDir }),
  });
  const admin = openSql(server.url);
  await admin.query(`create database ${template}`);
  const prepared = openSql(urlOf(server.url, template));
  await migrate(prepared);
  await prepared.close();
  const opened = new Set<NotifyingSql>();
  return {
    url: server.url,
    async fresh() {
      const name = `test_${randomBytes(6).toString('hex')}`;
      await admin.query(`create database ${name} template ${template}`);
      const url = urlOf(server.url, name);
      const sql = openSql(url);
      opened.add(sql);
      return {
        url,
        sql,
        async drop() {
          opened.delete(sql);
          await sql.close();
          await admin.query(`drop database ${name} with (force)`);
        },
      };
    },
    async stop() {
      for (const sql of opened) await sql.close();
      await admin.close();
      await server.stop();
    },
  };
}

function urlOf(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
