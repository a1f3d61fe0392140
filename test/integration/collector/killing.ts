import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { startEmbeddedPostgres } from '../../../src/providers/postgres/embedded.ts';
import type { EmbeddedPostgres } from '../../../src/providers/postgres/embedded.ts';
import { migrate } from '../../../src/providers/postgres/migrate.ts';
import { openSql } from '../../../src/providers/postgres/pool.ts';
import { responseFrame } from '../../unit/collector/dnstap-oracle.ts';
import { RawSender } from './raw-sender.ts';

const framesPerSession = 301;
const sessionsPerSeed = 5;
const program = fileURLToPath(new URL('collector-process.ts', import.meta.url));

export type KillCounts = {
  seeds: number;
  collectorKills: number;
  storeKills: number;
  acknowledged: number;
  cut: number;
  frames: number;
};

/**
 * Sends sessions of frames to a collector process while it and its store are killed at random moments, and compares
 * the sums in the store with the truth. An acknowledged session (FINISH) must be there in full; a session that was cut
 * must be there as far as it was read: a beginning of its frames, each once. Nothing else may be there.
 * @throws Error that names the seed and the session that is wrong
 */
export async function killAndCount(seeds: readonly number[]): Promise<KillCounts> {
  const counts: KillCounts = { seeds: 0, collectorKills: 0, storeKills: 0, acknowledged: 0, cut: 0, frames: 0 };
  const dir = await mkdtemp(join(tmpdir(), 'umbra-kill-'));
  const dataDir = await mkdtemp(join(tmpdir(), 'umbra-kill-postgres-'));
  const held: { postgres: EmbeddedPostgres; collector?: ChildProcess } = {
    postgres: await startEmbeddedPostgres({ dataDir, port: 0 }),
  };
  const port = Number(new URL(held.postgres.url).port);
  try {
    const sql = openSql(held.postgres.url);
    await migrate(sql);
    await sql.close();
    for (const seed of seeds) {
      await oneSeed(seed, held, { dir, dataDir, port }, counts);
      counts.seeds += 1;
    }
  } finally {
    held.collector?.kill('SIGKILL');
    await held.postgres.stop();
    for (const folder of [dir, dataDir]) await rm(folder, { recursive: true, force: true });
  }
  return counts;
}

type Place = { readonly dir: string; readonly dataDir: string; readonly port: number };

async function oneSeed(
  seed: number,
  held: { postgres: EmbeddedPostgres; collector?: ChildProcess },
  { dir, dataDir, port }: Place,
  counts: KillCounts,
): Promise<void> {
  const random = generator(seed);
  const socket = join(dir, `dnstap-${seed}.sock`);
  const names = Array.from({ length: sessionsPerSeed }, (_, i) => [
    `a${i}.s${seed}.example`,
    `b${i}.s${seed}.example`,
  ]).flat();
  const start = async (): Promise<void> => {
    const settings = { postgresUrl: held.postgres.url, spoolDir: join(dir, `spool-${seed}`), socket, names };
    const child = spawn(process.execPath, ['--import', 'tsx', program, JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    held.collector = child;
    await once(child.stdout, 'data');
  };
  await start();
  const acknowledged: boolean[] = [];
  const killAt = Math.floor(random() * sessionsPerSeed);
  const storeKillAt = Math.floor(random() * sessionsPerSeed * 2);
  for (let session = 0; session < sessionsPerSeed; session += 1) {
    const collector = held.collector!;
    const dies = session === killAt;
    if (dies) setTimeout(() => collector.kill('SIGKILL'), random() * 700);
    if (session === storeKillAt) {
      process.kill(held.postgres.pid, 'SIGKILL');
      counts.storeKills += 1;
    }
    acknowledged.push(await sendSession(socket, seed, session, random));
    if (dies) {
      if (collector.exitCode === null && collector.signalCode === null) await once(collector, 'exit');
      counts.collectorKills += 1;
      await start();
    }
    if (session === storeKillAt) held.postgres = await again(dataDir, port);
  }
  const collector = held.collector!;
  collector.kill('SIGTERM');
  await once(collector, 'exit');
  // What the store did not take in the farewell is in the spool: the next collector delivers it.
  await start();
  await delivered(join(dir, `spool-${seed}`));
  held.collector!.kill('SIGTERM');
  await once(held.collector!, 'exit');

  const sql = openSql(held.postgres.url);
  const rows = await sql.query<{ id: string; answers: number }>(
    'select hosted_vm_id as id, sum(answers)::bigint as answers from demand_10s where hosted_vm_id like $1 group by 1',
    [`%.s${seed}.example`],
  );
  await sql.close();
  const answers = new Map(rows.map((row) => [row.id, row.answers]));
  acknowledged.forEach((whole, session) => {
    const a = answers.get(`a${session}.s${seed}.example`) ?? 0;
    const b = answers.get(`b${session}.s${seed}.example`) ?? 0;
    const read = a + b;
    const beginning = a === Math.ceil(read / 2) && b === Math.floor(read / 2);
    const right = whole ? read === framesPerSession && beginning : read <= framesPerSession && beginning;
    if (!right)
      throw new Error(`seed ${seed}, session ${session}, ${whole ? 'acknowledged' : 'cut'}: stored ${a} + ${b}`);
    counts[whole ? 'acknowledged' : 'cut'] += 1;
    counts.frames += read;
  });
}

/** Frames of two names in turn, so that any beginning of the session can be told from anything else. */
async function sendSession(socket: string, seed: number, session: number, random: () => number): Promise<boolean> {
  try {
    const sender = await RawSender.started({ path: socket });
    const pauseAfter = Math.floor(random() * framesPerSession);
    for (let i = 0; i < framesPerSession; i += 1) {
      const name = `${i % 2 === 0 ? 'a' : 'b'}${session}.s${seed}.example`;
      sender.send(responseFrame({ name, atMs: Date.now() }));
      if (i === pauseAfter) await new Promise((resolve) => setTimeout(resolve, random() * 300));
    }
    return await sender.stop();
  } catch {
    return false;
  }
}

/** A killed PostgreSQL's children need a moment to notice before its folder can be used again. */
async function again(dataDir: string, port: number): Promise<EmbeddedPostgres> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await startEmbeddedPostgres({ dataDir, port });
    } catch (error) {
      if (attempt === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

async function delivered(spoolDir: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while ((await readdir(spoolDir)).some((name) => name.endsWith('.batch'))) {
    if (Date.now() > deadline) throw new Error(`${spoolDir} is not delivered`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Seeded uniform numbers (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
