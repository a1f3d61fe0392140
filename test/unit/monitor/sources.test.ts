import { describe, expect, test } from '@jest/globals';
import { judgeViews } from '../../../src/monitor/cluster-views.ts';
import { demandSource, judgeDemand, remember } from '../../../src/monitor/demand.ts';
import { judgeHeartbeats } from '../../../src/monitor/heartbeats.ts';
import { monitored } from './virtual-world.ts';
import type { DemandReading } from '../../../src/monitor/demand.ts';
import type { ClusterView, GuestView } from '../../../src/ports/hypervisor.ts';
import type { Heartbeat } from '../../../src/ports/registry.ts';

const now = 1_000_000;

describe('heartbeats', () => {
  const beat = (n: number, agoMs: number, more: Partial<Heartbeat> = {}): [string, Heartbeat] => [
    `vm${n}/0`,
    { instance: `vm${n}/0`, at: now - agoMs, ...more },
  ];
  const judged = (beats: [string, Heartbeat][]) =>
    Object.fromEntries(
      [...judgeHeartbeats([monitored(1), monitored(2)], new Map(beats), 1_000, now)].map(([id, { finding }]) => [
        id,
        finding,
      ]),
    );

  test('are missed three times before they mean anything', () => {
    expect(judged([beat(1, 2_900), beat(2, 100)])).toEqual({ 'vm1/0': 'healthy', 'vm2/0': 'healthy' });
    expect(judged([beat(1, 3_100), beat(2, 100)])).toEqual({ 'vm1/0': 'failed', 'vm2/0': 'healthy' });
  });

  test('say nothing about a guest that never sent one', () => {
    expect(judged([beat(2, 100)])).toEqual({ 'vm2/0': 'healthy' });
  });

  test('that stop everywhere are about our receiver', () => {
    expect(judged([beat(1, 30_000), beat(2, 31_000)])).toEqual({ 'vm1/0': 'unknown', 'vm2/0': 'unknown' });
  });

  test('carry load', () => {
    expect(judged([beat(1, 100, { load: { cpu: 0.97 } }), beat(2, 100, { load: { qps: 101, cpu: 0.2 } })])).toEqual({
      'vm1/0': 'overloaded',
      'vm2/0': 'overloaded',
    });
    expect(judged([beat(1, 100, { load: { cpu: 0.5, qps: 99 } }), beat(2, 100, { finding: 'overloaded' })])).toEqual({
      'vm1/0': 'healthy',
      'vm2/0': 'overloaded',
    });
  });
});

describe("the cluster's view", () => {
  const guest = (n: number, more: Partial<GuestView> = {}): GuestView => ({
    ref: { cluster: 'main', vmid: 100 + n },
    node: 'pve1',
    nodeOnline: true,
    name: `vm${n}`,
    power: 'running',
    template: false,
    cores: 2,
    memoryMiB: 2_048,
    cpu: 0.2,
    storages: [],
    tags: [],
    addresses: [],
    ...more,
  });
  const view = (guests: GuestView[], quorate = true): ClusterView => ({ at: now, quorate, nodes: [], guests });
  const instances = [1, 2].map((n) => monitored(n, { guest: { cluster: 'main', vmid: 100 + n } }));
  const judged = (guests: GuestView[], options: { quorate?: boolean; busy?: Map<string, number>; at?: number } = {}) =>
    Object.fromEntries(
      [
        ...judgeViews(
          instances,
          [view(guests, options.quorate)],
          options.busy ?? new Map<string, number>(),
          options.at ?? now,
        ),
      ].map(([id, { finding }]) => [id, finding]),
    );

  test.each([
    ['runs', {}, 'healthy'],
    ['is stopped', { power: 'stopped' as const }, 'failed'],
    ['is on a node that is offline', { nodeOnline: false, power: 'unknown' as const }, 'failed'],
    ['is paused', { power: 'paused' as const }, 'unknown'],
  ])('of a guest that %s', (_, more, finding) => {
    expect(judged([guest(1, more)])).toEqual({ 'vm1/0': finding });
  });

  test('without quorum is unknown, and a guest that is not listed may only be hidden', () => {
    expect(judged([guest(1, { nodeOnline: false })], { quorate: false })).toEqual({ 'vm1/0': 'unknown' });
    expect(judged([])).toEqual({});
  });

  test('finds overload when the CPUs are full for half a minute', () => {
    const busy = new Map<string, number>();
    expect(judged([guest(1, { cpu: 0.97 })], { busy })).toEqual({ 'vm1/0': 'healthy' });
    expect(judged([guest(1, { cpu: 0.99 })], { busy, at: now + 29_000 })).toEqual({ 'vm1/0': 'healthy' });
    expect(judged([guest(1, { cpu: 0.97 })], { busy, at: now + 30_000 })).toEqual({ 'vm1/0': 'overloaded' });
    expect(judged([guest(1, { cpu: 0.5 })], { busy, at: now + 32_000 })).toEqual({ 'vm1/0': 'healthy' });
    expect(judged([guest(1, { cpu: 0.97 })], { busy, at: now + 34_000 })).toEqual({ 'vm1/0': 'healthy' });
  });
});

describe('the stream of DNS answers', () => {
  const history = (rates: Record<string, number[]>) => {
    const all = new Map<string, readonly DemandReading[]>();
    for (const [id, qps] of Object.entries(rates)) {
      qps.forEach((each, i) => remember(all, new Map([[id, { at: i * 10_000, qps: each }]])));
    }
    return all;
  };
  const judged = (rates: Record<string, number[]>, instances = [monitored(1), monitored(2), monitored(3)]) =>
    Object.fromEntries([...judgeDemand(instances, history(rates))].map(([id, { finding }]) => [id, finding]));

  test('above the capacity that serves it for two buckets is overload', () => {
    expect(judged({ vm1: [90, 120], vm2: [101, 102] })).toEqual({ 'vm1/0': 'healthy', 'vm2/0': 'overloaded' });
  });

  test('counts above capacity as far as it is believed: a flood is no overload, a crowd that is known is', async () => {
    const readings = new Map([['vm1', [90, 400, 410, 420].map((qps, i): DemandReading => ({ at: i * 10_000, qps }))]]);
    const asked: number[] = [];
    const look = async (share: number, upTo: number): Promise<string | undefined> => {
      let next = 0;
      const source = demandSource(
        () => Promise.resolve(new Map([['vm1', readings.get('vm1')![Math.min(next++, upTo)]!]])),
        (_id, counted) => {
          asked.push(counted.at(-1)!.at);
          return Promise.resolve(counted.map(({ at, qps }) => ({ at, qps: qps * share })));
        },
      );
      let found: string | undefined;
      for (let i = 0; i <= upTo + 1; i += 1) found = (await source.look([monitored(1)], i)).get('vm1/0')?.finding;
      return found;
    };
    expect(await look(0.2, 3)).toBe('healthy');
    expect(await look(0.9, 3)).toBe('overloaded');
    // Once for each bucket, and not at all while the demand is within what serves.
    expect(asked).toEqual([20_000, 30_000, 20_000, 30_000]);
    expect(await look(0, 0)).toBe('healthy');
    expect(asked).toHaveLength(4);
  });

  test('is shared by all that serve', () => {
    const two = [
      monitored(1),
      monitored(1, { instance: 'vm1/1' }),
      monitored(1, { instance: 'vm1/2', serving: false }),
    ];
    expect(judged({ vm1: [150, 150] }, two)).toEqual({ 'vm1/0': 'healthy', 'vm1/1': 'healthy' });
    expect(judged({ vm1: [250, 250] }, two)).toEqual({ 'vm1/0': 'overloaded', 'vm1/1': 'overloaded' });
  });

  const steady = [40, 41, 39, 42, 40, 40];

  test('that vanishes for one is a hint, that vanishes for half of the fleet is our own blindness', () => {
    expect(judged({ vm1: [...steady, 2, 1], vm2: [...steady, 40, 41], vm3: [...steady, 39, 40] })).toEqual({
      'vm1/0': 'failed',
      'vm2/0': 'healthy',
      'vm3/0': 'healthy',
    });
    expect(judged({ vm1: [...steady, 2, 1], vm2: [...steady, 1, 0], vm3: [...steady, 39, 40] })).toEqual({
      'vm1/0': 'unknown',
      'vm2/0': 'unknown',
      'vm3/0': 'healthy',
    });
  });

  test('is not judged by one bucket, by little demand or by a short memory', () => {
    expect(judged({ vm1: [...steady, 40, 1] })).toEqual({ 'vm1/0': 'healthy' });
    expect(judged({ vm1: [1, 1, 1, 1, 1, 1, 0, 0] })).toEqual({ 'vm1/0': 'healthy' });
    expect(judged({ vm1: [40, 40, 1, 1] })).toEqual({ 'vm1/0': 'healthy' });
  });

  test('skips what is missing and what was read before', () => {
    const all = new Map<string, readonly DemandReading[]>();
    remember(all, new Map([['vm1', { at: 10_000, qps: 5 }]]));
    remember(all, new Map([['vm1', { at: 10_000, qps: 6 }]]));
    remember(all, new Map([['vm1', { at: 20_000, qps: NaN }]]));
    expect(all.get('vm1')).toEqual([{ at: 10_000, qps: 5 }]);
  });
});
