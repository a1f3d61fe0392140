import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { ask, virtualCluster } from './client.ts';

/* Rules of the API that no recording shows, tried on the recordings' world as its root token. */

const of100 = '/nodes/pve1/qemu/100';
const config = `${of100}/config`;

type Form = Record<string, string | number>;
const refusals: readonly [string, string, Form, number, string | Record<string, string>][] = [
  ['PUT', config, { delete: '' }, 500, 'no options specified'],
  ['PUT', config, { serial1: '/dev/ttyS0' }, 500, "only root can modify 'serial1' config for real devices"],
  ['PUT', config, { usb0: 'host=1234:5678' }, 500, "only root can set 'usb0' config for real devices"],
  ['PUT', config, { hostpci0: '01:00' }, 500, "only root can set 'hostpci0' config for non-mapped devices"],
  ['PUT', config, { vmgenid: 1 }, 500, "only root can set 'vmgenid' config"],
  ['PUT', config, { scsi2: 'nope:1' }, 500, "storage 'nope' does not exist"],
  ['PUT', config, { ide3: 'local:iso/x.iso' }, 400, { ide3: "explicit 'media=cdrom' is required for iso images" }],
  ['PUT', config, { ide3: 'local:iso/x.iso,media=cdrom' }, 500, "volume 'local:iso/x.iso' does not exist"],
  ['PUT', config, { scsi2: 'tank:snippets/x' }, 400, { scsi2: "content type needs to be 'images' or 'iso'" }],
  [
    'PUT',
    config,
    { hookscript: 'local:snippets/x' },
    400,
    { hookscript: "script 'local:snippets/x' does not exist\n" },
  ],
  [
    'PUT',
    config,
    { cicustom: 'user=tank:iso/x.iso' },
    500,
    "unable to use volume tank:iso/x.iso - content type needs to be 'snippets'",
  ],
  ['POST', `${of100}/clone`, { newid: 303, target: 'pve9' }, 500, "no such cluster node 'pve9'"],
  [
    'POST',
    `${of100}/move_disk`,
    { disk: 'scsi0', storage: 'small', 'target-vmid': 102 },
    400,
    {
      storage: "either set 'storage' or 'target-vmid', but not both",
      'target-vmid': "either set 'storage' or 'target-vmid', but not both",
    },
  ],
  [
    'POST',
    `${of100}/move_disk`,
    { disk: 'scsi9', 'target-vmid': 102 },
    500,
    "Disk 'scsi9' for VM '100' does not exist",
  ],
  [
    'POST',
    `${of100}/move_disk`,
    { disk: 'scsi0', 'target-vmid': 9000 },
    500,
    "Can't move disks from or to template VMs",
  ],
  [
    'PUT',
    '/cluster/ha/resources/vm:100',
    { state: 'started' },
    500,
    "update resource failed: no such resource 'vm:100'",
  ],
  ['POST', '/cluster/ha/resources', { sid: 'foo:100' }, 500, "unknown section type 'foo'"],
  [
    'POST',
    '/cluster/ha/resources',
    { sid: 'vm:100', group: 'g1' },
    500,
    "invalid parameter 'group': ha groups have been migrated to rules",
  ],
  ['POST', '/cluster/ha/resources/vm:100/migrate', { node: 'pve3' }, 500, "resource 'vm:100' is not HA managed"],
  ['GET', '/cluster/ha/groups', {}, 500, 'cannot index groups: ha groups have been migrated to rules'],
  [
    'POST',
    '/cluster/ha/groups',
    { group: 'g1', nodes: 'pve1' },
    500,
    'cannot create group: ha groups have been migrated to rules',
  ],
  [
    'POST',
    '/cluster/ha/rules',
    { rule: 'r1', type: 'node-affinity', resources: 'vm:100', nodes: 'pve1' },
    500,
    'create ha rule failed: cannot use unmanaged resource(s) vm:100.',
  ],
  ['GET', '/cluster/ha/rules/r1', {}, 500, "no such ha rule 'r1'"],
];

let sim: Simulator;
beforeEach(async () => {
  sim = await virtualCluster();
});
afterEach(() => sim.close());

const root = () => sim.tokens.find(({ id }) => id.startsWith('root@pam'))!;
const call = (method: string, path: string, form?: Form) => ask(sim, method, path, form, root());
const configOf = async (vmid: number) =>
  (await call('GET', `/nodes/pve1/qemu/${vmid}/config`)).data as Record<string, unknown>;
const ended = async (method: string, path: string, form?: Form): Promise<string> => {
  const { data } = await call(method, path, form);
  const task = sim.cluster.tasks.find(String(data))!;
  await task.ended;
  return task.exit ?? '';
};

describe('what the API refuses', () => {
  test.each(refusals)('%s %s %j', async (method, path, form, status, why) => {
    const answer = await call(method, path, method === 'GET' ? undefined : form);
    expect([answer.status, answer.errors ?? answer.reason]).toEqual([status, why]);
  });
});

describe('disks of a guest', () => {
  test('a disk taken off is unused, and one put back is not; it comes with its size', async () => {
    await call('PUT', config, { delete: 'scsi0' });
    expect(await configOf(100)).toMatchObject({ unused0: 'tank:100/vm-100-disk-0.qcow2' });
    await call('PUT', config, { scsi3: 'tank:100/vm-100-disk-0.qcow2' });
    const after = await configOf(100);
    expect(after).toMatchObject({ scsi3: 'tank:100/vm-100-disk-0.qcow2,size=256M' });
    expect(after).not.toHaveProperty('unused0');
  });

  test('a guest has one cloud-init image, which goes away with its drive', async () => {
    await call('PUT', config, { ide2: 'tank:cloudinit' });
    expect(await call('PUT', config, { ide3: 'tank:cloudinit' })).toMatchObject({
      status: 500,
      reason: "ide3 - cloud-init drive is already attached at 'ide2'",
    });
    await call('PUT', config, { cdrom: 'none' });
    expect(await configOf(100)).toMatchObject({ ide2: 'none,media=cdrom' });
    expect(sim.cluster.volumes.ownedBy(100, 'pve1').map(({ name }) => name)).toEqual(['100/vm-100-disk-0.qcow2']);
  });

  test('a CD is added to the boot order, a new disk of a template is a base', async () => {
    await call('PUT', '/nodes/pve1/qemu/9000/config', { ide3: 'none,media=cdrom', scsi1: 'tank:1' });
    expect(await configOf(9000)).toMatchObject({
      boot: 'order=scsi0;ide3',
      scsi1: 'tank:9000/base-9000-disk-1.raw,size=1G',
    });
  });

  test('an empty description is none, and white space at its end is lost', async () => {
    await call('PUT', config, { description: 'kept\n\n' });
    expect(await configOf(100)).toMatchObject({ description: 'kept' });
    await call('PUT', config, { description: '' });
    expect(await configOf(100)).not.toHaveProperty('description');
  });

  test('a disk moves to another guest of the node under a name of its own', async () => {
    const form = { disk: 'scsi0', 'target-vmid': 102, 'target-disk': 'scsi4' };
    const { data } = await call('POST', `${of100}/move_disk`, form);
    const task = sim.cluster.tasks.find(String(data))!;
    await task.ended;
    expect([task.of.id, task.exit]).toEqual(['100-scsi0>102-scsi4', 'OK']);
    expect(await configOf(102)).toMatchObject({ scsi4: 'tank:102/vm-102-disk-0.qcow2,size=256M' });
    expect(await configOf(100)).not.toHaveProperty('scsi0');
  });

  test('a move to a storage that is full fails in its task', async () => {
    await sim.fault('storage small full');
    expect(await ended('POST', `${of100}/move_disk`, { disk: 'scsi0', storage: 'small' })).toMatch(
      /^storage migration failed: unable to create image: /,
    );
  });

  test('a rollback keeps what was unused, and what came after the snapshot becomes so', async () => {
    await call('PUT', config, { scsi5: 'tank:1,format=qcow2' });
    await call('PUT', config, { delete: 'scsi5' });
    await ended('POST', `${of100}/snapshot`, { snapname: 's1' });
    await call('PUT', config, { scsi6: 'tank:1,format=qcow2' });
    expect(await ended('POST', `${of100}/snapshot/s1/rollback`)).toBe('OK');
    expect(await configOf(100)).toMatchObject({
      parent: 's1',
      scsi0: 'tank:100/vm-100-disk-0.qcow2,size=256M',
      unused0: 'tank:100/vm-100-disk-1.qcow2',
      unused1: 'tank:100/vm-100-disk-2.qcow2',
    });
  });
});

test('PVE 8 keeps groups of nodes, and none that a resource uses goes away', async () => {
  sim.cluster.world.release = '8.4';
  await call('POST', '/cluster/ha/groups', { group: 'near', nodes: 'pve3,pve1:2' });
  await call('POST', '/cluster/ha/resources', { sid: 'vm:100', group: 'near' });
  expect((await call('GET', '/cluster/ha/groups')).data).toMatchObject([{ group: 'near', nodes: 'pve1:2,pve3' }]);
  expect(await call('DELETE', '/cluster/ha/groups/near')).toMatchObject({
    status: 500,
    reason: "delete ha group failed: ha group is used by service 'vm:100'",
  });
  await call('DELETE', '/cluster/ha/resources/vm:100');
  expect((await call('DELETE', '/cluster/ha/groups/near')).status).toBe(200);
  expect((await call('GET', '/cluster/ha/groups')).data).toEqual([]);
});

test('rules of PVE 9 say where resources run, by kind', async () => {
  await call('POST', '/cluster/ha/resources', { sid: 'vm:100' });
  const rule = { rule: 'r1', type: 'node-affinity', resources: 'vm:100' };
  expect((await call('POST', '/cluster/ha/rules', rule)).errors).toEqual({
    nodes: 'property is missing and it is not optional',
  });
  await call('POST', '/cluster/ha/rules', { ...rule, nodes: 'pve3,pve1:2', strict: 1 });
  expect((await call('GET', '/cluster/ha/rules')).data).toMatchObject([
    { rule: 'r1', type: 'node-affinity', order: 1, resources: 'vm:100', nodes: 'pve1:2,pve3', strict: 1 },
  ]);
});

test('an option nobody has set can be deleted: the worker says so and ends well', async () => {
  expect(await ended('POST', config, { delete: 'onboot' })).toBe('OK');
});
