import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { eventually, quietly } from '../../support/stage.ts';
import { devServer } from '../../support/temporal.ts';
import type { Lab } from '../proxmox/lab.ts';
import { openLab } from '../proxmox/lab.ts';
import { Fleet } from './fleet.ts';

jest.setTimeout(120_000);
quietly();

const shadows = 30;

/** Each linked clone holds its storage's lock twice for so long; whoever waits 10 s for the lock fails. */
const allocateBlockMs = 220;

type Task = { readonly type: string; readonly status?: string };

async function cloneTasks(lab: Lab): Promise<Task[]> {
  const token = lab.sim.tokens[0]!;
  const answer = await fetch(`${lab.sim.url}/api2/json/nodes/pve1/tasks?source=all&limit=500&typefilter=qmclone`, {
    headers: { authorization: `PVEAPIToken=${token.id}=${token.secret}` },
  });
  return ((await answer.json()) as { data: Task[] }).data;
}

describe('thirty clones asked for at once on one storage', () => {
  let env: TestWorkflowEnvironment;
  beforeAll(async () => {
    env = await devServer();
  });
  afterAll(() => env.teardown());

  test('sent straight to Proxmox some fail for its locks: the rules are on', async () => {
    // On a virtual clock, so that thirty times twice 0.6 s pass at once.
    const lab = await openLab({ sim: { clock: 'virtual', timing: { allocateBlockMs: 600 } } });
    try {
      const token = lab.sim.tokens[0]!;
      const clone = (newid: number) =>
        fetch(`${lab.sim.url}/api2/json/nodes/pve1/qemu/9000/clone`, {
          method: 'POST',
          headers: { authorization: `PVEAPIToken=${token.id}=${token.secret}` },
          body: new URLSearchParams({ newid: String(newid), pool: 'umbra' }),
        });
      await Promise.all(Array.from({ length: shadows }, (_, n) => clone(9001 + n)));
      const failed = await eventually('a clone that fails for the storage’s lock', async () => {
        const tasks = await cloneTasks(lab);
        const lost = tasks.filter((task) => /lock request timeout|can't lock file/.test(task.status ?? ''));
        return lost.length > 0 && lost;
      });
      expect(failed.length).toBeGreaterThan(0);
      await eventually('all tasks to end', async () =>
        (await cloneTasks(lab)).every((task) => task.status !== undefined && task.status !== 'RUNNING'),
      );
    } finally {
      await lab.close();
    }
  });

  test('through the cluster workflow all succeed, none twice, nothing left over', async () => {
    const lab = await openLab({ sim: { timing: { allocateBlockMs } } });
    const fleet = new Fleet(env);
    try {
      await fleet.work();
      await fleet.open('lab', lab);
      const ids = Array.from({ length: shadows }, (_, n) => n + 1);
      await Promise.all(ids.map((n) => fleet.shadow('lab', 'shop', n)));
      const instances = await fleet.until(
        'thirty warm shadows',
        async () => {
          const all = await Promise.all(ids.map((n) => fleet.instance(`shop/${n}`)));
          const failed = all.find((one) => one.state.kind === 'failed');
          if (failed !== undefined) throw new Error(JSON.stringify(failed));
          return all.every((one) => one.state.kind === 'warm') && all;
        },
        90_000,
      );

      const made = [...lab.sim.cluster.world.guests.values()].filter((one) => one.vmid > 9000);
      const tasks = await cloneTasks(lab);
      const ledger = await fleet.ledger('lab');
      expect(new Set(instances.map((one) => one.vmid)).size).toBe(shadows);
      expect(new Set(instances.map((one) => one.address)).size).toBe(shadows);
      expect(made.map((one) => one.vmid).sort()).toEqual(instances.map((one) => one.vmid).sort());
      expect(made.every((one) => one.node !== 'pve1')).toBe(true);
      expect(tasks.filter((task) => task.status !== 'OK')).toEqual([]);
      expect(tasks).toHaveLength(shadows);
      expect(lab.logged.filter((line) => line.includes('lock'))).toEqual([]);
      const disks = lab.sim.cluster.world.volumes.filter((one) => /vm-90\d\d-disk/.test(one.name));
      expect(disks).toHaveLength(shadows);
      expect(ledger.leases.map((one) => [one.instance, one.vmid, one.expiresAt]).sort()).toEqual(
        instances.map((one) => [one.id, one.vmid, null]).sort(),
      );
      expect(ledger.clones).toMatchObject({ waiting: 0, running: 0 });

      await Promise.all(ids.map((n) => fleet.wish(`shop/${n}`, { kind: 'deleted' })));
      await fleet.until('no lease is left', async () => (await fleet.ledger('lab')).leases.length === 0, 60_000);
      expect([...lab.sim.cluster.world.guests.values()].filter((one) => one.vmid > 9000)).toEqual([]);
      expect(lab.sim.cluster.world.volumes.filter((one) => /vm-90(?!00)\d\d-/.test(one.name))).toEqual([]);
      expect((await fleet.ledger('lab')).quarantine).toHaveLength(shadows);
    } finally {
      await fleet.stop();
      await lab.close();
    }
  });
});
