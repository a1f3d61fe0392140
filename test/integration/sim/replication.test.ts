import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { loadWorld } from '../../../src/sim/world/directory.ts';
import { ask, virtualCluster } from './client.ts';

type Form = Record<string, string | number>;
const world2 = resolve(import.meta.dirname, '../../fixtures/proxmox/world-2');
const jobs = '/cluster/replication';

let sim: Simulator;
beforeEach(async () => {
  const world = await loadWorld(world2);
  world.storages.set('zfs', { id: 'zfs', type: 'zfspool', options: { content: 'images' }, totalBytes: 2 ** 40 });
  world.volumes.push({ storage: 'zfs', name: 'vm-303-disk-0', node: 'pve1', bytes: 2 ** 30 });
  world.guests.get(303)!.config.current['scsi0'] = 'zfs:vm-303-disk-0,size=1G';
  sim = await virtualCluster(world);
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
const job = { id: '303-0', type: 'local', target: 'pve2' };

test.each<[string, Form, number, string | Record<string, string>]>([
  ['of no guest', { ...job, id: '777-0' }, 500, "Guest '777' does not exist."],
  ['to no node', { ...job, target: 'pve9' }, 500, "Target 'pve9' does not exist."],
  ['to where it is', { ...job, target: 'pve1' }, 500, 'Source and target must not be identical'],
  [
    'from where it is not',
    { ...job, source: 'pve3' },
    500,
    "Source 'pve3' does not match current node of guest '303' (pve1)",
  ],
  ['of files', { ...job, id: '300-0' }, 500, "missing replicate feature on volume 'tank:300/vm-300-disk-0.qcow2'"],
  ['of shared disks', { ...job, id: '301-0' }, 500, 'No replicatable volumes found'],
  ['without a target', { id: '303-0', type: 'local' }, 400, { target: 'property is missing and it is not optional' }],
  ['with a strange id', { ...job, id: 'x' }, 400, { id: "invalid format - invalid replication job id 'x'\n" }],
  ['as slow as nothing', { ...job, rate: 0 }, 400, { rate: 'value must have a minimum value of 1' }],
])('a job %s is refused', async (_, form, status, why) => {
  const answer = await call('POST', jobs, form);
  expect([answer.status, answer.errors ?? answer.reason]).toEqual([status, why]);
});

test('a token needs VM.Replicate on the guest, and sees only the jobs of guests it may look at', async () => {
  expect(await call('POST', jobs, job, 'umbra@pve!umbra')).toMatchObject({
    status: 403,
    reason: 'Permission check failed (/vms/303, VM.Replicate)',
  });
  await call('POST', jobs, job);
  expect((await call('GET', jobs, undefined, 'umbra@pve!umbra')).data).toEqual([]);
  expect(await call('GET', `${jobs}/303-0`, undefined, 'umbra@pve!umbra')).toMatchObject({
    reason: 'Permission check failed (/vms/303, VM.Audit)',
  });
});

test('a job is kept, changed, run, marked for removal and then gone', async () => {
  expect(await call('POST', jobs, { ...job, comment: 'nightly', rate: 10 })).toMatchObject({ status: 200 });
  expect(await call('POST', jobs, job)).toMatchObject({ reason: "replication job '303-0' already exists" });
  expect((await call('GET', `${jobs}/303-0`)).data).toMatchObject({
    id: '303-0',
    type: 'local',
    guest: 303,
    jobnum: 0,
    target: 'pve2',
    source: 'pve1',
    rate: 10,
  });
  expect(await call('PUT', `${jobs}/303-0`, { delete: 'target' })).toMatchObject({
    reason: "unable to delete required option 'target'",
  });
  expect(await call('PUT', `${jobs}/303-0`, { delete: 'comment', disable: 0 })).toMatchObject({ status: 200 });
  await sim.advance(61_000);
  expect((await call('GET', '/nodes/pve1/replication/303-0/status')).data).toMatchObject({ fail_count: 0 });
  expect((await call('GET', '/nodes/pve1/replication')).data).toMatchObject([{ id: '303-0', vmtype: 'qemu' }]);
  expect((await call('GET', '/nodes/pve2/replication')).data).toEqual([]);
  await call('POST', '/nodes/pve1/replication/303-0/schedule_now', {});
  expect((await call('GET', '/nodes/pve1/replication/303-0/status')).data).toMatchObject({ next_sync: 0 });
  await call('DELETE', `${jobs}/303-0`);
  expect((await call('GET', `${jobs}/303-0`)).data).toMatchObject({ remove_job: 'full' });
  await sim.advance(61_000);
  expect(await call('GET', `${jobs}/303-0`)).toMatchObject({ reason: "no such replication job '303-0'" });
});
