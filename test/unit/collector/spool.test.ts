import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Spool } from '../../../src/collector/spool.ts';
import type { DemandBatch } from '../../../src/domain/demand.ts';

const hour = Date.UTC(2026, 5, 3, 12);

describe('the spool', () => {
  const held = { dir: '' };
  beforeEach(async () => {
    held.dir = await mkdtemp(join(tmpdir(), 'umbra-spool-'));
  });
  afterEach(async () => await rm(held.dir, { recursive: true }));

  const said: string[] = [];
  const opened = (maxBytes = 1e9): Promise<Spool> =>
    Spool.open({ dir: held.dir, edge: 'north', maxBytes, now: hour, log: (_, text) => void said.push(text) });

  const batch = (spool: Spool, i: number, seq = spool.nextSeq()): DemandBatch => {
    const at = hour + i * 10_000;
    const bucket = { edge: 'north', at, observedShare: 1, senders: 1, frames: 7, dropped: 0, late: 0, undecodable: 0 };
    const count = {
      hostedVmId: 'shop',
      at,
      answers: i + 1,
      deduplicated: i + 1,
      established: 1,
      estimatedQps: 1,
      sources: 2,
    };
    const splits = { rcodes: { NOERROR: i + 1 }, types: { A: i + 1 }, tcp: 1, responseBytes: 100, topShare: 0.5 };
    return { edge: 'north', epoch: spool.epoch, seq, buckets: [bucket], counts: [{ ...count, ...splits }] };
  };
  const drain = async (spool: Spool): Promise<DemandBatch[]> => {
    const all: DemandBatch[] = [];
    for (let next = await spool.oldest(); next !== undefined; next = await spool.oldest()) {
      all.push(next);
      await spool.remove(next);
    }
    return all;
  };
  const sum = (batches: readonly DemandBatch[]): number =>
    batches.flatMap(({ counts }) => counts).reduce((total, count) => total + count.answers, 0);

  test('batches come out in order, over restarts, each epoch above the one before', async () => {
    const first = await opened();
    for (let i = 0; i < 12; i += 1) await first.put(batch(first, i));
    const second = await opened();
    expect(second.epoch).toBeGreaterThan(first.epoch);
    await second.put(batch(second, 12));
    expect((await drain(second)).map(({ counts }) => counts[0]!.answers)).toEqual(
      [...Array(13).keys()].map((i) => i + 1),
    );
  });

  test('an open bucket that a kill left behind becomes a batch, once', async () => {
    const first = await opened();
    await first.checkpoint([batch(first, 0, 1)]);
    await first.checkpoint([batch(first, 0, 1), batch(first, 1, 2)]);
    await first.put(batch(first, 0, 1));
    const second = await opened();
    expect(second.crashed).toBe(true);
    const batches = await drain(second);
    expect(batches.map(({ seq }) => seq)).toEqual([1, 2]);
    expect((await readdir(held.dir)).filter((name) => name !== 'epoch')).toEqual([]);
  });

  test('both an open bucket and its batch, as a kill between two steps leaves them, are one batch', async () => {
    const first = await opened();
    const one = batch(first, 0, 1);
    await first.put(one);
    await first.checkpoint([one]);
    expect(await drain(await opened())).toHaveLength(1);
  });

  test('a disk that is much too small loses the oldest, and says which', async () => {
    const spool = await opened(20_000);
    for (let i = 0; i < 360; i += 1) await spool.put(batch(spool, i));
    expect(spool.size.bytes).toBeLessThanOrEqual(20_000);
    expect(spool.dropped).toBeGreaterThan(0);
    expect(said.join('\n')).toMatch(/put together into one of 60 s[^]*demand of 2026-06-03T12:.* is given up/);
    const reopened = await opened();
    expect(reopened.size).toEqual(spool.size);
    expect((await drain(reopened)).at(-1)!.counts).toMatchObject([{ answers: 360 }]);
  });

  test('the sums of a spool that is put together equal the sums that came in', async () => {
    const spool = await opened(90_000);
    for (let i = 0; i < 360; i += 1) await spool.put(batch(spool, i));
    expect([spool.dropped, spool.condensed > 0]).toEqual([0, true]);
    const batches = await drain(spool);
    expect(sum(batches)).toBe((360 * 361) / 2);
    expect(batches.flatMap(({ buckets }) => buckets)).toHaveLength(360);
    expect(batches.some(({ counts }) => counts[0]!.spanMs === 60_000)).toBe(true);
    // What may have been sent already keeps its identity and its numbers.
    expect(batches[0]!.counts).toMatchObject([{ answers: 1 }]);
  });

  test('a file that cannot be read is set aside, and the others go on', async () => {
    const first = await opened();
    await first.put(batch(first, 0));
    await first.put(batch(first, 1));
    const [name] = (await readdir(held.dir)).filter((one) => one.endsWith('.batch')).sort();
    await writeFile(join(held.dir, name!), '{"edge": "no');
    const second = await opened();
    expect(await drain(second)).toHaveLength(1);
    expect((await readdir(held.dir)).filter((one) => one.endsWith('.rejected'))).toHaveLength(1);
  });
});
