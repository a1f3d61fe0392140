import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startCollector } from '../../../src/collector/collector.ts';
import type { Collector } from '../../../src/collector/collector.ts';
import { openStores } from '../../../src/composition/stores.ts';
import type { Stores } from '../../../src/composition/stores.ts';
import { bucketMs } from '../../../src/domain/demand.ts';
import type { Evaluation } from '../../../src/domain/plan.ts';
import { hourMs, minuteMs } from '../../../src/domain/time.ts';
import { createEvaluator } from '../../../src/foresight/evaluator.ts';
import { predict } from '../../../src/planning/forecast/speak.ts';
import type { Evaluator } from '../../../src/ports/evaluator.ts';
import { startTestPostgres } from '../../support/postgres.ts';
import type { FreshDatabase, TestPostgres } from '../../support/postgres.ts';
import { specOf } from '../../support/spec-of.ts';
import { responseFrame } from '../../unit/collector/dnstap-oracle.ts';
import { RawSender } from '../collector/raw-sender.ts';

const calmQps = 2;
const shop = specOf('shop', { ttlSeconds: 10, capacityQps: 10 });
const spec = { ...shop, policy: { ...shop.policy, minShadows: 0 } };

/** Who asks in this second, as IPv4 addresses. */
type Askers = (second: number) => number[][];

/** Twenty resolvers that ask every ten seconds. */
const regulars: Askers = (second) =>
  Array.from({ length: 20 }, (_, i) => i)
    .filter((i) => (second + i) % 10 === 0)
    .map((i) => [10, 0, i, 1]);
const oneSource: Askers = (second) => [...regulars(second), ...new Array<number[]>(200).fill([198, 51, 100, 9])];
/** Two thousand resolvers, each every ten seconds. */
const crowd: Askers = (second) => [
  ...regulars(second),
  ...Array.from({ length: 200 }, (_, i) => [20, second % 10, i, 1]),
];
/** Addresses that are never the same. */
const spoofed: Askers = (second) => [
  ...regulars(second),
  ...Array.from({ length: 200 }, (_, i) => [30 + (second >> 8), second & 255, i, 1]),
];

/** A name server, a collector, the store and the evaluator, on a clock of their own. */
class Site {
  readonly #sender: RawSender;
  readonly #collector: Collector;
  readonly #clock: { now: number };
  readonly #evaluator: Evaluator;
  readonly #stores: Stores;
  #sent = 0;
  #second = 0;

  private constructor(sender: RawSender, collector: Collector, clock: { now: number }, stores: Stores) {
    this.#sender = sender;
    this.#collector = collector;
    this.#clock = clock;
    this.#stores = stores;
    this.#evaluator = createEvaluator({
      ...stores,
      predictor: { predict: (job) => Promise.resolve(predict(job)) },
      isLarge: () => false,
      healthOf: () => Promise.resolve(undefined),
    });
  }

  static async open(stores: Stores, dir: string): Promise<Site> {
    const clock = { now: Math.floor((Date.now() - 2 * hourMs) / (5 * minuteMs)) * 5 * minuteMs };
    await writeHistory(stores, clock.now);
    const collector = await startCollector({
      edge: 'north',
      listen: { unix: join(dir, 'dnstap.sock') },
      store: stores.demand,
      spoolDir: join(dir, 'spool'),
      clock: () => clock.now,
      names: (listener) => {
        listener([{ hostedVmId: 'shop', names: spec.names, ttlSeconds: spec.ttlSeconds }]);
        return () => undefined;
      },
      tally: { pairs: 2 ** 16, sourceEntries: 2 ** 16 },
      shed: false,
    });
    const sender = await RawSender.started({ path: collector.addresses.unix! });
    return new Site(sender, collector, clock, stores);
  }

  /** Lets a minute pass, and evaluates when its last bucket is in the store. */
  async minute(askers: Askers): Promise<Evaluation> {
    for (let tenth = 0; tenth < 6; tenth += 1) {
      for (let i = 0; i < 10; i += 1, this.#second += 1) {
        for (const from of askers(this.#second)) {
          this.#sender.send(responseFrame({ name: spec.names[0]!, atMs: this.#clock.now + i * 1_000, from }));
          this.#sent += 1;
        }
      }
      await this.#holds('frames counted', () => this.#collector.stats().frames.answers === this.#sent);
      this.#clock.now += bucketMs;
    }
    const over = this.#clock.now;
    // As long after the bucket as its watermark and its way to the store take.
    this.#clock.now += 5_000;
    await this.#holds('the last bucket in the store', async () => {
      const [edge] = (await this.#stores.demand.edges(over)).filter((one) => one.edge === 'north');
      return edge?.lastBucketAt === over - bucketMs;
    });
    const evaluation = await this.#evaluator.evaluate({
      spec,
      instances: [],
      serving: [],
      failoversAt: [],
      now: this.#clock.now,
    });
    this.#clock.now = over;
    return evaluation;
  }

  async minutes(count: number, askers: Askers): Promise<Evaluation[]> {
    const evaluations: Evaluation[] = [];
    for (let i = 0; i < count; i += 1) evaluations.push(await this.minute(askers));
    return evaluations;
  }

  async #holds(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (!(await holds())) {
      if (Date.now() > deadline) throw new Error(`waited 20 s for ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async close(): Promise<void> {
    this.#sender.socket.destroy();
    await once(this.#sender.socket, 'close');
    await this.#collector.close();
  }
}

/** Three hours of the same two questions a second, by an edge that is gone. */
async function writeHistory(stores: Stores, until: number): Promise<void> {
  const buckets = Array.from({ length: 3 * 360 }, (_, i) => until - (i + 1) * bucketMs);
  const seen = { observedShare: 1, senders: 1, frames: 1, dropped: 0, late: 0, undecodable: 0 };
  const count = {
    answers: calmQps * 10,
    deduplicated: calmQps * 10,
    estimatedQps: calmQps,
    sources: 20,
    rcodes: {},
    types: {},
    tcp: 0,
    responseBytes: 0,
    topShare: 0.05,
  };
  await stores.demand.write({
    edge: 'south',
    epoch: 1,
    seq: 1,
    buckets: buckets.map((at) => ({ edge: 'south', at, ...seen })),
    counts: buckets.map((at) => ({ hostedVmId: 'shop', at, ...count })),
  });
}

describe('from the name server to the standby plan', () => {
  let postgres: TestPostgres;
  beforeAll(async () => void (postgres = await startTestPostgres()), 60_000);
  afterAll(() => postgres.stop());

  const at = async (story: (site: Site) => Promise<void>): Promise<void> => {
    const database: FreshDatabase = await postgres.fresh();
    const stores = openStores(database.url);
    const dir = await mkdtemp(join(tmpdir(), 'umbra-guard-'));
    const site = await Site.open(stores, dir);
    try {
      await story(site);
    } finally {
      await site.close();
      await stores.sql.close();
      await database.drop();
      await rm(dir, { recursive: true });
    }
  };

  test('a flood from one source at a hundred times the demand does not change the standby plan', async () => {
    await at(async (site) => {
      const [calm] = (await site.minutes(5, regulars)).slice(-1);
      expect(calm!.plan.wanted).toEqual([]);
      expect(calm!.demandQps).toBeCloseTo(calmQps, 5);
      for (const flooded of await site.minutes(5, oneSource)) {
        expect(flooded.plan.wanted).toEqual([]);
        expect(flooded.demandQps).toBeLessThan(calmQps + 0.2);
        expect(flooded.risk.score).toBeCloseTo(calm!.risk.score, 2);
      }
    });
  }, 60_000);

  test('a flash crowd of as many distinct sources does, once they are no news, and until then it says what it holds back', async () => {
    await at(async (site) => {
      await site.minutes(5, regulars);
      const evaluations = await site.minutes(5, crowd);
      const first = evaluations[0]!;
      expect(first.plan.wanted).toEqual([]);
      expect(first.plan.reasons.at(-1)).toMatchObject({ code: 'dns-demand-frozen' });
      // `umbra explain` prints every reason of the plan; the next look comes as soon as the guard may allow more.
      expect(first.plan.reasons.at(-1)!.text).toMatch(
        /^the share of new sources jumped from \d+ % to 9\d %: 2.0 of 20\d/,
      );
      expect(first.nextInMs).toBeLessThanOrEqual(minuteMs);
      const raised = evaluations.findIndex(({ plan }) => plan.wanted.length > 0);
      // Seen in three minutes, counted from the third or the fourth on, whatever the clock said when it began.
      expect(raised).toBeGreaterThanOrEqual(2);
      expect(raised).toBeLessThanOrEqual(3);
      const last = evaluations.at(-1)!;
      expect(last.demandQps).toBeGreaterThan(180);
      expect(last.plan.wanted).toEqual([expect.objectContaining({ tier: 2, count: 3 })]);
      expect(last.plan.reasons.map(({ code }) => code)).not.toContain('dns-demand-frozen');
    });
  }, 60_000);

  test('spoofed addresses that never come back raise nothing', async () => {
    await at(async (site) => {
      await site.minutes(5, regulars);
      for (const { plan, demandQps } of await site.minutes(5, spoofed)) {
        expect(plan.wanted).toEqual([]);
        expect(demandQps).toBeLessThan(calmQps + 0.2);
      }
    });
  }, 60_000);
});
