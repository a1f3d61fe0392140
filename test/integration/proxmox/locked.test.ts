import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Lab } from './lab.ts';
import { labTiming, openLab, ref, shadow, tasksOf } from './lab.ts';

jest.setTimeout(60_000);

/** How long a fence is tried here. */
const fenceMs = 1_500;

let lab: Lab;
let asked: string[];

beforeEach(async () => {
  asked = [];
  lab = await openLab({
    sim: { log: (line) => void asked.push(line) },
    provider: { timing: { ...labTiming, fenceMs } },
  });
});
afterEach(() => lab.close());

const fence = () => lab.hypervisor.ensureFenced(ref(101));
const qmpOf = () => lab.sim.cluster.machines.get(101)?.qmp;
const writes = () => asked.filter((line) => /^\S+ (PUT|POST)/.test(line)).map((line) => line.split(' ')[2]);

describe('a failed primary that a backup holds', () => {
  beforeEach(() => lab.sim.fault('vm 101 lock backup'));

  test('is paused by one call, and so serves nobody and writes nothing, which is no proof', async () => {
    await expect(fence()).resolves.toEqual({
      kind: 'isolated',
      fenced: false,
      proof: expect.stringMatching(/paused, read back twice from pve1.*a backup of it runs \(lock "backup"\)/),
    });
    expect(qmpOf()).toBe('paused');
    expect(writes()).toEqual(['/nodes/pve1/qemu/101/status/suspend']);
  });

  test('stays paused while the backup goes on, and is stopped when the lock goes', async () => {
    await fence();
    await expect(fence()).resolves.toMatchObject({ kind: 'isolated' });
    expect(await tasksOf(lab, 'qmpause', 101)).toBe(1);
    await lab.sim.fault('vm 101 unlock');
    await expect(fence()).resolves.toMatchObject({ kind: 'stopped', fenced: true });
    expect(qmpOf()).toBeUndefined();
    expect(lab.sim.cluster.world.guests.get(101)!.config.current['onboot']).toBe('0');
  });

  test('is paused again when the backup lets it go on', async () => {
    await fence();
    lab.sim.cluster.machines.get(101)!.qmp = 'running';
    await expect(fence()).resolves.toMatchObject({ kind: 'isolated' });
    expect(qmpOf()).toBe('paused');
  });

  test('and that is stopped already is proof at once, though nothing can be written into its configuration', async () => {
    lab.sim.cluster.halt(101);
    const before = performance.now();
    await expect(fence()).resolves.toMatchObject({ kind: 'stopped', fenced: true });
    // Start at boot is tried to be switched off for 3 s, not for as long as a backup takes.
    expect(performance.now() - before).toBeLessThan(8_000);
    expect(lab.logged).toContainEqual(expect.stringContaining('would start with its node'));
  });
});

const others: Readonly<Record<string, string>> = {
  suspending: 'it is being hibernated',
  suspended: 'it is woken from hibernation',
  snapshot: 'a snapshot of it is being made',
  'snapshot-delete': 'a snapshot of it is being deleted',
  rollback: 'it is being set back to a snapshot',
  migrate: 'it is being migrated',
  clone: 'it is being cloned',
  create: 'it is being made or restored',
};

describe.each(Object.entries(others))('a failed primary under the lock "%s"', (lock, by) => {
  test('is stopped when the lock goes in time', async () => {
    await lab.sim.fault(`vm 101 lock ${lock}`);
    const fencing = fence();
    while (!asked.some((line) => line.includes('/tasks/'))) await new Promise((resolve) => setTimeout(resolve, 10));
    await lab.sim.fault('vm 101 unlock');
    await expect(fencing).resolves.toMatchObject({ kind: 'stopped', fenced: true });
  });

  test('is said to be held after the time a fence has, by whom, and what to do; nothing of it was changed', async () => {
    await lab.sim.fault(`vm 101 lock ${lock}`);
    const before = structuredClone(lab.sim.cluster.world.guests.get(101)!.config.current);
    const startedAt = performance.now();
    const outcome = await fence();
    expect(performance.now() - startedAt).toBeLessThan(fenceMs * 3);
    expect(outcome).toEqual({ kind: 'held', fenced: false, proof: expect.stringContaining(`${by} (lock "${lock}")`) });
    expect(outcome.proof).toContain('on pve1: qm unlock 101 && qm stop 101');
    expect(lab.sim.cluster.world.guests.get(101)!.config.current).toEqual(before);
    expect(qmpOf()).toBe('running');
  });
});

test('a guest that QEMU does not stop is paused, and stopped at the next try', async () => {
  await lab.sim.fault('task fail next qmstop VM 101 qmp command failed');
  await expect(fence()).resolves.toMatchObject({ kind: 'isolated', fenced: false });
  await expect(fence()).resolves.toMatchObject({ kind: 'stopped', fenced: true });
});

describe('where the inventory asks for a fence by firewall', () => {
  const fence9001 = () => lab.hypervisor.ensureFenced(ref(9001));
  const fate = () => {
    const { machines, firewalls } = lab.sim.cluster;
    return firewalls.fateOf(machines.get(9001)!, { way: 'in', port: 80, peer: '192.0.2.7' });
  };
  const inDatacenter = (enable: string): void => {
    const file = { options: { enable }, aliases: new Map(), sets: new Map(), rules: [] };
    lab.sim.cluster.world.firewalls.set('firewall/cluster.fw', file);
  };

  beforeEach(async () => {
    await lab.close();
    lab = await openLab({
      fenceFirewall: true,
      sim: { timing: { firewallPeriodMs: 200 } },
      provider: { timing: { ...labTiming, fenceMs } },
    });
    await lab.hypervisor.ensureShadow(shadow(1));
    await lab.hypervisor.ensurePower(ref(9001), 'running');
    await lab.sim.fault('vm 9001 lock snapshot');
  });

  test('a locked shadow takes no connection any more, and is reached again before it serves', async () => {
    inDatacenter('1');
    await expect(fence9001()).resolves.toMatchObject({
      kind: 'isolated',
      fenced: false,
      proof: expect.stringContaining('drops every new connection'),
    });
    expect(fate()).toBe('drop');
    await lab.sim.fault('vm 9001 unlock');
    await lab.hypervisor.ensurePower(ref(9001), 'running');
    lab.sim.cluster.firewalls.apply();
    expect(fate()).toBe('accept');
  });

  test('nothing is claimed while the datacenter firewall is off, and doctor can tell', async () => {
    await expect(fence9001()).resolves.toMatchObject({ kind: 'held' });
    expect(fate()).toBe('accept');
    await expect(lab.hypervisor.observeFirewall!()).resolves.toBe(false);
    inDatacenter('1');
    await expect(lab.hypervisor.observeFirewall!()).resolves.toBe(true);
  });
});
