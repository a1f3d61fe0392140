import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { ProviderError } from '../../../../src/ports/errors.ts';
import { startEmbeddedPostgres } from '../../../../src/providers/postgres/embedded.ts';
import { migrate } from '../../../../src/providers/postgres/migrate.ts';
import { openSql } from '../../../../src/providers/postgres/pool.ts';
import { startTestPostgres } from '../../../support/postgres.ts';
import type { TestPostgres } from '../../../support/postgres.ts';

describe('the store base', () => {
  const held: { postgres?: TestPostgres } = {};
  beforeAll(async () => {
    held.postgres = await startTestPostgres();
  }, 60_000);
  afterAll(async () => await held.postgres?.stop());

  test('a fresh database is migrated, and migrating again does nothing', async () => {
    const { sql, drop } = await held.postgres!.fresh();
    expect(await migrate(sql)).toEqual([]);
    expect(await sql.query('select count(*) as n from demand_10s')).toEqual([{ n: 0 }]);
    await drop();
  });

  test('of processes that migrate at once one works, and a failing migration leaves nothing behind', async () => {
    const { sql, url, drop } = await held.postgres!.fresh();
    const folder = await mkdtemp(join(tmpdir(), 'umbra-migrations-'));
    await writeFile(join(folder, '501-first.sql'), 'create table first (a int); insert into first values (1);');
    const others = [openSql(url), openSql(url), openSql(url)];
    const from = pathToFileURL(`${folder}/`);
    const ran = await Promise.all(others.map((other) => migrate(other, from)));
    expect(ran.flat()).toEqual(['501-first.sql']);
    await writeFile(join(folder, '502-wrong.sql'), 'create table second (a int); select nonsense;');
    await expect(migrate(sql, from)).rejects.toThrow(/nonsense/);
    expect(await sql.query("select to_regclass('second') as found")).toEqual([{ found: null }]);
    await Promise.all(others.map((other) => other.close()));
    await rm(folder, { recursive: true });
    await drop();
  });

  test('a transaction keeps all or nothing', async () => {
    const { sql, drop } = await held.postgres!.fresh();
    await sql.query('create table kept (a int)');
    const attempt = sql.transaction(async (inside) => {
      await inside.query('insert into kept values (1)');
      throw new Error('no');
    });
    await expect(attempt).rejects.toThrow('no');
    await sql.transaction((inside) => inside.query('insert into kept values (2)'));
    expect(await sql.query('select a from kept')).toEqual([{ a: 2 }]);
    await drop();
  });

  test('a notification reaches a listener, also after its connection broke', async () => {
    const { sql, drop } = await held.postgres!.fresh();
    const heard: string[] = [];
    const waiting: { resolve?: () => void } = {};
    const stop = await sql.listen('news', (payload) => {
      heard.push(payload);
      waiting.resolve?.();
    });
    const next = (): Promise<void> => new Promise((resolve) => (waiting.resolve = resolve));
    let arrival = next();
    await sql.notify('news', 'one');
    await arrival;
    arrival = next();
    await sql.query("select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %'");
    await arrival;
    arrival = next();
    await sql.notify('news', 'two');
    await arrival;
    expect(heard).toEqual(['one', '', 'two']);
    await stop();
    await drop();
  });

  test('a store that is away is a transient failure that names the place and not the password', async () => {
    const sql = openSql('postgresql://someone:secret-word@127.0.0.1:1/umbra');
    const failure = await sql.query('select 1').catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ProviderError);
    expect(failure).toMatchObject({ provider: 'postgres', failureClass: 'transient', target: '127.0.0.1:1/umbra' });
    expect(String(failure)).not.toContain('secret-word');
    await sql.close();
  });

  test('an embedded server keeps its data over a restart and its password to itself', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'umbra-kept-'));
    const first = await startEmbeddedPostgres({ dataDir, port: 0 });
    let sql = openSql(first.url);
    await sql.query('create table kept as select 42 as answer');
    await sql.close();
    await first.stop();
    expect((await stat(join(dataDir, 'password'))).mode & 0o777).toBe(0o600);
    const second = await startEmbeddedPostgres({ dataDir, port: 0 });
    sql = openSql(second.url);
    expect(await sql.query('select answer from kept')).toEqual([{ answer: 42 }]);
    await sql.close();
    await second.stop();
    await rm(dataDir, { recursive: true });
  }, 60_000);

  test('a folder without PostgreSQL is named in the error, with what to do', async () => {
    const start = startEmbeddedPostgres({ port: 0, binDir: '/nowhere' });
    await expect(start).rejects.toThrow(/UMBRA_POSTGRES_URL/);
  });
});
