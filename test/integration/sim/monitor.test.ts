import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { ask, virtualCluster } from './client.ts';

type Form = Record<string, string | number>;
const world2 = resolve(import.meta.dirname, '../../fixtures/proxmox/world-2');
const of301 = '/nodes/pve1/qemu/301';

let sim: Simulator;
beforeEach(async () => {
  sim = await virtualCluster(world2);
  const { data } = await call('POST', `${of301}/status/start`, {});
  await sim.cluster.tasks.find(String(data))!.ended;
});
afterEach(() => sim.close());
const call = (method: string, path: string, form?: Form, id = 'root@pam!full') =>
  ask(
    sim,
    method,
    path,
    form,
    sim.tokens.find((token) => token.id === id),
  );
const say = async (command: string): Promise<unknown> => (await call('POST', `${of301}/monitor`, { command })).data;
const stateOf = () => sim.cluster.machines.get(301)?.qmp ?? 'gone';

test.each<[string, string, string]>([
  ['info status', 'VM status: running\r\n', 'running'],
  ['stop', '', 'paused'],
  ['system_reset', '', 'running'],
  ['quit', '', 'gone'],
  ['set_link net0 off', '', 'running'],
  ['set_link net9 off', "Error: Device 'net9' not found\r\n", 'running'],
  ['dance', "unknown command: 'dance'\r\n", 'running'],
])('"%s" is answered %j and leaves the guest %s, also under a lock', async (command, answer, after) => {
  await sim.fault('vm 301 lock backup');
  expect(await say(command)).toBe(answer);
  expect(stateOf()).toBe(after);
});

test('a link that is pulled by the monitor is in again by the monitor, whatever the configuration says', async () => {
  await say('set_link net0 off');
  expect(sim.cluster.machines.get(301)!.linksDown).toEqual(new Set(['net0']));
  expect((await call('GET', `${of301}/config`)).data).toMatchObject({ net0: 'virtio=BC:24:11:00:03:01,bridge=vmbr0' });
  await say('set_link net0 on');
  expect(sim.cluster.machines.get(301)!.linksDown).toEqual(new Set());
});

test('a guest that is off is no failure of the call, one that nobody has is', async () => {
  await say('quit');
  expect(await say('info status')).toBe('ERROR: VM 301 not running\n');
  expect(await call('POST', '/nodes/pve1/qemu/777/monitor', { command: 'info status' })).toMatchObject({ status: 500 });
});

test('to look takes a right on the guest, to change takes Sys.Modify on everything', async () => {
  sim.cluster.world.acls.push({ path: '/vms/301', propagate: true, who: 'umbra@pve', role: 'UmbraCluster' });
  sim.cluster.world.acls.push({ path: '/vms/301', propagate: true, who: 'umbra@pve!umbra', role: 'UmbraCluster' });
  const limited = (command: string) => call('POST', `${of301}/monitor`, { command }, 'umbra@pve!umbra');
  expect(await limited('info status')).toMatchObject({ status: 200 });
  expect(await limited('stop')).toMatchObject({ reason: 'Permission check failed (/, Sys.Modify)' });
  expect(await limited('device_del x')).toMatchObject({ status: 403 });
});
