import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { eventually } from '../sim/client.ts';
import type { Lab } from './lab.ts';
import { marker, openLab, ref, tasksOf } from './lab.ts';

jest.setTimeout(30_000);

/** A real HA's seconds in tenths: the order of things stays what it is. */
const haTiming = { haRoundMs: 250, watchdogMs: 800, fenceDelayMs: 800, lockLifetimeMs: 1_600, statusPeriodMs: 100 };

let lab: Lab;
const open = async (usesHa = true, state: 'started' | 'stopped' = 'started') => {
  lab = await openLab({
    usesHa,
    sim: { timing: haTiming },
    endpoints: (sim) => sim.endpoints.map((one) => one.url),
    change: (world) => {
      world.ha.set('vm:101', { state });
      world.ha.set('vm:102', { state: 'started' });
    },
  });
  // The manager has looked at it.
  await eventually(
    () => lab.sim.cluster.ha.stateOf('vm:101'),
    (seen) => seen === state,
  );
};
const machine = () => lab.sim.cluster.machines.get(101);
const home = () => lab.sim.cluster.world.guests.get(101)!.node;
/** HA has been round since: it has started another guest that crashed, so it would have started ours. */
async function haComesRound(): Promise<void> {
  const other = () => lab.sim.cluster.machines.get(102)?.startedAt ?? 0;
  const before = other();
  await lab.sim.fault('vm 102 crash');
  await eventually(other, (since) => since > before);
}
const fence = () => lab.hypervisor.ensureFenced(ref(101));

afterEach(() => lab.close());

describe('a primary that HA manages', () => {
  beforeEach(() => open());

  test('is taken out of its hands, stopped, and not started again behind our back', async () => {
    expect(await fence()).toMatchObject({ fenced: true, proof: 'stopped, read back from pve1' });
    expect(lab.sim.cluster.world.ha.get('vm:101')!.state).toBe('ignored');
    expect(await tasksOf(lab, 'hastop')).toBe(0);
    await haComesRound();
    expect(machine()).toBeUndefined();
  });

  test('is neither deleted nor hibernated', async () => {
    await lab.hypervisor.ensureMarked(ref(101), marker(0, 'retired'), { protected: false });
    await expect(lab.hypervisor.ensureDeleted(ref(101), marker(0, 'retired'))).rejects.toThrow(/HA manages it/);
    await expect(lab.hypervisor.ensurePower(ref(101), 'suspended')).rejects.toThrow(
      /does not hibernate guests that HA manages/,
    );
    expect(machine()?.qmp).toBe('running');
  });

  test('is left alone while HA is disarmed and its guests are frozen', async () => {
    await lab.hypervisor.ensurePower(ref(101), 'stopped');
    lab.sim.cluster.ha.disarmed = 'freeze';
    await expect(lab.hypervisor.ensurePower(ref(101), 'running')).rejects.toMatchObject({
      failureClass: 'locked',
      message: expect.stringContaining('HA is disarmed and its guests are frozen'),
    });
    expect(await tasksOf(lab, 'hastart')).toBe(0);
  });

  test('needs a right more, which the check of rights then asks for by name', async () => {
    const asked = (await lab.hypervisor.checkRights(undefined, { primaries: [101], templates: [9000] })).map(
      (one) => `${one.path} ${one.privilege}`,
    );
    expect(asked).toContain('/ Sys.Console');
    const others = (await lab.hypervisor.checkRights(undefined, { primaries: [103], templates: [9000] })).map(
      (one) => `${one.path} ${one.privilege}`,
    );
    expect(others).not.toContain('/ Sys.Console');
  });
});

describe('without the right to take it out of HA’s hands', () => {
  beforeEach(() => open(false));

  test('stopping it is one request to HA, and proof is that HA has done it', async () => {
    expect(await fence()).toMatchObject({ fenced: true });
    expect(machine()).toBeUndefined();
    expect(await tasksOf(lab, 'hastop')).toBe(1);
    await haComesRound();
    expect(machine()).toBeUndefined();
  });

  test('a node that is silent proves nothing; that HA recovers its guest does, and then it is stopped there', async () => {
    await lab.sim.fault('node pve1 off');
    const before = await fence();
    expect(before).toMatchObject({ fenced: false });
    expect(before.proof).toMatch(/may still run there.*Sys\.Console/);
    await eventually(home, (node) => node !== 'pve1');
    expect(await fence()).toMatchObject({ fenced: true });
    expect(machine()).toBeUndefined();
  });
});

describe('a guest that HA is to start', () => {
  test('runs when HA has started it, not when it has heard so', async () => {
    await open(true, 'stopped');
    await eventually(machine, (found) => found === undefined);
    const view = await lab.hypervisor.ensurePower(ref(101), 'running');
    expect(view.power).toBe('running');
    expect(machine()?.qmp).toBe('running');
    expect(await tasksOf(lab, 'hastart')).toBe(1);
  });
});
