import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { BindStatistics } from '../../../src/collector/bind-statistics.ts';
import { startCollector } from '../../../src/collector/collector.ts';
import { KeptStore, until } from './kept-store.ts';
import { askAll, freeUdpPort, isInstalled, startBind, zoneNames } from './live-name-servers.ts';

const names = zoneNames(20);

/** What stands between a server and its collector, and lets nothing through while it is held. */
async function valve(path: string, to: string): Promise<{ hold(held: boolean): void; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const state = { held: false };
  const server = createServer((near) => {
    const far = connect(to);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    near.pipe(far);
    far.pipe(near);
    if (state.held) near.pause();
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    hold(held) {
      state.held = held;
      for (const socket of sockets) if (held) socket.cork();
      for (const socket of sockets) if (!held) socket.uncork();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('what a server drops is added back', () => {
  const held = { dir: '', ends: [] as (() => Promise<void>)[] };
  beforeEach(async () => {
    held.dir = await mkdtemp(join(tmpdir(), 'umbra-losses-'));
  });
  afterEach(async () => {
    for (const end of held.ends.splice(0).reverse()) await end();
    await rm(held.dir, { recursive: true });
  });

  const tested = isInstalled('named') && isInstalled('dnsperf') ? test : test.skip;
  tested(
    'live from BIND behind a throttled receiver: DNS does not suffer, and demand stays within one percent',
    async () => {
      const statisticsPort = await freeUdpPort();
      const socket = join(held.dir, 'dnstap.sock');
      const behind = join(held.dir, 'valve.sock');
      // A small queue, so that a short hold is enough to overflow it.
      const server = await startBind(names, behind, { statisticsPort, queue: 512 });
      held.ends.push(() => server.stop());
      const store = new KeptStore();
      const collector = await startCollector({
        edge: 'north',
        listen: { unix: socket },
        store,
        spoolDir: join(held.dir, 'spool'),
        names: (listener) => {
          listener(names.map((name) => ({ hostedVmId: name, names: [name], ttlSeconds: 30 })));
          return () => undefined;
        },
        statistics: `http://127.0.0.1:${statisticsPort}`,
      });
      held.ends.push(() => collector.close());
      const gate = await valve(behind, socket);
      held.ends.push(() => gate.close());
      await until('BIND has connected', () => collector.stats().senders === 1);

      const queries = Array.from({ length: 40_000 }, (_, i) => `${names[(i * 7) % names.length]!} A`);
      const asking = askAll(server.port, queries, 8_000);
      await until('frames come', () => collector.stats().frames.answers > 4_000);
      gate.hold(true);
      const counted = collector.stats().frames.answers;
      await new Promise((resolve) => setTimeout(resolve, 900));
      gate.hold(false);
      // Not one answer is late or lost for the client: dnsperf counts what completed.
      expect(await asking).toBe(queries.length);
      expect(collector.stats().frames.answers).toBeGreaterThan(counted);
      // The server holds its last frames back for up to two seconds.
      const moving = { answers: -1, since: Date.now() };
      await until('the last frame has come', () => {
        const { answers } = collector.stats().frames;
        if (answers !== moving.answers) Object.assign(moving, { answers, since: Date.now() });
        return Date.now() - moving.since > 2_500;
      });
      await collector.close();

      const shares = new Map(store.buckets.map((bucket) => [bucket.at, bucket.observedShare ?? bucket.intake ?? 1]));
      const raw = store.counts.reduce((sum, count) => sum + count.answers, 0);
      const corrected = store.counts.reduce((sum, count) => sum + count.answers / shares.get(count.at)!, 0);
      const { dropped } = store.buckets.reduce((sum, bucket) => ({ dropped: sum.dropped + bucket.dropped }), {
        dropped: 0,
      });
      process.stderr.write(
        `BIND dropped ${dropped} of ${queries.length}: counted ${raw}, corrected ${Math.round(corrected)}\n`,
      );
      expect(Math.abs(corrected - queries.length) / queries.length).toBeLessThan(0.01);
    },
    60_000,
  );

  test('counters are taken as movement; a restarted or silent server is no nonsense', async () => {
    const answers: (Record<string, number> | undefined)[] = [
      { DNSTAPsuccess: 1_000, DNSTAPdropped: 10 },
      { DNSTAPsuccess: 1_800, DNSTAPdropped: 210 },
      { DNSTAPsuccess: 90, DNSTAPdropped: 10 },
      undefined,
      { DNSTAPsuccess: 190, DNSTAPdropped: 10 },
    ];
    const http = createHttpServer((_, response) => {
      const next = answers.shift();
      if (next === undefined) response.destroy();
      else response.end(JSON.stringify({ dnstapstats: next }));
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    held.ends.push(async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    });
    const said: string[] = [];
    const statistics = new BindStatistics(
      [`http://127.0.0.1:${(http.address() as AddressInfo).port}`],
      (_, text) => void said.push(text),
    );
    for (let at = 0; at < 5; at += 1) await statistics.look(at);
    expect([0, 1, 2, 3, 4, 5].map((at) => statistics.shareOf(at))).toEqual([
      { share: null, dropped: 0 },
      { share: 0.8, dropped: 200 },
      { share: 0.9, dropped: 10 },
      { share: null, dropped: 0 },
      { share: 1, dropped: 0 },
      { share: null, dropped: 0 },
    ]);
    expect(said).toHaveLength(1);
  });
});
