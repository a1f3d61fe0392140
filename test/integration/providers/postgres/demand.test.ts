import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import type { DemandBatch, DemandCount } from '../../../../src/domain/demand.ts';
import { dayMs, hourMs, minuteMs } from '../../../../src/domain/time.ts';
import { openDemandStore } from '../../../../src/providers/postgres/demand.ts';
import { startTestPostgres } from '../../../support/postgres.ts';
import type { TestPostgres } from '../../../support/postgres.ts';

const hour = Date.UTC(2026, 5, 3, 12);

function count(hostedVmId: string, at: number, answers: number, more: Partial<DemandCount> = {}): DemandCount {
  return {
    hostedVmId,
    at,
    answers,
    deduplicated: answers,
    estimatedQps: answers / 5,
    sources: 3,
    rcodes: { NOERROR: answers, NXDOMAIN: 1, NOTIMP: 2 },
    types: { A: answers },
    tcp: 1,
    responseBytes: 100 * answers,
    topShare: 0.5,
    ...more,
  };
}

type Seen = { edge?: string; epoch?: number; seq: number; at: number; share?: number | null; senders?: number };

function batch(seen: Seen, counts: readonly DemandCount[]): DemandBatch {
  const { edge = 'north', epoch = 1, seq, at, share = 1, senders = 1 } = seen;
  const bucket = { edge, at, observedShare: share, senders, frames: 100, dropped: 0, late: 0, undecodable: 0 };
  return { edge, epoch, seq, buckets: [bucket], counts };
}

describe('demand in PostgreSQL', () => {
  const held: { postgres?: TestPostgres } = {};
  beforeAll(async () => {
    held.postgres = await startTestPostgres();
  }, 60_000);
  afterAll(async () => await held.postgres?.stop());

  const opened = async () => {
    const database = await held.postgres!.fresh();
    return { ...database, store: openDemandStore(database.sql) };
  };

  test('a batch counts once, however often and by however many connections it is written', async () => {
    const { store, drop } = await opened();
    const one = batch({ seq: 1, at: hour }, [count('shop', hour, 50)]);
    const outcomes = await Promise.all([1, 2, 3, 4, 5].map(() => store.write(one)));
    expect(outcomes.filter((outcome) => outcome === 'written')).toHaveLength(1);
    expect(await store.write(one)).toBe('repeated');
    const read = await store.read({ hostedVmId: 'shop', from: hour, to: hour + 10_000, stepMs: 10_000 });
    expect(read.qps).toEqual([5]);
    await drop();
  });

  test('a bucket nobody looked at is missing, a bucket without queries is zero', async () => {
    const { store, drop } = await opened();
    await store.write(batch({ seq: 1, at: hour }, [count('shop', hour, 50)]));
    await store.write(batch({ seq: 2, at: hour + 10_000 }, []));
    await store.write(batch({ seq: 3, at: hour + 30_000, senders: 0, share: null }, []));
    const query = { hostedVmId: 'shop', from: hour, to: hour + 40_000, stepMs: 10_000 };
    expect((await store.read(query)).qps).toEqual([5, 0, NaN, NaN]);
    const minute = await store.read({ ...query, to: hour + minuteMs, stepMs: minuteMs });
    expect(minute.qps).toEqual([2.5]);
    await drop();
  });

  test('edges are summed, each corrected by the share it observed; an unknown share corrects nothing', async () => {
    const { store, drop } = await opened();
    await store.write(batch({ edge: 'north', seq: 1, at: hour, share: 0.5 }, [count('shop', hour, 50)]));
    await store.write(batch({ edge: 'south', seq: 1, at: hour, share: null }, [count('shop', hour, 30)]));
    const query = { hostedVmId: 'shop', from: hour, to: hour + 10_000, stepMs: 10_000 };
    expect((await store.read({ ...query, measure: 'answers' })).qps).toEqual([13]);
    await drop();
  });

  test('two parts of one bucket, before and after a restart, add up', async () => {
    const { store, drop } = await opened();
    const query = { hostedVmId: 'shop', from: hour, to: hour + 10_000, stepMs: 10_000 };
    await store.write(batch({ epoch: 1, seq: 9, at: hour }, [count('shop', hour, 20)]));
    await store.write(batch({ epoch: 2, seq: 1, at: hour }, [count('shop', hour, 25)]));
    expect((await store.read(query)).qps).toEqual([4.5]);
    await drop();
  });

  test('every roll-up tells the same as the buckets, before and after it is made, also when a batch comes late', async () => {
    const { store, sql, drop } = await opened();
    const truth = new Map<number, number>();
    const write = async (seq: number, at: number, answers: number, edge = 'north'): Promise<void> => {
      await store.write(batch({ edge, seq, at, share: 0.8 }, [count('shop', at, answers), count('blog', at, 8)]));
      truth.set(at, (truth.get(at) ?? 0) + answers / 0.8);
    };
    for (let i = 0; i < 360; i += 1) if (i % 50 !== 7) await write(i, hour + i * 10_000, (i * 37) % 91);
    const check = async (): Promise<void> => {
      for (const stepMs of [10_000, minuteMs, 5 * minuteMs, hourMs]) {
        const query = { from: hour, to: hour + hourMs, stepMs, measure: 'answers' as const };
        const both = await store.readMany({ ...query, hostedVmIds: ['shop', 'blog', 'nobody'] });
        both.get('shop')!.qps.forEach((qps, i) => {
          const ats = [...truth.keys()].filter((at) => Math.floor((at - hour) / stepMs) === i);
          const sum = ats.reduce((total, at) => total + truth.get(at)!, 0);
          if (ats.length === 0) expect(qps).toBeNaN();
          else expect(qps).toBeCloseTo(sum / (ats.length * 10), 4);
        });
        expect(both.get('nobody')!.qps.every((qps) => qps === 0 || Number.isNaN(qps))).toBe(true);
      }
    };
    await check();
    await store.maintain(hour + 2 * hourMs);
    expect(await sql.query('select count(*) as n from demand_dirty')).toEqual([{ n: 0 }]);
    await check();
    await write(1, hour + 70_000, 40, 'south');
    await check();
    await store.maintain(hour + 2 * hourMs);
    await store.maintain(hour + 2 * hourMs);
    await check();
    const [minute] = await sql.query<Record<string, number>>(
      `select sum(noerror)::int as noerror, sum(other_rcode)::int as other, sum(type_a)::int as a, sum(answers)::int as answers
       from demand_steps where step_ms = 60000 and hosted_vm_id = 'shop'`,
    );
    expect(minute).toMatchObject({ noerror: minute!['answers'], a: minute!['answers'], other: 2 * 353 });
    await drop();
  });

  test('old detail goes, the hours stay, and what comes days late is added to them', async () => {
    const { store, sql, drop } = await opened();
    await store.write(batch({ seq: 1, at: hour }, [count('shop', hour, 3_600)]));
    await store.maintain(hour + 2 * hourMs);
    await store.maintain(hour + 4 * dayMs);
    expect(await sql.query('select count(*) as n from demand_10s')).toEqual([{ n: 0 }]);
    const query = { hostedVmId: 'shop', from: hour, to: hour + hourMs, stepMs: hourMs };
    expect((await store.read(query)).qps).toEqual([360]);
    await store.write(batch({ edge: 'south', seq: 1, at: hour }, [count('shop', hour, 360)]));
    await store.maintain(hour + 4 * dayMs);
    await store.maintain(hour + 4 * dayMs);
    expect((await store.read(query)).qps).toEqual([396]);
    const pieces = await sql.query<{ name: string }>(
      "select relname as name from pg_class where relname like 'demand_10s_2%' and relkind = 'r'",
    );
    expect(pieces.map(({ name }) => name).sort()).toEqual(['demand_10s_20260607', 'demand_10s_20260608']);
    await drop();
  });

  test('an edge that falls silent is flagged within 30 s, and imputed only where that is asked for', async () => {
    const { store, drop } = await opened();
    for (let i = 0; i < 90; i += 1) {
      const at = hour + i * 10_000;
      await store.write(batch({ edge: 'north', seq: i, at }, [count('shop', at, 50)]));
      if (i < 60) await store.write(batch({ edge: 'south', seq: i, at }, [count('shop', at, 30)]));
    }
    const southEnds = hour + 600_000;
    expect(await store.edges(southEnds + 13_000)).toMatchObject([{ silent: false }, { silent: false, senders: 1 }]);
    expect(await store.edges(southEnds + 30_000)).toMatchObject([
      { edge: 'north', silent: false },
      { edge: 'south', silent: true, framesPerSecond: 0 },
    ]);
    const query = { hostedVmId: 'shop', from: southEnds - 10_000, to: southEnds + 10_000, stepMs: 10_000 };
    expect((await store.read(query)).qps).toEqual([8, 5]);
    const shown = await store.read({ ...query, to: hour + 900_000, imputed: true });
    expect(shown.qps[0]).toBe(8);
    expect(shown.qps.at(-1)).toBeGreaterThan(6.5);
    await drop();
  });

  test.each([
    ['a crooked bucket', batch({ seq: 1, at: hour + 5 }, []), /multiple of 10000/],
    ['counts without a bucket', batch({ seq: 1, at: hour }, [count('shop', hour + 10_000, 1)]), /own bucket/],
  ])('%s is refused as invalid and leaves nothing', async (_, wrong, why) => {
    const { store, sql, drop } = await opened();
    await expect(store.write(wrong)).rejects.toMatchObject({
      failureClass: 'invalid',
      message: expect.stringMatching(why),
    });
    expect(await sql.query('select count(*) as n from demand_batches')).toEqual([{ n: 0 }]);
    await drop();
  });

  test('a count over a minute, from a spool that was full, is spread over the buckets that were seen', async () => {
    const { store, drop } = await opened();
    const buckets = [0, 1, 2, 5].map((i) => batch({ seq: 1, at: hour + i * 10_000 }, []).buckets[0]!);
    const wide = count('shop', hour, 403, { spanMs: minuteMs, rcodes: { NOERROR: 403 }, types: { A: 403 } });
    expect(await store.write({ edge: 'north', epoch: 1, seq: 1, buckets, counts: [wide] })).toBe('written');
    const query = { hostedVmId: 'shop', from: hour, to: hour + minuteMs, measure: 'answers' as const };
    const { qps } = await store.read({ ...query, stepMs: 10_000 });
    expect(qps).toEqual([10, 10.1, 10.1, NaN, NaN, 10.1]);
    expect((await store.read({ ...query, stepMs: minuteMs })).qps[0]).toBeCloseTo(403 / 40, 6);
    await drop();
  });

  test('10,000 counts are one quick batch', async () => {
    const { store, sql, drop } = await opened();
    const many = Array.from({ length: 10_000 }, (_, i) => count(`vm-${i}`, hour, i));
    await store.write(batch({ seq: 1, at: hour }, many));
    expect(await sql.query('select sum(answers)::bigint as n from demand_10s')).toEqual([{ n: (9_999 * 10_000) / 2 }]);
    await drop();
  });
});
