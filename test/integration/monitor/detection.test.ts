import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { verdictOf } from '../../../src/domain/health.ts';
import { systemClock } from '../../../src/monitor/clock.ts';
import { monitorShard } from '../../../src/monitor/shard.ts';
import { rfc2136NameServer } from '../../../src/providers/dns/rfc2136.ts';
import { socketProber } from '../../../src/providers/probes/prober.ts';
import { available, key, startTestServer, zone } from '../dns/servers.ts';
import { startGuest } from './guests.ts';
import type { HealthReport } from '../../../src/domain/health.ts';
import type { MonitoredInstance } from '../../../src/monitor/monitored.ts';
import type { NameServer } from '../../../src/ports/name-server.ts';
import type { TestServer } from '../dns/servers.ts';
import type { Guest } from './guests.ts';

/** Of the Umbra that the claims are written by. */
const installation = '3f9c2a71b0de';

const count = 20;
const ids = Array.from({ length: count }, (_, i) => `vm${i}`);

/** The two loops that make a failover fast, without Temporal between them: three monitors, and DNS by compare-and-set. */
describe('twenty hosted VMs that fail at once', () => {
  let server: TestServer;
  let dns: NameServer;
  let guests: Guest[];
  const end = new AbortController();
  const reports: HealthReport[] = [];
  const decidedAt = new Map<string, number>();
  const answeredAt = new Map<string, number>();
  const settled: Promise<unknown>[] = [];

  beforeAll(async () => {
    const records = ids.map((id) => ({ name: `${id}.${zone}`, type: 'A' as const, ttlSeconds: 5, value: '10.0.0.1' }));
    server = await startTestServer(available('bind') ? 'bind' : 'embedded', records);
    dns = rfc2136NameServer({ installation, servers: [server], key });
    const change = (id: string, a: string) => ({ zone, names: [`${id}.${zone}`], ttlSeconds: 5, a: [a], aaaa: [] });
    guests = await Promise.all(
      ids.map((_, i) => startGuest(process.platform === 'linux' ? `127.30.0.${i + 1}` : '127.0.0.1')),
    );
    for (const [i, id] of ids.entries()) {
      await dns.ensureAnswers({
        owner: id,
        from: undefined,
        to: 1,
        takingOver: 'anything',
        records: change(id, guests[i]!.address),
      });
    }
    const list = ids.map((id, i): MonitoredInstance => {
      const check = { kind: 'http' as const, port: guests[i]!.port, intervalMs: 1_000, timeoutMs: 2_000, failures: 3 };
      const { address } = guests[i]!;
      return {
        instance: `${id}/0`,
        hostedVmId: id,
        address,
        checks: [check],
        host: id,
        capacityQps: 100,
        serving: true,
      };
    });
    for (const vantage of ['north', 'south', 'west']) {
      void monitorShard({
        ...{ vantage, epoch: 1, prober: socketProber(), clock: systemClock, signal: end.signal, instances: () => list },
        beat: () => undefined,
        send: (report) => {
          reports.push(report);
          const id = report.instance.replace('/0', '');
          const known = new Map(
            reports.filter(({ instance }) => instance === report.instance).map((each) => [each.vantage, each]),
          );
          if (decidedAt.has(id) || verdictOf([...known.values()], 2).finding !== 'failed') return Promise.resolve();
          decidedAt.set(id, Date.now());
          settled.push(
            dns.ensureAnswers({ owner: id, from: 1, to: 2, records: change(id, '10.0.0.2') }).then((outcome) => {
              if (outcome.kind === 'applied') answeredAt.set(id, outcome.appliedAtMs);
            }),
          );
          return Promise.resolve();
        },
      });
    }
  }, 30_000);

  afterAll(async () => {
    end.abort();
    await Promise.all(guests.map((guest) => guest.close()));
    await server.close();
  });

  async function until(condition: () => boolean, what: string, withinMs: number): Promise<void> {
    const deadline = Date.now() + withinMs;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms for: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  test('are found by a quorum and answered elsewhere, half refused and half silent', async () => {
    const healthy = () => reports.filter(({ to }) => to === 'healthy').length;
    await until(() => healthy() === 3 * count, 'everybody healthy at three vantage points', 15_000);

    const failedAt = Date.now();
    for (const [i, guest] of guests.entries()) {
      if (i % 2 === 0) await guest.die();
      else guest.hang();
    }
    await until(() => decidedAt.size === count, 'a quorum on all of them', 15_000);
    await Promise.all(settled);

    const sorted = (values: number[]) => values.sort((a, b) => a - b);
    const p95 = (values: number[]) => sorted(values)[Math.ceil(values.length * 0.95) - 1] ?? Infinity;
    const detection = ids.map((id) => decidedAt.get(id)! - failedAt);
    const answer = ids.map((id) => (answeredAt.get(id) ?? Infinity) - decidedAt.get(id)!);
    process.stdout.write(`failure -> quorum p95 ${p95(detection)} ms, quorum -> answered p95 ${p95(answer)} ms\n`);
    // The goals are 3.3 s and 250 ms; a busy machine may add to them without anything being wrong.
    expect(p95(detection)).toBeLessThan(5_000);
    expect(p95(answer)).toBeLessThan(1_000);
    const seen = await Promise.all(ids.map((id) => dns.observe(zone, [`${id}.${zone}`])));
    expect(seen.map(({ servers }) => servers[0]?.a)).toEqual(ids.map(() => ['10.0.0.2']));
  }, 40_000);
});
