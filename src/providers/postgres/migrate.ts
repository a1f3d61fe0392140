import { readdir, readFile } from 'node:fs/promises';

import { invariant } from '../../domain/reason.ts';
import type { Sql } from '../../ports/sql.ts';

/** Any number all Umbra processes agree on: the first eight hexadecimal digits of sha256("umbra migrations"). */
const advisoryLock = 0x1d5f_9ab2;

const shippedMigrations = new URL('./migrations/', import.meta.url);

/**
 * Brings the schema up to date: runs each `NNN-subject.sql` that has not run yet, in order, in one transaction.
 * Several processes may call it at once; an advisory lock lets one work and the others find it done.
 * @returns the names of the files that ran
 * @throws ProviderError when the store is away or a migration fails; nothing of this call is kept then
 */
export async function migrate(sql: Sql, folder: URL = shippedMigrations): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{3}-.+\.sql$/.test(name)).sort();
  const numbers = new Set(names.map((name) => name.slice(0, 3)));
  invariant(numbers.size === names.length, `migrations have numbers of their own: ${names.join(', ')}`);
  return await sql.transaction(async (transaction) => {
    await transaction.query('select pg_advisory_xact_lock($1)', [advisoryLock]);
    await transaction.query(
      'create table if not exists schema_migrations (name text primary key, applied_at timestamptz not null default now())',
    );
    const applied = await transaction.query<{ name: string }>('select name from schema_migrations');
    const done = new Set(applied.map((row) => row.name));
    const missing = names.filter((name) => !done.has(name));
    for (const name of missing) {
      await transaction.query(await readFile(new URL(name, folder), 'utf8'));
      await transaction.query('insert into schema_migrations (name) values ($1)', [name]);
    }
    return missing;
  });
}
