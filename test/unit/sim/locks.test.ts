import { describe, expect, test } from '@jest/globals';
import { VirtualClock } from '../../../src/sim/clock.ts';
import { Locks } from '../../../src/sim/cluster/locks.ts';

describe('locks', () => {
  test('shared holders share, an exclusive one waits for all of them', async () => {
    const clock = new VirtualClock(0);
    const locks = new Locks(clock);
    const seen: string[] = [];
    const hold = (name: string, exclusive: boolean): Promise<void> =>
      locks.hold('x', exclusive, 10_000, 'timeout', async () => {
        seen.push(`${name} in`);
        await clock.sleep(1000);
        seen.push(`${name} out`);
      });
    await Promise.all([hold('a', false), hold('b', false), hold('c', true)]);
    expect(seen).toEqual(['a in', 'b in', 'a out', 'b out', 'c in', 'c out']);
  });

  test('who waits too long is refused in the words of the lock', async () => {
    const clock = new VirtualClock(0);
    const locks = new Locks(clock);
    const first = locks.storage('pve1', 'tank', false, 10_000, () => clock.sleep(60_000));
    await expect(locks.storage('pve1', 'tank', false, 10_000, () => Promise.resolve())).rejects.toThrow(
      "can't lock file '/var/lock/pve-manager/pve-storage-tank' - got timeout",
    );
    expect(clock.now()).toBe(10_000);
    await first;
  });

  test('a local storage is locked on each node by itself, a shared one in the whole cluster', async () => {
    const clock = new VirtualClock(0);
    const locks = new Locks(clock);
    const ends: number[] = [];
    const use = (node: string, shared: boolean): Promise<void> =>
      locks.storage(node, 's', shared, 10_000, async () => {
        await clock.sleep(1000);
        ends.push(clock.now());
      });
    await Promise.all([use('pve1', false), use('pve2', false)]);
    await Promise.all([use('pve1', true), use('pve2', true)]);
    expect(ends).toEqual([1000, 1000, 2000, 3000]);
  });
});

describe('the virtual clock', () => {
  test('jumps to whoever sleeps shortest, and rings what happens on the way', async () => {
    const clock = new VirtualClock(0);
    const rings: number[] = [];
    clock.every(10_000, () => rings.push(clock.now()));
    await Promise.all([clock.sleep(25_000), clock.sleep(5000)]);
    expect(clock.now()).toBe(25_000);
    expect(rings).toEqual([10_000, 20_000]);
    await clock.advance(10_000);
    expect(rings).toEqual([10_000, 20_000, 30_000]);
  });
});
