import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startCollector } from '../../../src/collector/collector.ts';
import type { Collector } from '../../../src/collector/collector.ts';
import { KeptStore, until } from './kept-store.ts';
import {
  askAll,
  isInstalled,
  startBind,
  startDnsdist,
  startKnot,
  startNsd,
  startUnbound,
  zoneNames,
} from './live-name-servers.ts';
import type { LiveServer } from './live-name-servers.ts';

const names = zoneNames(60);
/** A name server keeps some hundred frames for its sender, which a busy machine stops for a third of a second: none is thrown away. */
const queriesPerSecond = 1_500;

/** Every third name more often than the next; some AAAA without an answer, some unknown names, some in capitals. */
function queries(): { lines: string[]; truth: Record<string, number> } {
  const truth: Record<string, number> = {};
  const lines = Array.from({ length: 6_000 }, (_, i) => {
    const name = names[(i * i + 3 * i) % names.length]!;
    if (i % 20 === 7) return `nothing-${i}.vm.example A`;
    if (i % 10 === 3) return `${name} AAAA`;
    truth[name] = (truth[name] ?? 0) + 1;
    return `${i % 13 === 0 ? name.toUpperCase() : name} A`;
  });
  return { lines, truth };
}

/** Ended after each test, whatever became of it; the youngest first. */
const ends: (() => Promise<void>)[] = [];
const endingWith = <T extends { stop(): Promise<void> }>(server: T): T => {
  ends.push(() => server.stop());
  return server;
};

type Running = { collector: Collector; store: KeptStore; socket: string; tcp: string; end: () => Promise<void> };

async function collecting(): Promise<Running> {
  const dir = await mkdtemp(join(tmpdir(), 'umbra-live-'));
  const store = new KeptStore();
  const socket = join(dir, 'dnstap.sock');
  const collector = await startCollector({
    edge: 'here',
    listen: { tcp: { host: '127.0.0.1', port: 0 }, unix: { path: socket, mode: 0o666 } },
    store,
    spoolDir: join(dir, 'spool'),
    names: (listener) => {
      listener(names.map((name) => ({ hostedVmId: name, names: [name], ttlSeconds: 30 })));
      return () => undefined;
    },
  });
  const tcp = collector.addresses.tcp!;
  const running = {
    collector,
    store,
    socket,
    tcp: `${tcp.host}:${tcp.port}`,
    async end() {
      await collector.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
  ends.push(running.end);
  return running;
}

function responses(collector: Collector): number {
  const { answers, unanswered, unknownNames } = collector.stats().frames;
  return answers + unanswered + unknownNames;
}

async function demandEqualsTruth(server: LiveServer, running: Running): Promise<void> {
  const { lines, truth } = queries();
  const { collector, store } = running;
  await until('the server sends dnstap', () => collector.stats().senders > 0);
  expect(await askAll(server.port, lines, queriesPerSecond)).toBe(lines.length);
  // Servers hold frames back for a second or two, and some throw them away when they are told to stop.
  await until('every frame has come', () => responses(collector) >= lines.length);
  await server.stop();
  await until('its stream has ended', () => collector.stats().senders === 0);
  await running.end();
  expect(store.answers()).toEqual(truth);
  const { late, undecodable } = collector.stats().frames;
  expect([late, undecodable]).toEqual([0, 0]);
}

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

describe('demand by name equals what was asked, to the query', () => {
  const withPerf = isInstalled('dnsperf');
  const tested = (program: string) => (withPerf && isInstalled(program) ? test : test.skip);

  tested('named')(
    'with BIND over a unix socket',
    async () => {
      const running = await collecting();
      await demandEqualsTruth(endingWith(await startBind(names, running.socket)), running);
    },
    60_000,
  );

  tested('knotd')(
    'with Knot over a unix socket',
    async () => {
      const running = await collecting();
      await demandEqualsTruth(endingWith(await startKnot(names, running.socket)), running);
    },
    60_000,
  );

  tested('nsd')(
    'with NSD over a unix socket, but for what it throws away under load: never more than was asked',
    async () => {
      const running = await collecting();
      const { collector, store } = running;
      const server = endingWith(await startNsd(names, running.socket));
      const { lines, truth } = queries();
      await until('the server sends dnstap', () => collector.stats().senders > 0);
      expect(await askAll(server.port, lines, queriesPerSecond)).toBe(lines.length);
      const moving = { frames: -1, since: Date.now() };
      await until('the last frame has come', () => {
        const frames = responses(collector);
        if (frames !== moving.frames) Object.assign(moving, { frames, since: Date.now() });
        return Date.now() - moving.since > 2_500;
      });
      await running.end();
      // Its processes throw frames away when the pipe to their collector is full, and do not count them.
      const counted = store.answers();
      for (const [name, asked] of Object.entries(truth)) expect(counted[name] ?? 0).toBeLessThanOrEqual(asked);
      const sum = (all: Record<string, number>): number => Object.values(all).reduce((a, b) => a + b, 0);
      process.stderr.write(`NSD sent ${sum(counted)} of ${sum(truth)} answers\n`);
      expect(sum(counted)).toBeGreaterThan(0.5 * sum(truth));
      expect(store.buckets.every(({ observedShare }) => observedShare === null)).toBe(true);
    },
    60_000,
  );

  tested('unbound')(
    'with Unbound over TCP',
    async () => {
      const running = await collecting();
      const upstream = endingWith(await startKnot(names, undefined));
      await demandEqualsTruth(await startUnbound(upstream.port, running.tcp.replace(':', '@')), running);
      await upstream.stop();
    },
    60_000,
  );

  tested('dnsdist')(
    'with dnsdist and its cache over TCP',
    async () => {
      const running = await collecting();
      const upstream = endingWith(await startKnot(names, undefined));
      await demandEqualsTruth(await startDnsdist(upstream.port, running.tcp), running);
      await upstream.stop();
    },
    60_000,
  );
});
