import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from '@jest/globals';
import { bucketMs } from '../../../src/domain/demand.ts';
import type { Evaluation } from '../../../src/domain/plan.ts';
import { dayMs, hourMs, minuteMs } from '../../../src/domain/time.ts';
import { judge } from '../../../src/foresight/judge.ts';
import { reportForesight } from '../../../src/foresight/report.ts';
import { openStores } from '../../../src/composition/stores.ts';
import type { Stores } from '../../../src/composition/stores.ts';
import { startTestPostgres } from '../../support/postgres.ts';
import type { FreshDatabase, TestPostgres } from '../../support/postgres.ts';

let postgres: TestPostgres;
let database: FreshDatabase;
let stores: Stores;
beforeAll(async () => void (postgres = await startTestPostgres()), 60_000);
afterAll(() => postgres.stop());
beforeEach(async () => {
  database = await postgres.fresh();
  stores = openStores(database.url);
});
afterEach(async () => {
  await stores.sql.close();
  await database.drop();
});

const stepMs = 5 * minuteMs;
/** A round five minutes of today: buckets of other days would need partitions of their own. */
const now = Math.floor(Date.now() / stepMs) * stepMs;

/** Ten-second buckets of constant demand for each minute given, oldest first, the last one ending at `now`. */
async function demandOf(hostedVmId: string, perMinute: readonly number[]): Promise<void> {
  const from = now - perMinute.length * minuteMs;
  const at = perMinute.flatMap((qps, minute) =>
    Array.from({ length: 6 }, (_, bucket) => ({ at: from + minute * minuteMs + bucket * bucketMs, qps })),
  );
  await stores.demand.write({
    edge: hostedVmId,
    epoch: 1,
    seq: 1,
    buckets: at.map((each) => ({
      edge: hostedVmId,
      at: each.at,
      observedShare: 1,
      senders: 1,
      frames: 1,
      dropped: 0,
      late: 0,
      undecodable: 0,
    })),
    counts: at.map((each) => ({
      hostedVmId,
      at: each.at,
      answers: each.qps * 10,
      deduplicated: each.qps * 10,
      estimatedQps: each.qps,
      sources: 1,
      rcodes: {},
      types: {},
      tcp: 0,
      responseBytes: 0,
      topShare: 0,
    })),
  });
}

function evaluationAt(at: number, overload: number): Evaluation {
  return {
    at,
    demandQps: 50,
    model: 'umbra',
    peak: { p50: 50, p90: 60, p99: 70 },
    risk: { score: overload, overload, failure: 0, parts: [], calibrated: false },
    plan: { wanted: [], reasons: [] },
    nextInMs: 5 * minuteMs,
  };
}

const circumstances = { leadTimeMs: 5 * minuteMs, capacityQps: 100, readyShadows: 1 };
const deps = () => ({
  ...stores,
  ledger: stores.fits,
  hostedVmIds: () => Promise.resolve(['shop', 'blog']),
});

/** Flat quantiles, as they were issued at `at`. */
async function issue(hostedVmId: string, at: number, levels: readonly number[], overload = 0.05): Promise<void> {
  const values = levels.map((level) => new Array<number>(24).fill(level));
  const start = Math.floor(at / stepMs) * stepMs;
  await stores.forecasts.save(
    hostedVmId,
    evaluationAt(at, overload),
    { hostedVmId, at, model: 'umbra', start, stepMs, values },
    circumstances,
  );
}

describe('turns to be fitted', () => {
  const by = { now, until: now + 10 * minuteMs, limit: 1 };

  test('are given to one of several workers that ask at once', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => `vm-${index}`);
    const claimed = await Promise.all(
      Array.from({ length: 30 }, (_, index) => stores.fits.claim(ids, { ...by, holder: `worker-${index % 3}` })),
    );
    const given = claimed.flat();
    expect(new Set(given).size).toBe(given.length);
    const rest = await stores.fits.claim(ids, { ...by, holder: 'late', limit: 100 });
    expect([...given, ...rest].sort()).toEqual([...ids].sort());
  });

  test('of a killed worker are given to another when its claim has ended, and its late word is ignored', async () => {
    expect(await stores.fits.claim(['shop'], { ...by, holder: 'killed' })).toEqual(['shop']);
    expect(await stores.fits.claim(['shop'], { ...by, holder: 'other', now: by.until - 1 })).toEqual([]);
    const later = { holder: 'other', now: by.until, until: by.until + minuteMs, limit: 1 };
    expect(await stores.fits.claim(['shop'], later)).toEqual(['shop']);
    await stores.fits.settle('shop', { holder: 'killed', dueAt: 0 });
    expect(await stores.fits.claim(['shop'], { ...later, holder: 'third' })).toEqual([]);
  });

  test('come again when they are due, or hastened', async () => {
    await stores.fits.claim(['shop'], { ...by, holder: 'one' });
    await stores.fits.settle('shop', { holder: 'one', dueAt: now + dayMs, unfit: 'naive needs 2 h of history' });
    expect(await stores.fits.unfit()).toEqual(new Map([['shop', 'naive needs 2 h of history']]));
    expect(await stores.fits.claim(['shop'], { ...by, holder: 'one', now: now + dayMs - 1 })).toEqual([]);
    await stores.fits.hasten('shop', now + hourMs);
    expect(await stores.fits.claim(['shop'], { ...by, holder: 'one', now: now + hourMs })).toEqual(['shop']);
  });
});

describe('what was said is compared with what came', () => {
  test('a risk with the need within its lead time, once', async () => {
    // Two hours of 50 q/s; ten minutes before the end demand jumps to 150 for three minutes.
    const minutes = new Array<number>(120).fill(50).fill(150, 110, 113);
    await demandOf('shop', minutes);
    for (const back of [60, 13, 11, 10]) await issue('shop', now - back * minuteMs, [40, 50, 60, 65, 70]);
    // Not judged: its lead time is not over.
    await issue('shop', now - 2 * minuteMs, [40, 50, 60, 65, 70]);

    expect((await judge(deps(), now)).judged).toBe(4);
    expect((await judge(deps(), now)).judged).toBe(0);
    const report = await reportForesight(deps(), now);
    expect(report.risk).toMatchObject({ outcomes: 4, needs: 3 });
    expect(report.risk.brier).toBeCloseTo((0.05 ** 2 + 3 * 0.95 ** 2) / 4, 5);
    // Three evaluations saw (or missed) one need: told once, with what the last one before it knew.
    expect(report.misses).toEqual([
      {
        hostedVmId: 'shop',
        at: now - 10 * minuteMs,
        text: 'demand of 150 q/s passed the 100 q/s that serve; a shadow was ready.',
        known: 'risk 5; p90 60 q/s by umbra',
      },
    ]);
    expect(report.pool).toEqual({ hits: 1, misses: 0, idleHours: Number((10 / 60).toFixed(2)) });
  });

  test('a forecast with demand of the steps it spoke of, from a quarter of an hour ahead on', async () => {
    await demandOf('shop', new Array<number>(60).fill(50).fill(65, 50, 60));
    await issue('shop', now - 60 * minuteMs, [40, 50, 60, 65, 70]);
    await issue('shop', now - 20 * minuteMs, [40, 50, 70, 75, 80]);
    // The last five minutes have ended just now: they settle first.
    const { compared } = await judge(deps(), now + 2 * minuteMs);
    expect(compared).toBe(9);
    const steps = (await stores.outcomes.steps(['shop'], 100)).get('shop')!;
    expect(steps[0]).toMatchObject({ at: now - 45 * minuteMs, issuedAt: now - 60 * minuteMs, actual: 50, p90: 60 });
    expect(steps.at(-1)).toMatchObject({ at: now - 5 * minuteMs, issuedAt: now - 20 * minuteMs, actual: 65, p90: 70 });
    const { coverage90, coverage99 } = (await stores.beliefs.belief('shop')).drift!;
    // The step ten minutes before the end was still said at 60.
    expect(coverage90).toBeCloseTo(8 / 9);
    expect(coverage99).toBe(1);
  });

  test('a forecast that misses for an hour is switched off, refitted, and used again when it has held for an hour', async () => {
    await demandOf('shop', new Array<number>(200).fill(500));
    await stores.fits.claim(['shop'], { holder: 'one', now, until: now, limit: 1 });
    await stores.fits.settle('shop', { holder: 'one', dueAt: now + dayMs });
    await issue('shop', now - 120 * minuteMs, [40, 50, 60, 65, 70]);
    await judge(deps(), now);
    const { drift } = await stores.beliefs.belief('shop');
    expect(drift).toMatchObject({ kind: 'off', reason: { code: 'forecast-off' } });
    const [event] = await stores.registry.events({ hostedVmId: 'shop', limit: 1 });
    expect(event).toMatchObject({ kind: 'forecast-off', actor: 'planner' });
    expect(await stores.fits.claim(['shop'], { holder: 'two', now, until: now, limit: 1 })).toEqual(['shop']);

    await stores.sql.query('delete from forecasts');
    const good = Array.from({ length: 14 }, (_, index) => ({
      hostedVmId: 'shop',
      at: now + index * stepMs,
      model: 'umbra',
      issuedAt: now,
      actual: 500,
      p50: 500,
      p90: 550,
      p99: 600,
    }));
    await stores.outcomes.compare(good.slice(0, 13));
    await demandOf('shop2', [1]);
    await stores.forecasts.save(
      'shop',
      evaluationAt(now, 0),
      {
        hostedVmId: 'shop',
        at: now,
        model: 'umbra',
        start: now,
        stepMs,
        values: [450, 500, 550, 575, 600].map((v) => new Array<number>(24).fill(v)),
      },
      circumstances,
    );
    const seq = { edge: 'shop', epoch: 1, seq: 2 };
    const at = now + 13 * stepMs;
    const buckets = Array.from({ length: 30 }, (_, index) => at + index * bucketMs);
    await stores.demand.write({
      ...seq,
      buckets: buckets.map((each) => ({
        edge: 'shop',
        at: each,
        observedShare: 1,
        senders: 1,
        frames: 1,
        dropped: 0,
        late: 0,
        undecodable: 0,
      })),
      counts: buckets.map((each) => ({
        hostedVmId: 'shop',
        at: each,
        answers: 5_000,
        deduplicated: 5_000,
        estimatedQps: 500,
        sources: 1,
        rcodes: {},
        types: {},
        tcp: 0,
        responseBytes: 0,
        topShare: 0,
      })),
    });
    await judge(deps(), now + 14 * stepMs + 2 * minuteMs);
    expect((await stores.beliefs.belief('shop')).drift?.kind).not.toBe('off');
    expect((await stores.registry.events({ hostedVmId: 'shop', limit: 1 }))[0]!.kind).not.toBe('forecast-off');
  });
});

describe('health of machines', () => {
  test('tells disk latency over its usual value, once enough beats have told it', async () => {
    const beat = (second: number, diskMs?: number) => ({
      ...{ instance: 'shop/0', at: now + second * 1_000 },
      load: { cpu: 0.2, ...(diskMs === undefined ? {} : { diskMs }) },
    });
    const ratio = async () => (await stores.heartbeats.newest(['shop/0'])).get('shop/0')!.diskLatencyRatio;
    for (let second = 0; second < 599; second += 1) await stores.heartbeats.record([beat(second, 2)]);
    expect(await ratio()).toBeUndefined();
    await stores.heartbeats.record([beat(599, 2)]);
    expect(await ratio()).toBeCloseTo(1, 6);
    // It has beaten for a day; then five minutes at three times as long: it is now, and hardly any of it is usual.
    await stores.sql.query('update heartbeats set disk_beats = 86400');
    for (let second = 600; second < 900; second += 1) await stores.heartbeats.record([beat(second, 6)]);
    expect(await ratio()).toBeGreaterThan(2.4);
    expect(await ratio()).toBeLessThan(3);
    // A beat without an operation changes nothing, and one that is late neither.
    const before = await ratio();
    await stores.heartbeats.record([beat(900)]);
    await stores.heartbeats.record([beat(10, 500)]);
    expect(await ratio()).toBe(before);
  });

  test('is stored with an evaluation and its outcome, so that its weight can be learned', async () => {
    await demandOf('shop', new Array<number>(60).fill(50));
    const found = { ...circumstances, expectedFailures: 0.0004, covariates: { 'disk-latency': 1.6 } };
    for (const back of [30, 12])
      await stores.forecasts.save('shop', evaluationAt(now - back * minuteMs, 0), null, found);
    await stores.forecasts.save('blog', evaluationAt(now - 12 * minuteMs, 0), null, circumstances);
    const reason = { code: 'found-failed', text: 'shop failed at 3 of 3' };
    const failedAt = now - 9 * minuteMs;
    await stores.events.append([
      { id: 'f', at: failedAt, hostedVmId: 'shop', kind: 'failed-detected', actor: 'monitor', reason, facts: {} },
    ]);
    expect((await judge(deps(), now)).judged).toBe(3);
    expect(await stores.outcomes.findings(10)).toEqual([
      { hostedVmId: 'shop', failedAt, expected: 0.0004, covariates: { 'disk-latency': 1.6 } },
      { hostedVmId: 'shop', failedAt: null, expected: 0.0004, covariates: { 'disk-latency': 1.6 } },
    ]);
    // One failure is too few to learn from, and the report says so.
    expect(await stores.beliefs.healthWeights()).toMatchObject({ learned: false, failures: 1, outcomes: 2 });
    const { risk } = await reportForesight(deps(), now);
    expect(risk.healthWeights).toBe(
      'health findings weigh as published estimates do, until 30 failures of this fleet are known (1 so far)',
    );
  });
});
