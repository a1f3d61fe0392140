import { describe, expect, test } from '@jest/globals';

import { defaultTallyOptions, Tally } from '../../../src/collector/tally.ts';
import type { ClosedBucket, TallyOptions } from '../../../src/collector/tally.ts';
import type { DemandCount, DemandSeries } from '../../../src/domain/demand.ts';
import { guardDemand } from '../../../src/planning/spawn-guard.ts';
import type { DemandEvidence } from '../../../src/planning/spawn-guard.ts';
import { responseFrame } from './dnstap-oracle.ts';
import type { ResponseOptions } from './dnstap-oracle.ts';

const start = Date.UTC(2026, 5, 3, 12);

function tallyOf(options: Partial<TallyOptions> = {}, ttlSeconds = 30): Tally {
  const seqs = { last: 0 };
  const tally = new Tally(
    { ...defaultTallyOptions, pairs: 2 ** 15, sourceEntries: 2 ** 14, seed: 99, ...options },
    start,
    () => (seqs.last += 1),
  );
  tally.register([
    { hostedVmId: 'shop', names: ['shop.example'], ttlSeconds },
    { hostedVmId: 'blog', names: ['blog.example', '*.blog.example'], ttlSeconds },
  ]);
  return tally;
}

function feed(tally: Tally, options: Partial<ResponseOptions>): void {
  const frame = responseFrame({ name: 'shop.example', atMs: start + 1_000, ...options });
  tally.frame(frame, 0, frame.length);
}

const only = (buckets: readonly ClosedBucket[], id = 'shop'): DemandCount =>
  buckets.flatMap(({ counts }) => [...counts]).find(({ hostedVmId }) => hostedVmId === id)!;

const source = (i: number): number[] => [10, (i >> 8) & 255, i & 255, 1];

describe('counting', () => {
  test.each<[string, Partial<ResponseOptions>, Partial<DemandCount> | undefined]>([
    ['an answer to an authoritative question', {}, { answers: 1, rcodes: { NOERROR: 1 }, types: { A: 1 } }],
    ['an answer to a client', { messageType: 6 }, { answers: 1 }],
    ['an answer over TCP', { tcp: true }, { answers: 1, tcp: 1 }],
    ['an AAAA answer', { type: 'AAAA' }, { answers: 1, types: { AAAA: 1 } }],
    ['an HTTPS answer', { type: 'HTTPS' }, { answers: 1, types: { HTTPS: 1 } }],
    ['a TXT answer, which no visitor asks for', { type: 'TXT' }, { answers: 1, deduplicated: 0, types: { OTHER: 1 } }],
    ['no such name', { rcode: 3 }, { answers: 0, rcodes: { NXDOMAIN: 1 } }],
    ['a server failure', { rcode: 2 }, { answers: 0, rcodes: { SERVFAIL: 1 } }],
    ['an empty answer', { answers: 0 }, { answers: 0, rcodes: { NOERROR: 1 } }],
    ['a truncated answer', { truncated: true }, { answers: 0, rcodes: { NOERROR: 1 } }],
    ['a query', { messageType: 1 }, undefined],
    ['an answer to a resolver', { messageType: 4 }, undefined],
    ['a name in other letters', { name: 'SHOP.Example' }, { answers: 1 }],
    ['a name of nobody', { name: 'nobody.example' }, undefined],
  ])('%s', (_, frame, expected) => {
    const tally = tallyOf();
    feed(tally, frame);
    const count = only(tally.closeAll());
    if (expected === undefined) expect(count).toBeUndefined();
    else expect(count).toMatchObject(expected);
  });

  test('a bucket takes events by their own time until three seconds after its end, and counts late ones apart', () => {
    const tally = tallyOf();
    tally.advance(start + 12_900);
    feed(tally, { atMs: start + 9_999 });
    expect(tally.close(start + 12_900)).toEqual([]);
    const closed = tally.close(start + 13_000);
    expect(closed.map(({ at, frames }) => [at, frames])).toEqual([[start, 1]]);
    feed(tally, { atMs: start + 9_999 });
    feed(tally, { atMs: start + 3_600_000 });
    expect(tally.totals.late).toBe(2);
    expect(tally.closeAll().map(({ at, late }) => [at, late])).toEqual([[start + 10_000, 2]]);
  });

  test('names may change while a bucket is open: what was counted stays, what is new counts from now', () => {
    const tally = tallyOf();
    feed(tally, {});
    const many = Array.from({ length: 300 }, (_, i) => ({
      hostedVmId: `vm-${i}`,
      names: [`vm-${i}.example`],
      ttlSeconds: 5,
    }));
    tally.register(many);
    feed(tally, {});
    feed(tally, { name: 'vm-299.example' });
    const closed = tally.closeAll();
    expect(only(closed).answers).toBe(1);
    expect(only(closed, 'vm-299').answers).toBe(1);
    expect(closed[0]!.unknownNames).toBe(1);
  });

  test('random names cost no memory: they share one number', () => {
    const tally = tallyOf();
    for (let i = 0; i < 5_000; i += 1) feed(tally, { name: `x${i}.example` });
    const [bucket] = tally.closeAll();
    expect(bucket!.unknownNames).toBe(5_000);
    expect([...bucket!.counts]).toEqual([]);
  });
});

describe('sources', () => {
  test('A, AAAA and HTTPS of one source are one wish; the next counts when the answer has expired', () => {
    const tally = tallyOf({}, 5);
    for (const type of ['A', 'AAAA', 'HTTPS'] as const) feed(tally, { type, atMs: start + 100 });
    feed(tally, { atMs: start + 4_900 });
    feed(tally, { atMs: start + 5_200 });
    expect(only(tally.closeAll())).toMatchObject({ answers: 5, deduplicated: 2, sources: 1, topShare: 1 });
  });

  test('neighbours in a /24 or a /56 are one source, others are not', () => {
    const tally = tallyOf();
    for (const from of [
      [192, 0, 2, 1],
      [192, 0, 2, 200],
      [192, 0, 3, 1],
    ])
      feed(tally, { from });
    const v6 = (host: number, subnet: number): number[] => [32, 1, 13, 184, 0, 0, subnet, host, 0, 0, 0, 0, 0, 0, 0, 1];
    for (const from of [v6(1, 1), v6(2, 1), v6(1, 2)]) feed(tally, { from });
    expect(only(tally.closeAll())).toMatchObject({ answers: 6, deduplicated: 4, sources: 4 });
  });

  test('sources are counted to a few percent', () => {
    const tally = tallyOf();
    for (let i = 0; i < 4_000; i += 1) feed(tally, { from: source(i) });
    const { sources, topShare } = only(tally.closeAll());
    expect(Math.abs(sources - 4_000)).toBeLessThan(400);
    expect(topShare).toBeLessThan(0.01);
  });

  test('the largest source is found among many', () => {
    const tally = tallyOf();
    for (let i = 0; i < 2_000; i += 1) feed(tally, { from: i % 2 === 0 ? source(7) : source(i) });
    expect(only(tally.closeAll()).topShare).toBeCloseTo(0.5, 1);
  });

  test('a client subnet tells clients apart; it decides only when its sender is trusted', () => {
    const subnets = ['198.51.100.0', '198.51.101.0', '203.0.113.0'];
    const ask = (tally: Tally): DemandCount => {
      for (const ip of subnets) feed(tally, { subnet: { ip, bits: 24 } });
      return only(tally.closeAll());
    };
    expect(ask(tallyOf())).toMatchObject({ answers: 3, sources: 3, deduplicated: 1 });
    expect(ask(tallyOf({ trustedSubnetSenders: ['192.0.2.0/24'] }))).toMatchObject({ sources: 3, deduplicated: 3 });
    expect(ask(tallyOf({ trustedSubnetSenders: ['192.0.3.0/24'] }))).toMatchObject({ deduplicated: 1 });
  });

  test('one source cannot raise more hosted VMs than its cap', () => {
    const tally = tallyOf({ perSourceCap: 10 });
    const names = Array.from({ length: 50 }, (_, i) => `vm-${i}.example`);
    tally.register(names.map((name) => ({ hostedVmId: name, names: [name], ttlSeconds: 30 })));
    for (const name of names) feed(tally, { name });
    const counts = tally.closeAll().flatMap((bucket) => [...bucket.counts]);
    expect(counts.reduce((sum, count) => sum + count.answers, 0)).toBe(50);
    expect(counts.reduce((sum, count) => sum + count.deduplicated, 0)).toBe(10);
  });

  test('a source is established after three minutes, or at once over TCP', () => {
    const tally = tallyOf();
    const established: (number | undefined)[] = [];
    for (let minute = 0; minute < 4; minute += 1) {
      const at = start + minute * 60_000;
      tally.advance(at);
      feed(tally, { atMs: at });
      established.push(only(tally.close(at + 13_000)).established);
    }
    expect(established).toEqual([0, 0, 1, 1]);
    feed(tally, { atMs: start + 200_000, from: source(1), tcp: true });
    expect(only(tally.closeAll()).established).toBe(1);
  });
});

/** Ten minutes of a hosted VM's life in buckets: `askers(second)` gives who asks. */
function live(askers: (second: number) => number[][]): DemandEvidence {
  const tally = tallyOf({}, 10);
  const closed: ClosedBucket[] = [];
  for (let second = 0; second < 600; second += 1) {
    const at = start + second * 1_000;
    closed.push(...tally.close(at));
    for (const from of askers(second)) feed(tally, { atMs: at, from });
  }
  closed.push(...tally.close(start + 620_000));
  const of = (value: (count: DemandCount) => number): DemandSeries => ({
    start,
    stepMs: 10_000,
    qps: closed.slice(0, 60).map(({ counts: [count] }) => (count === undefined ? 0 : value(count) / 10)),
  });
  return {
    deduplicated: of((c) => c.deduplicated),
    established: of((c) => c.established!),
    answers: of((c) => c.answers),
    nxdomain: of((c) => c.rcodes['NXDOMAIN'] ?? 0),
    topSource: of((c) => c.topShare * c.answers),
  };
}

describe('what the spawn guard makes of what was counted', () => {
  /** Twenty resolvers that ask every ten seconds: 2 q/s. */
  const regulars = (second: number): number[][] =>
    Array.from({ length: 20 }, (_, i) => i)
      .filter((i) => (second + i) % 10 === 0)
      .map(source);

  test('a flood from one source at a hundred times the demand changes nothing that matters', () => {
    const flood = (second: number): number[][] =>
      second < 300 ? regulars(second) : [...regulars(second), ...Array.from({ length: 200 }, () => [198, 51, 100, 9])];
    const calm = guardDemand(live(regulars)).series.qps;
    const guarded = guardDemand(live(flood)).series.qps;
    guarded.forEach((qps, i) => expect(Math.abs(qps - calm[i]!)).toBeLessThanOrEqual(0.11));
  });

  test('a crowd of as many distinct sources raises nothing while nobody knows them, and all of it counts in minute four', () => {
    // Each of 2,000 resolvers asks every ten seconds from minute five on: 200 q/s.
    const crowd = (second: number): number[][] =>
      second < 300
        ? regulars(second)
        : [...regulars(second), ...Array.from({ length: 200 }, (_, i) => [20, second % 10, i, 1])];
    const evidence = live(crowd);
    const { series } = guardDemand(evidence);
    expect(evidence.deduplicated.qps[31]).toBeGreaterThan(150);
    expect(series.qps[31]).toBeLessThan(4);
    expect(series.qps[40]).toBeLessThan(4);
    expect(series.qps[44]).toBeGreaterThan(150);
  });

  test('a spoofed crowd that is new each time raises nothing, and says why', () => {
    const spoofed = (second: number): number[][] =>
      second < 300
        ? regulars(second)
        : [...regulars(second), ...Array.from({ length: 200 }, (_, i) => [30 + (second >> 8), second & 255, i, 1])];
    const evidence = live(spoofed);
    const { series, reason, heldBackQps } = guardDemand(evidence);
    expect(evidence.deduplicated.qps.at(-1)).toBeGreaterThan(150);
    expect(series.qps.at(-1)).toBeLessThan(4);
    expect(heldBackQps).toBeGreaterThan(140);
    expect(reason).toMatchObject({ code: 'dns-demand-frozen' });
    expect(reason?.text).toMatch(/new sources jumped from \d+ % to 9\d %/);
  });
});
