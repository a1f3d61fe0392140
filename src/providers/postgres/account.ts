import { execFile } from 'node:child_process';
import { chmod, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';

import { ProviderError } from '../../ports/errors.ts';

const run = promisify(execFile);

/** The account PostgreSQL runs under when we are root: it refuses to run as root. */
export type Account = {
  readonly ids: { readonly uid: number; readonly gid: number };
  /** @throws ProviderError when the account cannot get to `folder`; opens the folder itself if it is ours */
  mustReach(folder: string): Promise<void>;
  reaches(path: string): Promise<boolean>;
};

/** Finds the OS account `postgres`, or makes it and says so. */
export async function obtainAccount(log: (line: string) => void): Promise<Account> {
  const ids = await idsOf('postgres').catch(async () => {
    log('PostgreSQL does not run as root: making the system account "postgres" for it');
    await run('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres']);
    return await idsOf('postgres');
  });
  const reaches = async (path: string): Promise<boolean> => (await closedFolder(resolve(path), ids)) === undefined;
  return {
    ids,
    reaches,
    async mustReach(folder) {
      // A temporary folder is made for its owner alone; passing through it is all the account needs.
      await chmod(folder, 0o711);
      const closed = await closedFolder(resolve(folder), ids);
      if (closed === undefined) return;
      throw new ProviderError({
        provider: 'embedded PostgreSQL',
        operation: 'reach',
        target: folder,
        failureClass: 'permission',
        message: `the account "postgres" may not pass through ${closed}; choose a data folder elsewhere, such as /var/lib/umbra`,
      });
    },
  };
}

async function idsOf(name: string): Promise<Account['ids']> {
  const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

/** The first folder on the way to `path` that an account may not pass through. */
async function closedFolder(path: string, ids: Account['ids']): Promise<string | undefined> {
  const parent = dirname(path);
  if (parent !== path) {
    const closed = await closedFolder(parent, ids);
    if (closed !== undefined) return closed;
  }
  const { mode, uid, gid } = await stat(path);
  const bit = uid === ids.uid ? 0o100 : gid === ids.gid ? 0o010 : 0o001;
  return (mode & bit) === 0 ? path : undefined;
}
