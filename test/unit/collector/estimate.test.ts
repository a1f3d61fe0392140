import { describe, expect, test } from '@jest/globals';

import { Sightings } from '../../../src/collector/sightings.ts';
import { HyperLogLogs, mix, SpaceSavings } from '../../../src/collector/sketches.ts';

/** Seeded uniform numbers (mulberry32). */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * 2,000 resolvers with Zipf shares, one cache each, Poisson clients: what reaches us, and what we estimate behind it.
 * The setting of `dns.md` 6.
 */
function simulate(demandPerSecond: number, ttlSeconds: number, seconds: number): { raw: number; estimate: number } {
  const random = seeded(7);
  const resolvers = 2_000;
  const weights = Array.from({ length: resolvers }, (_, i) => 1 / (i + 1));
  const sum = weights.reduce((a, b) => a + b, 0);
  const sightings = new Sightings({ pairs: 2 ** 13, sources: 2 ** 13, perSourceCap: 1e9, seed: 5 });
  const events: [number, number][] = [];
  for (let r = 0; r < resolvers; r += 1) {
    const rate = (demandPerSecond * weights[r]!) / sum;
    let at = -Math.log(1 - random()) / rate;
    while (at < seconds) {
      events.push([at, r]);
      at += ttlSeconds - Math.log(1 - random()) / rate;
    }
  }
  events.sort((a, b) => a[0] - b[0]);
  const into = new Float64Array(1);
  const ttls = new Uint16Array([ttlSeconds]);
  let bucket = 0;
  for (const [at, r] of events) {
    while (at >= (bucket + 1) * 10) {
      bucket += 1;
      sightings.estimate(bucket * 1_000, 10, ttls, into);
    }
    sightings.see(0, sightings.key(1, r), Math.floor(at * 100), bucket, ttlSeconds, false, Math.floor(at * 100));
  }
  return { raw: events.length / seconds, estimate: into[0]! };
}

describe('the cache-gap estimate', () => {
  test.each([
    [1, 5, 0.5],
    [10, 5, 0.35],
    [100, 5, 0.35],
    [1_000, 5, 0.45],
    [10, 30, 0.5],
    [100, 30, 0.5],
    [1_000, 30, 0.5],
  ])('finds %d client queries a second behind resolvers with TTL %d within %d', (demand, ttl, tolerance) => {
    const { estimate } = simulate(demand, ttl, 900);
    expect(Math.abs(estimate - demand) / demand).toBeLessThan(tolerance);
  });

  test('it tells apart demands that look alike in raw counts', () => {
    const low = simulate(1_000, 30, 600);
    const high = simulate(10_000, 30, 600);
    expect(high.raw / low.raw).toBeLessThan(1.5);
    expect(high.estimate / low.estimate).toBeGreaterThan(4);
  });
});

describe('sketches', () => {
  test.each([1, 10, 100, 1_000, 10_000, 100_000])('HyperLogLog counts %d sources within a tenth', (truth) => {
    const sketches = new HyperLogLogs();
    sketches.take();
    const one = sketches.take();
    for (let i = 0; i < truth; i += 1) for (let again = 0; again < 2; again += 1) sketches.add(one, mix(i * 7_919));
    expect(Math.abs(sketches.estimate(one) - truth) / truth).toBeLessThan(0.1);
    expect(sketches.estimate(0)).toBe(0);
  });

  test('space-saving never claims more for a source than it sent', () => {
    const random = seeded(3);
    for (let round = 0; round < 50; round += 1) {
      const sketches = new SpaceSavings();
      const one = sketches.take();
      const truth = new Map<number, number>();
      for (let i = 0; i < 500; i += 1) {
        const key = Math.floor(random() ** 3 * 40);
        truth.set(key, (truth.get(key) ?? 0) + 1);
        sketches.add(one, key);
      }
      expect(sketches.top(one)).toBeLessThanOrEqual(Math.max(...truth.values()));
      expect(sketches.top(one)).toBeGreaterThan(0);
    }
  });
});
