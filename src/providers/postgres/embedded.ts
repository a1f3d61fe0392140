import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

import { ProviderError } from '../../ports/errors.ts';
import { obtainAccount } from './account.ts';
import type { Account } from './account.ts';
import { findBinaries } from './binaries.ts';
import { watchOver } from './guardian.ts';

/** PostgreSQL is ready within 0.1 s; recovery after a kill takes longer, and a busy machine longer still. */
const startTimeoutMs = 60_000;
/** A fast shutdown writes a checkpoint. */
const stopTimeoutMs = 20_000;

const userName = 'umbra';

export type EmbeddedOptions = {
  /** Kept over restarts; a temporary folder, removed at stop, when left out. */
  readonly dataDir?: string;
  /** 0: any free one. */
  readonly port: number;
  /** Folder with `postgres` and `initdb` of an installed PostgreSQL, when the package has none for this platform. */
  readonly binDir?: string;
  /** False for tests: no fsync, so a power cut may lose the database. True unless told. */
  readonly durable?: boolean;
  readonly log?: (line: string) => void;
};

export type EmbeddedPostgres = { readonly url: string; readonly pid: number; stop(): Promise<void> };

/**
 * Starts a real PostgreSQL of its own on 127.0.0.1 with a random password, kept in a file only its owner reads.
 * It ends with this process, however this process ends (a guardian waits for that; not on Windows).
 * @throws ProviderError that says which step failed and what to do
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const log = options.log ?? (() => undefined);
  const account = userInfo().uid === 0 ? await obtainAccount(log) : undefined;
  const home = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'umbra-postgres-')));
  const temporary = options.dataDir === undefined;
  await mkdir(home, { recursive: true });
  if (account !== undefined) await account.mustReach(home);
  const binaries = await findBinaries(options.binDir, account);
  const cluster = join(home, 'cluster');
  const password = await obtainPassword(join(home, 'password'));
  const port = options.port === 0 ? await freePort() : options.port;

  if (!(await exists(join(cluster, 'PG_VERSION')))) await initialise(binaries.initdb, cluster, password, account);
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    shared_buffers: '32MB',
    max_connections: 60,
    log_min_messages: 'warning',
    ...(options.durable === false ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' } : {}),
  };
  const flags = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
  // A process group of its own: Ctrl-C reaches us alone, and we still write while we shut down.
  const server = spawn(binaries.postgres, ['-D', cluster, ...flags], {
    ...account?.ids,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: home,
  });
  const complaints = collect(server);
  await ready(server, port, complaints, log);
  const pid = server.pid!;
  const guardian = watchOver(pid, temporary ? [home, ...binaries.temporary] : binaries.temporary);

  return {
    url: `postgresql://${userName}:${password}@127.0.0.1:${port}/postgres`,
    pid,
    async stop() {
      if (server.exitCode === null && server.signalCode === null) {
        const gone = once(server, 'exit');
        server.kill('SIGINT');
        const hard = setTimeout(() => server.kill('SIGQUIT'), stopTimeoutMs);
        await gone;
        clearTimeout(hard);
      }
      guardian.dismiss();
      for (const folder of [...binaries.temporary, ...(temporary ? [home] : [])]) {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

async function initialise(
  initdb: string,
  cluster: string,
  password: string,
  account: Account | undefined,
): Promise<void> {
  const passwordFile = `${cluster}.pw`;
  await mkdir(cluster, { recursive: true, mode: 0o700 });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (account !== undefined) {
    await chown(cluster, account.ids.uid, account.ids.gid);
    await chown(passwordFile, account.ids.uid, account.ids.gid);
  }
  const flags = ['--username', userName, '--pwfile', passwordFile, '--auth=scram-sha-256', '--locale=C'];
  try {
    const child = spawn(initdb, ['-D', cluster, ...flags, '--encoding=UTF8', '--no-instructions'], {
      ...account?.ids,
      stdio: ['ignore', 'ignore', 'pipe'],
      cwd: cluster,
    });
    const complaints = collect(child);
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) {
      await rm(cluster, { recursive: true, force: true });
      throw trouble('initdb', cluster, complaints() || `ended with ${code ?? 'a signal'}`);
    }
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function ready(
  server: ChildProcess,
  port: number,
  complaints: () => string,
  log: (line: string) => void,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      server.kill('SIGQUIT');
      reject(trouble('start', `port ${port}`, `not ready after ${startTimeoutMs / 1000} s: ${complaints()}`));
    }, startTimeoutMs);
    const ended = (code: number | null): void => {
      clearTimeout(timer);
      reject(trouble('start', `port ${port}`, complaints() || `ended with ${code ?? 'a signal'}`));
    };
    server.once('exit', ended);
    server.once('error', (error) => reject(trouble('start', `port ${port}`, error.message)));
    server.stderr!.on('data', (text: string) => {
      for (const line of text.split('\n')) if (/(FATAL|PANIC)/.test(line)) log(line);
      if (!complaints().includes('ready to accept connections')) return;
      clearTimeout(timer);
      server.off('exit', ended);
      resolve();
    });
  });
}

/** The last of what a child wrote to its standard error. */
function collect(child: ChildProcess): () => string {
  let tail = '';
  child.on('error', (error) => (tail += error.message));
  child.stderr!.setEncoding('utf8');
  child.stderr!.on('data', (text: string) => (tail = (tail + text).slice(-2_000)));
  return () => tail.trim();
}

async function obtainPassword(file: string): Promise<string> {
  if (await exists(file)) return (await readFile(file, 'utf8')).trim();
  const password = randomBytes(24).toString('base64url');
  await writeFile(file, `${password}\n`, { mode: 0o600 });
  await chmod(file, 0o600);
  return password;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return (address as { port: number }).port;
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

function trouble(operation: string, target: string, message: string): ProviderError {
  const next = 'or set UMBRA_POSTGRES_URL to a PostgreSQL you run';
  return new ProviderError({
    provider: 'embedded PostgreSQL',
    operation,
    target,
    failureClass: 'permanent',
    message: `${message} (${next})`,
  });
}
