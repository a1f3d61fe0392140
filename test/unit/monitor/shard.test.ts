import { describe, expect, test } from '@jest/globals';
import { isNewer } from '../../../src/domain/health.ts';
import { monitorShard } from '../../../src/monitor/shard.ts';
import { everySecond, monitored, virtualClock, virtualGuests } from './virtual-world.ts';
import type { HealthReport } from '../../../src/domain/health.ts';
import type { ShardCursor, ShardOptions } from '../../../src/monitor/shard.ts';

function shard(options: Partial<ShardOptions> & { count?: number } = {}) {
  const clock = virtualClock();
  const guests = virtualGuests(clock);
  const reports: HealthReport[] = [];
  const cursors: ShardCursor[] = [];
  const end = new AbortController();
  const list = Array.from({ length: options.count ?? 1 }, (_, i) => monitored(i + 1));
  const done = monitorShard({
    vantage: 'north',
    epoch: 7,
    instances: () => list,
    prober: guests.prober,
    send: (report) => {
      reports.push(report);
      return Promise.resolve();
    },
    beat: (cursor) => cursors.push(cursor),
    clock,
    signal: end.signal,
    ...options,
  });
  const about = (n: number) => reports.filter(({ instance }) => instance === `vm${n}/0`);
  return { clock, guests, reports, cursors, list, about, done, end: () => end.abort() };
}

const canary = { address: '10.0.9.9', check: { ...everySecond, kind: 'tcp' as const, port: 53 } };

describe('a monitor shard', () => {
  test.each([
    ['refused', { kind: 'refuses' as const }],
    ['silent', { kind: 'silent' as const }],
  ])('reports a %s instance within 3.3 s, at whatever moment between two probes it fails', async (_, failure) => {
    const took: number[] = [];
    for (let offsetMs = 0; offsetMs < 1_000; offsetMs += 50) {
      const { clock, guests, about, end } = shard({ canaries: [canary] });
      await clock.run(5_000 + offsetMs);
      guests.set('10.0.0.1', failure);
      const failedAt = clock.now();
      await clock.run(6_000);
      const report = about(1).find(({ to }) => to === 'failed');
      took.push((report?.observedAtMs ?? Infinity) - failedAt);
      end();
    }
    expect(Math.max(...took)).toBeLessThanOrEqual(3_300);
    expect(Math.min(...took)).toBeGreaterThan(1_900);
  });

  test('says everything once at the start and then changes only', async () => {
    const { clock, reports, end } = shard({ count: 20 });
    await clock.run(60_000);
    expect(reports.map(({ to }) => to)).toEqual(Array(20).fill('healthy'));
    expect(new Set(reports.map(({ instance }) => instance)).size).toBe(20);
    expect(reports.every(({ epoch, vantage, kind }) => epoch === 7 && vantage === 'north' && kind === 'probe')).toBe(
      true,
    );
    end();
  });

  test('numbers its reports so that each outranks the one before', async () => {
    const { clock, guests, about, end } = shard();
    await clock.run(3_000);
    guests.set('10.0.0.1', { kind: 'refuses' });
    await clock.run(8_000);
    guests.set('10.0.0.1', { kind: 'answers', afterMs: 5 });
    await clock.run(8_000);
    const reports = about(1);
    expect(reports.map(({ to }) => to)).toEqual(['healthy', 'failed', 'healthy']);
    reports.slice(1).forEach((report, i) => expect(isNewer(report, reports[i])).toBe(true));
    end();
  });

  test('says unknown, not failed, when it cannot see its canary either', async () => {
    const { clock, guests, reports, end } = shard({ count: 5, canaries: [canary] });
    await clock.run(5_000);
    for (let n = 1; n <= 5; n += 1) guests.set(`10.0.0.${n}`, { kind: 'silent' });
    guests.set(canary.address, { kind: 'silent' });
    await clock.run(10_000);
    expect(reports.filter(({ to }) => to === 'failed')).toEqual([]);
    expect(reports.filter(({ to }) => to === 'unknown')).toHaveLength(5);
    expect(reports.at(-1)?.evidence).toContain('canary');

    for (let n = 1; n <= 5; n += 1) guests.set(`10.0.0.${n}`, { kind: 'answers', afterMs: 2 });
    guests.set(canary.address, { kind: 'answers', afterMs: 2 });
    await clock.run(5_000);
    expect(reports.slice(-5).map(({ to }) => to)).toEqual(Array(5).fill('healthy'));
    end();
  });

  test('finds overload by slow answers before anything fails', async () => {
    const { clock, guests, about, end } = shard();
    await clock.run(3_000);
    guests.set('10.0.0.1', { kind: 'answers', afterMs: 700 });
    await clock.run(7_000);
    expect(about(1).at(-1)).toMatchObject({
      to: 'overloaded',
      evidence: 'answers take up to 700 ms, 400 ms are allowed',
    });
    end();
  });

  test('does not let one silent instance delay the probes of the others', async () => {
    const { clock, guests, end } = shard({ count: 50 });
    guests.set('10.0.0.1', { kind: 'silent' });
    await clock.run(20_000);
    const of = (address: string) => guests.probes.filter((probe) => probe.address === address).map(({ at }) => at);
    for (let n = 2; n <= 50; n += 1) {
      const at = of(`10.0.0.${n}`);
      expect(at.length).toBeGreaterThanOrEqual(19);
      at.slice(1).forEach((each, i) => expect(each - (at[i] ?? 0)).toBe(1_000));
    }
    end();
  });

  test('spreads its probes over the interval, the same way after a restart', async () => {
    const first = shard({ count: 100 });
    await first.clock.run(999);
    const phases = first.guests.probes.map(({ at }) => at);
    expect(new Set(phases.map((at) => Math.floor((at % 1_000) / 100))).size).toBe(10);
    first.end();
    const second = shard({ count: 100 });
    await second.clock.run(999);
    expect(second.guests.probes).toEqual(first.guests.probes);
    second.end();
  });

  test('sends a report again until it arrives, and then the newest one only', async () => {
    const arrived: HealthReport[] = [];
    let away = true;
    const { clock, guests, end } = shard({
      send: (report) => {
        if (away) return Promise.reject(new Error('Temporal is away'));
        arrived.push(report);
        return Promise.resolve();
      },
    });
    await clock.run(3_000);
    guests.set('10.0.0.1', { kind: 'refuses' });
    await clock.run(10_000);
    away = false;
    await clock.run(20_000);
    expect(arrived.map(({ to }) => to)).toEqual(['failed']);
    end();
  });

  test('gives a report up after its retries and says so, and repeats everything later', async () => {
    let tries = 0;
    const { clock, cursors, end } = shard({
      repeatMs: 200_000,
      send: () => {
        tries += 1;
        return Promise.reject(new Error('no such workflow'));
      },
    });
    await clock.run(150_000);
    expect(tries).toBe(10);
    expect(cursors.at(-1)?.givenUp).toBe(1);
    await clock.run(60_000);
    expect(tries).toBeGreaterThan(10);
    end();
  });

  test('watches what is listed: newcomers at once, a moved one anew, a removed one no more', async () => {
    const { clock, guests, reports, list, end } = shard();
    await clock.run(3_000);
    list.push(monitored(2));
    await clock.run(3_000);
    expect(reports.map(({ instance }) => instance)).toEqual(['vm1/0', 'vm2/0']);
    list[0] = monitored(1, { address: '10.0.1.1' });
    list.pop();
    await clock.run(1_000);
    guests.probes.length = 0;
    await clock.run(5_000);
    expect(new Set(guests.probes.map(({ address }) => address))).toEqual(new Set(['10.0.1.1']));
    expect(reports.at(-1)).toMatchObject({ instance: 'vm1/0', to: 'healthy' });
    end();
  });

  test('ends when told, leaving no timer that does anything', async () => {
    const { clock, guests, cursors, done, end } = shard({ count: 10, canaries: [canary] });
    await clock.run(3_000);
    end();
    await done;
    guests.probes.length = 0;
    const beats = cursors.length;
    await clock.run(10_000);
    expect(guests.probes).toEqual([]);
    expect(cursors).toHaveLength(beats);
  });

  test('turns a source that cannot be read into unknown for those it had spoken of', async () => {
    let broken = false;
    const source = {
      source: { vantage: 'proxmox', kind: 'proxmox' as const },
      everyMs: 1_000,
      look: () =>
        broken
          ? Promise.reject(new Error('596 Broken pipe'))
          : Promise.resolve(
              new Map([['vm1/0', { finding: 'failed' as const, sinceMs: 0, evidence: 'node pve2 is offline' }]]),
            ),
    };
    const { clock, reports, end } = shard({ count: 2, sources: [source] });
    await clock.run(3_000);
    broken = true;
    await clock.run(3_000);
    const told = reports.filter(({ kind }) => kind === 'proxmox');
    expect(told.map(({ instance, to, vantage }) => [instance, to, vantage])).toEqual([
      ['vm1/0', 'failed', 'proxmox'],
      ['vm1/0', 'unknown', 'proxmox'],
    ]);
    expect(told.at(-1)?.evidence).toContain('596 Broken pipe');
    end();
  });
});
