import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { ask, virtualCluster } from './client.ts';

type Form = Record<string, string | number>;
const of301 = '/nodes/pve1/qemu/301';
const world2 = resolve(import.meta.dirname, '../../fixtures/proxmox/world-2');

let sim: Simulator;
beforeEach(async () => {
  sim = await virtualCluster(world2);
});
afterEach(() => sim.close());
const call = (method: string, path: string, form?: Form) =>
  ask(
    sim,
    method,
    path,
    form,
    sim.tokens.find(({ id }) => id === 'root@pam!full'),
  );

test.each<[string, string, Form | undefined, string]>([
  ['POST', '/nodes/pve1/qemu', { vmid: 391 }, 'cluster not ready - no quorum?'],
  ['POST', '/nodes/pve1/qemu/302/status/start', {}, 'cluster not ready - no quorum?'],
  ['POST', '/pools', { poolid: 'p2' }, "create pool failed: cfs-lock 'file-user_cfg' error: no quorum!"],
  ['PUT', '/pools', { poolid: 'umbra', vms: '300' }, "update pools failed: cfs-lock 'file-user_cfg' error: no quorum!"],
  ['DELETE', '/pools?poolid=umbra', undefined, "delete pool failed: cfs-lock 'file-user_cfg' error: no quorum!"],
  ['PUT', `${of301}/firewall/options`, { enable: 1 }, "cfs-lock 'firewall-vm-301' error: no quorum!"],
  ['PUT', '/cluster/firewall/options', { enable: 1 }, "cfs-lock 'firewall-cluster' error: no quorum!"],
  ['DELETE', '/cluster/replication/303-0?force=1', undefined, "cfs-lock 'file-replication_cfg' error: no quorum!"],
  ['POST', '/cluster/backup', { vmid: '302', schedule: '02:00' }, "cfs-lock 'file-jobs_cfg' error: no quorum!"],
  [
    'PUT',
    '/nodes/pve1/qemu/300/config',
    { description: 'x' },
    "unable to open file '/etc/pve/nodes/pve1/qemu-server/300.conf.tmp.4300' - Permission denied",
  ],
])('without quorum %s %s is refused in its own words', async (method, path, form, why) => {
  await sim.fault('cluster quorum off');
  expect(await call(method, path, form)).toMatchObject({ status: 500, reason: why });
});

test('without quorum a guest is stopped all the same, and its firewall is read', async () => {
  const started = await call('POST', `${of301}/status/start`, {});
  await sim.cluster.tasks.find(String(started.data))!.ended;
  await sim.fault('cluster quorum off');
  const { data } = await call('POST', `${of301}/status/stop`, {});
  const task = sim.cluster.tasks.find(String(data))!;
  await task.ended;
  expect(task.exit).toBe('OK');
  expect(await call('GET', `${of301}/firewall/options`)).toMatchObject({ status: 200 });
});
