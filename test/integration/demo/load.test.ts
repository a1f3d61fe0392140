import { afterEach, describe, expect, test } from '@jest/globals';
import { createSocket } from 'node:dgram';
import { bounded, demandAt, sourceAddress, startLoad } from '../../../src/demo/load.ts';
import { levelAt, shapes } from '../../../src/demo/shapes.ts';
import { decodeMessage } from '../../../src/providers/dns/message.ts';
import { rfc2136NameServer } from '../../../src/providers/dns/rfc2136.ts';
import { key, startTestServer, zone } from '../dns/servers.ts';
import type { ShapeName } from '../../../src/demo/shapes.ts';

/** Of the Umbra that the claims are written by. */
const installation = '3f9c2a71b0de';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function until(condition: () => boolean, what: string, withinMs = 15_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const vms = ['shop', 'news', 'wild'].map((id) => ({
  id,
  name: id === 'wild' ? `*.wild.${zone}` : `${id}.${zone}`,
  capacityQps: 50,
}));

describe('the load of the demonstration', () => {
  test('follows who is named in DNS', async () => {
    const records = vms.map(({ name }, i) => ({ name, type: 'A' as const, ttlSeconds: 5, value: `10.0.0.${i}` }));
    const server = await startTestServer('embedded', records);
    cleanUps.push(() => server.close());
    const load = new Map<string, number>();
    const rates = new Map<string, number>();
    const running = startLoad({
      server,
      vms,
      now: Date.now,
      onRate: (id, qps) => rates.set(id, qps),
      onAnswer: (address, qps) => load.set(address, qps),
    });
    cleanUps.push(() => running.stop());
    await until(
      () => ['10.0.0.0', '10.0.0.1', '10.0.0.2'].every((address) => (load.get(address) ?? 0) > 0),
      'load everywhere',
    );
    expect([...rates.keys()]).toEqual(['shop', 'news', 'wild']);

    const dns = rfc2136NameServer({ installation, servers: [server], key });
    const change = { zone, names: [`shop.${zone}`], ttlSeconds: 5, a: ['10.0.9.9'], aaaa: [] };
    await dns.ensureAnswers({ owner: 'shop', from: undefined, to: 1, takingOver: 'anything', records: change });
    await until(() => load.get('10.0.0.0') === 0 && (load.get('10.0.9.9') ?? 0) > 0, 'load on the new address only');
    expect(running.counts().lost).toBe(0);
  }, 40_000);

  test('comes from many networks and is bounded whatever crowd is asked for', async () => {
    const sources = new Set<string>();
    let asked = 0;
    const sink = createSocket('udp4');
    sink.on('message', (bytes, from) => {
      asked += 1;
      sources.add(from.address);
      expect(decodeMessage(bytes).questions).toHaveLength(1);
    });
    await new Promise<void>((resolve) => sink.bind(0, '127.0.0.1', resolve));
    cleanUps.push(() => sink.close());
    const startedAt = Date.now();
    const running = startLoad({
      server: { host: '127.0.0.1', port: sink.address().port },
      vms,
      now: Date.now,
      maxQps: 100,
    });
    cleanUps.push(() => running.stop());
    running.flashCrowd('shop', 1_000, 60_000);
    await until(() => asked > 150, 'questions');
    const seconds = (Date.now() - startedAt) / 1_000;
    // Poisson: five standard deviations above the mean.
    expect(asked).toBeLessThan(100 * seconds + 5 * Math.sqrt(100 * seconds) + 10);
    if (process.platform === 'linux') expect(sources.size).toBeGreaterThan(asked * 0.99);
    expect(() => running.flashCrowd('nobody', 2, 1_000)).toThrow('no hosted VM nobody is under load');
  }, 30_000);

  test('shares what a crowd may have without taking from the others', () => {
    const wanted = [
      { calm: 40, crowd: 0 },
      { calm: 30, crowd: 90 },
    ];
    expect(bounded(wanted, 400)).toEqual([40, 120]);
    expect(bounded(wanted, 100)).toEqual([40, 60]);
    expect(bounded(wanted, 35)).toEqual([20, 15]);
  });

  test('walks through 4,096 networks before it comes back to one', () => {
    const networks = new Set(
      Array.from({ length: 4_096 }, (_, i) => sourceAddress(i).split('.').slice(0, 3).join('.')),
    );
    expect(networks.size).toBe(4_096);
    expect([...networks].every((each) => /^127\.(2\d|3[0-5])\.\d+$/.test(each))).toBe(true);
  });

  test('has days and weeks: every shape moves, repeats after seven days and stays below capacity', () => {
    for (const name of Object.keys(shapes) as ShapeName[]) {
      const week = Array.from({ length: 336 }, (_, i) => levelAt(name, i / 48));
      expect(Math.max(...week)).toBe(1);
      expect(Math.min(...week)).toBeLessThan(0.6);
      expect(levelAt(name, 7.25)).toBeCloseTo(levelAt(name, 0.25), 10);
      expect(levelAt(name, -0.5)).toBeCloseTo(levelAt(name, 6.5), 10);
    }
    const vm = { ...vms[0]!, shape: 'shop' as const };
    expect(demandAt(vm, 0, 0, {})).toBeLessThanOrEqual(30);
    expect(demandAt(vm, 0, 600_000 * 7, {})).toBeCloseTo(demandAt(vm, 0, 0, {}), 6);
  });
});
