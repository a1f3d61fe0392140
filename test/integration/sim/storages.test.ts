import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { ask, virtualCluster } from './client.ts';
import type { Answer } from './client.ts';

type Form = Record<string, string | number>;
type Rows = Record<string, unknown>[];
const world2 = resolve(import.meta.dirname, '../../fixtures/proxmox/world-2');
const onTank = '/nodes/pve1/storage/tank/content';

let sim: Simulator;
beforeEach(async () => {
  sim = await virtualCluster(world2);
});
afterEach(() => sim.close());

const as =
  (id: string) =>
  (method: string, path: string, form?: Form): Promise<Answer> =>
    ask(
      sim,
      method,
      path,
      form,
      sim.tokens.find((token) => token.id === id),
    );
const root = as('root@pam!full');
const limited = as('umbra@pve!umbra');
const rowsOf = async (path: string, who = root): Promise<Rows> => (await who('GET', path)).data as Rows;

/** Calls, waits for the task, and says how it ended and what it wrote. */
async function done(method: string, path: string): Promise<{ exit: string | undefined; log: readonly string[] }> {
  const { data } = await root(method, path);
  const task = sim.cluster.tasks.find(String(data))!;
  await task.ended;
  return { exit: task.exit, log: task.log };
}

describe('content', () => {
  test.each([
    ['qcow2', '64M', 4096 + 4 * 65536],
    ['qcow2', '513M', 4096 + 5 * 65536],
    ['raw', '64M', 0],
  ])('a new %s of %s takes what it says of itself', async (format, size, used) => {
    const filename = `vm-300-disk-5.${format}`;
    expect(await root('POST', onTank, { vmid: 300, filename, size, format })).toMatchObject({ status: 200 });
    const before = Math.floor(sim.now() / 1000);
    const row = (await rowsOf(`${onTank}?vmid=300`)).find(({ volid }) => volid === `tank:300/${filename}`);
    expect(row).toMatchObject({ content: 'images', format, used, parent: null, vmid: 300, ctime: before });
    expect(await root('GET', `${onTank}/tank:300/${filename}`)).toMatchObject({
      data: { format, used, path: `/mnt/tank/images/300/${filename}` },
    });
  });

  test('a linked clone names the base it is of, and takes less than a disk of its own', async () => {
    const upid = (await root('POST', '/nodes/pve1/qemu/9000/clone', { newid: 391 })).data;
    await sim.cluster.tasks.find(String(upid))!.ended;
    const rows = await rowsOf('/nodes/pve1/storage/nas/content?vmid=391');
    expect(rows.find(({ volid }) => String(volid).includes('base-9000'))).toMatchObject({
      parent: '../9000/base-9000-disk-0.raw',
      used: 4096 + 3 * 65536,
    });
  });

  test('every image in the folder of a guest is its own, whatever it is called', async () => {
    await root('POST', onTank, { vmid: 300, filename: 'odd.raw', size: '4M' });
    expect((await rowsOf(`${onTank}?vmid=300`)).map(({ volid }) => volid)).toContain('tank:300/odd.raw');
    expect((await rowsOf(`${onTank}?vmid=101`)).map(({ volid }) => volid)).not.toContain('tank:300/odd.raw');
  });

  test("snippets are nobody's: only who may allocate on the storage sees them", async () => {
    expect(await rowsOf(`${onTank}?content=snippets`)).toHaveLength(1);
    expect(await rowsOf(`${onTank}?content=snippets`, limited)).toEqual([]);
    expect(await limited('GET', `${onTank}/tank:snippets/umbra.yaml`)).toMatchObject({
      status: 500,
      reason: 'missing privileges to access tank:snippets/umbra.yaml',
    });
    expect(await rowsOf(`${onTank}?content=iso`, limited)).toHaveLength(2);
  });

  test('images of guests that a token may not change are hidden from it', async () => {
    expect((await rowsOf('/nodes/pve1/storage/nas/content', limited)).map(({ vmid }) => vmid)).toEqual([
      101, 101, 9000, 9000,
    ]);
    expect(await limited('GET', `${onTank}/tank:300/vm-300-disk-0.qcow2`)).toMatchObject({
      status: 403,
      reason: 'Permission check failed (/vms/300, VM.Config.Disk)',
    });
  });

  test.each<[string, Form, number, string | Record<string, string>]>([
    [
      'an extension of another format',
      { filename: 'vm-300-disk-8.raw', size: '4M', format: 'qcow2' },
      400,
      { format: 'different storage formats (qcow2 != raw)' },
    ],
    ['a name without extension', { filename: 'disk', size: '4M' }, 500, "unable to parse volume filename 'disk'"],
    [
      'a size with another unit',
      { filename: 'vm-300-disk-8.raw', size: '4T' },
      400,
      { size: 'value does not match the regex pattern' },
    ],
    [
      'a name that is taken',
      { filename: 'vm-300-disk-0.qcow2', size: '4M' },
      500,
      "disk image '/mnt/tank/images/300/vm-300-disk-0.qcow2' already exists",
    ],
  ])('no image is made with %s', async (_, form, status, why) => {
    const answer = await root('POST', onTank, { vmid: 300, ...form });
    expect(answer).toMatchObject(typeof why === 'string' ? { status, reason: why } : { status, errors: why });
  });

  test('a volume is deleted by a task, and one that is not there by a warning', async () => {
    const path = `${onTank}/tank:300/vm-300-disk-0.qcow2`;
    expect(await done('DELETE', path)).toMatchObject({
      exit: 'OK',
      log: [expect.stringMatching(/^Removed/), 'TASK OK'],
    });
    expect((await done('DELETE', path)).log[0]).toBe(
      "disk image '/mnt/tank/images/300/vm-300-disk-0.qcow2' does not exist",
    );
    expect(await rowsOf(`${onTank}?vmid=300&content=images`)).toEqual([]);
  });

  test('a base stays while clones are linked to it', async () => {
    const upid = (await root('POST', '/nodes/pve1/qemu/9000/clone', { newid: 391 })).data;
    await sim.cluster.tasks.find(String(upid))!.ended;
    expect(await done('DELETE', '/nodes/pve1/storage/nas/content/nas:9000/base-9000-disk-0.raw')).toMatchObject({
      exit: "base volume '9000/base-9000-disk-0.raw' is still in use by linked clones",
    });
  });

  test('only backups have notes and protection, and a protected one stays', async () => {
    const name = 'backup/vzdump-qemu-302-2026_11_30-02_00_00.vma.zst';
    sim.cluster.world.volumes.push({ storage: 'tank', name, node: 'pve1', bytes: 1000 });
    const path = `${onTank}/tank:${name}`;
    expect(await root('PUT', path, { notes: 'before the move\nsecond line', protected: 1 })).toMatchObject({
      status: 200,
    });
    expect(await rowsOf(`${onTank}?content=backup`)).toMatchObject([
      { format: 'vma.zst', vmid: 302, subtype: 'qemu', notes: 'before the move', protected: 1 },
    ]);
    expect((await done('DELETE', path)).exit).toBe(`cannot remove protected volume '${name}' on 'tank'`);
    expect(await root('PUT', `${onTank}/tank:300/vm-300-disk-0.qcow2`, { notes: 'x' })).toMatchObject({
      reason: 'only backups can have notes',
    });
  });
});

describe('configuration', () => {
  test('a new storage is on every node, until it is disabled, and forgotten with the rights on it', async () => {
    const made = { storage: 'rec', type: 'dir', path: '/mnt/rec', content: 'images' };
    expect(await root('POST', '/storage', made)).toMatchObject({ data: { storage: 'rec', type: 'dir' } });
    expect(await root('GET', '/nodes/pve2/storage/rec/status')).toMatchObject({ data: { active: 1, enabled: 1 } });
    await root('PUT', '/access/acl', { path: '/storage/rec', users: 'umbra@pve', roles: 'UmbraStorage' });
    await root('PUT', '/storage/rec', { disable: 1 });
    expect(await root('GET', '/nodes/pve2/storage/rec/status')).toMatchObject({ data: { active: 0, enabled: 0 } });
    expect(await root('GET', '/storage/rec')).toMatchObject({ data: { ...made, disable: 1 } });
    await root('PUT', '/storage/rec', { delete: 'disable' });
    expect((await root('GET', '/storage/rec')).data).not.toHaveProperty('disable');
    await root('DELETE', '/storage/rec');
    expect(sim.cluster.world.acls.filter(({ path }) => path === '/storage/rec')).toEqual([]);
    expect(await root('GET', '/storage/rec')).toMatchObject({ status: 500, reason: "storage 'rec' does not exist" });
  });

  test.each<[string, string, Form | undefined, string]>([
    ['POST', '/storage', { storage: 'rec', type: 'dir' }, "missing value for required option 'path'"],
    ['POST', '/storage', { storage: 'rec', type: 'dir', path: '/x', vgname: 'v' }, "unexpected property 'vgname'"],
    [
      'POST',
      '/storage',
      { storage: 'tank', type: 'dir', path: '/x' },
      "create storage failed: storage ID 'tank' already defined",
    ],
    [
      'PUT',
      '/storage/tank',
      { digest: 'old' },
      'update storage failed: detected modified configuration - file changed by other user? Try again.',
    ],
    ['PUT', '/storage/none', { disable: 1 }, "update storage failed: storage 'none' does not exist"],
    ['PUT', '/storage/tank', { delete: 'path' }, "update storage failed: unable to delete required option 'path'"],
    ['DELETE', '/storage/none', undefined, "delete storage failed: storage 'none' does not exist"],
  ])('%s %s %j is refused', async (method, path, form, reason) => {
    expect(await root(method, path, form)).toMatchObject({ status: 500, reason });
  });

  test('a token sees the storages it may use, and none of their configuration', async () => {
    expect((await rowsOf('/storage', limited)).map(({ storage }) => storage).sort()).toEqual(['nas', 'tank']);
    expect(await limited('GET', '/storage/tank')).toMatchObject({ status: 403 });
  });
});
