import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { documentedWorld, withAdministrator } from '../../support/documented-world.ts';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { ask, virtualCluster } from './client.ts';

/*
 * The HA manager against the figures of reference/proxmox.md 4.1: a guest of a lost node runs elsewhere after 121-125 s,
 * after 163-181 s when the node was the master, whatever moment of a round it goes in.
 */

let sim: Simulator;
const second = 1000;
const vmid = 101;
const started = (): number | undefined => sim.cluster.machines.get(vmid)?.startedAt;
const home = (): string => sim.cluster.world.guests.get(vmid)!.node;
const ha = async () =>
  ((await ask(sim, 'GET', '/cluster/ha/status/current')).data as Record<string, unknown>[]).find(
    (row) => row['sid'] === `vm:${vmid}`,
  );

/** Lets a second pass at a time until it holds. @returns seconds that passed */
async function until(holds: () => boolean, atMost = 300): Promise<number> {
  const from = sim.now();
  while (!holds()) {
    if (sim.now() - from > atMost * second) throw new Error(`not within ${atMost} s`);
    await sim.advance(second);
  }
  return Math.round((sim.now() - from) / second);
}

beforeEach(async () => {
  const { world } = documentedWorld();
  world.ha.set(`vm:${vmid}`, { state: 'started' });
  sim = await virtualCluster(withAdministrator(world));
  await sim.advance(20 * second);
});
afterEach(() => sim.close());

/** Moves the guest of interest beside the master, or away from it. */
async function place(onMaster: boolean): Promise<string> {
  const { master } = sim.cluster.ha;
  const node = [...sim.cluster.world.nodes.keys()].find((name) => (name === master) === onMaster)!;
  sim.cluster.ha.requestMove(`vm:${vmid}`, node);
  await until(() => home() === node);
  return node;
}

describe('a guest that HA manages runs elsewhere', () => {
  const moments = [0, 1, 3, 5, 7, 9];
  test.each(moments)('121-125 s after its node lost power, %s s into a round', async (into) => {
    const lost = await place(false);
    await sim.advance(into * second);
    await sim.fault(`node ${lost} off`);
    const seconds = await until(() => started() !== undefined && home() !== lost);
    expect(seconds).toBeGreaterThanOrEqual(120);
    expect(seconds).toBeLessThanOrEqual(125);
  });

  test.each(moments)('163-181 s after it when that node was the master, %s s into a round', async (into) => {
    const lost = await place(true);
    await sim.advance(into * second);
    await sim.fault(`node ${lost} off`);
    const seconds = await until(() => started() !== undefined && home() !== lost);
    expect(seconds).toBeGreaterThanOrEqual(163);
    expect(seconds).toBeLessThanOrEqual(181);
    expect(sim.cluster.ha.master).not.toBe(lost);
  });

  test('never before the watchdog of its silent node has ended it there', async () => {
    const lost = await place(false);
    await sim.fault(`network ${lost} off`);
    const ended = await until(() => !sim.cluster.world.nodes.get(lost)!.on);
    expect(ended).toBeGreaterThanOrEqual(60);
    expect(ended).toBeLessThanOrEqual(62);
    expect(started()).toBeUndefined();
    const after = await until(() => started() !== undefined);
    expect(home()).not.toBe(lost);
    expect(ended + after).toBeGreaterThanOrEqual(120);
  });
});

describe('a guest stays where it is', () => {
  test.each([
    ['ignored', () => ask(sim, 'PUT', `/cluster/ha/resources/vm:${vmid}`, { state: 'ignored' })],
    [
      'disarmed with frozen guests',
      () => ask(sim, 'POST', '/cluster/ha/status/disarm-ha', { 'resource-mode': 'freeze' }),
    ],
    ['without a quorum', () => sim.fault('cluster quorum off')],
  ])('when HA is %s', async (_, prepare) => {
    const lost = await place(false);
    await prepare();
    await sim.fault(`node ${lost} off`);
    await sim.advance(300 * second);
    expect(home()).toBe(lost);
    expect(started()).toBeUndefined();
  });

  test('and a node in maintenance is no place for it', async () => {
    const lost = await place(false);
    const others = [...sim.cluster.world.nodes.keys()].filter((name) => name !== lost);
    await sim.fault(`ha maintenance ${others[0]!} on`);
    await sim.fault(`node ${lost} off`);
    await until(() => started() !== undefined);
    expect(home()).toBe(others[1]);
  });
});

test('a request is carried out by the next round, not by the call: OK says only that it was heard', async () => {
  const before = started();
  const { data } = await ask(sim, 'POST', `/nodes/${home()}/qemu/${vmid}/status/stop`);
  const task = sim.cluster.tasks.find(String(data))!;
  await task.ended;
  expect([task.of.type, task.exit]).toEqual(['hastop', 'OK']);
  expect(started()).toBe(before);
  await until(() => started() === undefined, 12);
  await sim.advance(10 * second);
  expect(await ha()).toMatchObject({ state: 'stopped', request_state: 'stopped' });
});

test('a guest that crashes is started again once, and given up when it cannot be', async () => {
  await sim.fault('task fail next qmstart no luck');
  await sim.fault('task fail next qmstart no luck');
  await sim.fault(`vm ${vmid} crash`);
  await sim.advance(60 * second);
  expect(await ha()).toMatchObject({ state: 'error' });
  await ask(sim, 'PUT', `/cluster/ha/resources/vm:${vmid}`, { state: 'disabled' });
  await sim.advance(20 * second);
  await ask(sim, 'PUT', `/cluster/ha/resources/vm:${vmid}`, { state: 'started' });
  await until(() => started() !== undefined, 30);
  expect(await ha()).toMatchObject({ state: 'started' });
});
