import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { documentedWorld, withAdministrator } from '../../support/documented-world.ts';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { ask, done, virtualCluster } from './client.ts';

/** The rows of cluster/resources of one guest. */
async function row(sim: Simulator, vmid: number): Promise<Record<string, unknown> | undefined> {
  const { data } = await ask(sim, 'GET', '/cluster/resources?type=vm');
  return (data as Record<string, unknown>[]).find((one) => one['vmid'] === vmid);
}

describe('a cluster in virtual time', () => {
  let sim: Simulator;
  beforeEach(async () => {
    sim = await virtualCluster(withAdministrator(documentedWorld().world));
  });
  afterEach(() => sim.close());

  test('answers a wrong secret after three seconds, without content', async () => {
    const before = sim.now();
    const answer = await ask(sim, 'GET', '/nodes', undefined, { id: 'umbra@pve!umbra', secret: 'wrong' });
    expect(answer).toMatchObject({ status: 401, reason: 'Authentication failed!', type: null });
    expect(sim.now() - before).toBe(3000);
  });

  test('a stalled daemon: 596 after thirty seconds, unprotected calls answer, and the write happens later', async () => {
    await sim.fault('api pve1 stall');
    const before = sim.now();
    const answer = await ask(sim, 'POST', '/nodes/pve1/qemu/9000/clone', { newid: 700 });
    expect(answer).toMatchObject({ status: 596, reason: 'Connection timed out', type: null });
    expect(sim.now() - before).toBe(30_000);
    expect((await ask(sim, 'GET', '/version')).status).toBe(200);
    expect((await ask(sim, 'GET', '/cluster/nextid?vmid=700')).status).toBe(200);
    await sim.fault('api pve1 ok');
    await sim.advance(10_000);
    expect(await ask(sim, 'GET', '/cluster/nextid?vmid=700')).toMatchObject({
      status: 400,
      errors: { vmid: 'VM 700 already exists' },
    });
  });

  test.each([
    ['reset-before', false],
    ['reset-after', true],
    ['truncate', true],
  ])('%s: the client sees a broken connection, and the clone exists: %s', async (fault, exists) => {
    await sim.fault(`api pve1 ${fault} 1 POST /clone`);
    await expect(ask(sim, 'POST', '/nodes/pve1/qemu/9000/clone', { newid: 700 })).rejects.toThrow();
    await sim.advance(10_000);
    expect(sim.cluster.world.guests.has(700)).toBe(exists);
  });

  test('clones of one template share its lock and queue for the storage; who waits too long is refused in its words', async () => {
    const ends = await Promise.all(
      Array.from({ length: 24 }, (_, at) => done(sim, 'POST', '/nodes/pve1/qemu/9000/clone', { newid: 700 + at })),
    );
    expect(ends.filter((end) => end === 'OK').length).toBeGreaterThan(4);
    const refused = ends.filter((end) => end !== 'OK');
    expect(refused.length).toBeGreaterThan(0);
    expect(new Set(refused)).toEqual(
      new Set(["clone failed: cfs-lock 'storage-tank' error: got lock request timeout"]),
    );
    // Nothing is left of those that failed.
    const clones = [...sim.cluster.world.guests.keys()].filter((vmid) => vmid >= 700 && vmid < 724);
    expect(clones).toHaveLength(ends.length - refused.length);
    expect(sim.cluster.world.volumes.filter((volume) => /vm-7\d\d-/.test(volume.name))).toHaveLength(2 * clones.length);
  });

  test('a worker that dies in the middle leaves a locked guest, which a token cannot unlock', async () => {
    await sim.fault('api pve1 reset-after 1 POST /clone');
    await ask(sim, 'POST', '/nodes/pve1/qemu/9000/clone', { newid: 700, full: 1 }).catch(() => undefined);
    expect(await sim.fault('task kill qmclone')).toMatch(/^1 running qmclone workers were killed/);
    expect(await ask(sim, 'GET', '/nodes/pve1/qemu/700/config')).toMatchObject({ data: { lock: 'clone' } });
    expect(await ask(sim, 'DELETE', '/nodes/pve1/qemu/700?skiplock=1')).toMatchObject({
      errors: { skiplock: 'Only root may use this option.' },
    });
    expect(await done(sim, 'DELETE', '/nodes/pve1/qemu/700')).toBe('VM is locked (clone)');
  });

  test('what a running guest can take on it takes on at once, the rest waits for its next start', async () => {
    const guest = '/nodes/pve1/qemu/101';
    await ask(sim, 'PUT', `${guest}/config`, { cores: 4, description: 'now', tags: 'B;a;b' });
    expect((await ask(sim, 'GET', `${guest}/config?current=1`)).data).toMatchObject({
      cores: 2,
      description: 'now',
      tags: 'a;b',
    });
    const pending = (await ask(sim, 'GET', `${guest}/pending`)).data as Record<string, unknown>[];
    expect(pending.find(({ key }) => key === 'cores')).toEqual({ key: 'cores', value: 2, pending: 4 });
    expect(await done(sim, 'POST', `${guest}/status/stop`)).toBe('OK');
    expect(await done(sim, 'POST', `${guest}/status/start`)).toBe('OK');
    expect((await ask(sim, 'GET', `${guest}/status/current`)).data).toMatchObject({ cpus: 4 });
  });

  test('is suspended to disk and restored, with the lock in between', async () => {
    const guest = '/nodes/pve1/qemu/101';
    expect(await done(sim, 'POST', `${guest}/status/suspend`, { todisk: 1 })).toBe('OK');
    expect((await ask(sim, 'GET', `${guest}/status/current`)).data).toMatchObject({
      status: 'stopped',
      qmpstatus: 'stopped',
      lock: 'suspended',
    });
    const volumes = sim.cluster.world.volumes.length;
    expect(await done(sim, 'POST', `${guest}/status/resume`)).toBe('OK');
    expect((await ask(sim, 'GET', `${guest}/status/current`)).data).toMatchObject({
      status: 'running',
      qmpstatus: 'running',
    });
    expect(sim.cluster.world.volumes.length).toBe(volumes - 1);
  });

  test("a dead node's guests look running for five minutes, then unknown; calls to it are 595", async () => {
    expect(await row(sim, 102)).toMatchObject({ node: 'pve2', status: 'running' });
    await sim.fault('node pve2 off');
    expect(await ask(sim, 'GET', '/nodes/pve2/qemu/102/status/current')).toMatchObject({ status: 595, type: null });
    await sim.advance(280_000);
    expect(await row(sim, 102)).toMatchObject({ status: 'running' });
    await sim.advance(30_000);
    expect(await row(sim, 102)).toMatchObject({ status: 'unknown' });
  });

  test('the first who asks for a node that has just lost power waits 12 s, later ones 3 s, and so for each who asks', async () => {
    const waited = async (path: string): Promise<number> => {
      const before = sim.now();
      expect(await ask(sim, 'GET', path)).toMatchObject({ status: 595, reason: 'No route to host' });
      return sim.now() - before;
    };
    await sim.fault('node pve2 off');
    expect(await waited('/nodes/pve2/qemu/102/status/current')).toBe(12_060);
    expect(await waited('/nodes/pve2/storage/tank/status')).toBe(3_000);
    // The cluster's own word is there at once, and what the node has published is believed for five minutes.
    const before = sim.now();
    expect((await ask(sim, 'GET', '/cluster/status')).data).toContainEqual(
      expect.objectContaining({ type: 'node', name: 'pve2', online: 0 }),
    );
    const storages = (await ask(sim, 'GET', '/cluster/resources?type=storage')).data as {
      id: string;
      status: string;
    }[];
    expect(storages.find(({ id }) => id === 'storage/pve2/tank')?.status).toBe('available');
    expect(sim.now()).toBe(before);
    await sim.fault('node pve2 on');
    await sim.fault('node pve2 off');
    expect(await waited('/nodes/pve2/qemu/102/config')).toBe(12_060);
  });

  test('without a quorum nothing is written and everything can be read', async () => {
    await sim.fault('node pve2 off');
    await sim.fault('network pve3 off');
    expect(await ask(sim, 'POST', '/nodes/pve1/qemu/9000/clone', { newid: 700 })).toMatchObject({
      status: 500,
      reason: 'cluster not ready - no quorum?',
    });
    expect((await ask(sim, 'GET', '/cluster/resources')).status).toBe(200);
  });

  test('HA: start is a request, and a dead node is recovered from after two minutes', async () => {
    const add = await ask(sim, 'POST', '/cluster/ha/resources', { sid: 'vm:102' });
    expect(add.status).toBe(200);
    expect((await ask(sim, 'POST', '/nodes/pve2/qemu/102/status/stop')).data).toMatch(/:hastop:102:/);
    await sim.advance(25_000);
    expect((await ask(sim, 'GET', '/nodes/pve2/qemu/102/status/current')).data).toMatchObject({ status: 'stopped' });
    expect((await ask(sim, 'POST', '/nodes/pve2/qemu/102/status/start')).data).toMatch(/:hastart:102:/);
    await sim.advance(25_000);
    expect((await ask(sim, 'GET', '/nodes/pve2/qemu/102/status/current')).data).toMatchObject({ status: 'running' });
    await sim.fault('node pve2 off');
    await sim.advance(110_000);
    expect(sim.cluster.world.guests.get(102)?.node).toBe('pve2');
    await sim.advance(40_000);
    const node = sim.cluster.world.guests.get(102)?.node;
    expect(node).not.toBe('pve2');
    expect((await ask(sim, 'GET', `/nodes/${node!}/qemu/102/status/current`)).data).toMatchObject({
      status: 'running',
    });
  });

  test('a guest is created with new disks, moved to another storage, made a template and cloned from', async () => {
    const made = await done(sim, 'POST', '/nodes/pve1/qemu', {
      vmid: 800,
      name: 'fresh',
      memory: 512,
      scsi0: 'tank:2',
      ide2: 'tank:cloudinit',
      net0: 'virtio,bridge=vmbr0',
    });
    expect(made).toBe('OK');
    const guest = '/nodes/pve1/qemu/800';
    expect((await ask(sim, 'GET', `${guest}/config`)).data).toMatchObject({
      boot: 'order=scsi0;ide2;net0',
      scsi0: 'tank:vm-800-disk-0,size=2G',
      ide2: 'tank:vm-800-cloudinit,media=cdrom',
      net0: expect.stringMatching(/^virtio=BC:24:11:(?:[0-9A-F]{2}:){2}[0-9A-F]{2},bridge=vmbr0$/),
    });
    expect(await ask(sim, 'POST', '/nodes/pve1/qemu', { vmid: 800 })).toMatchObject({
      reason: "unable to create VM 800 - VM 800 already exists on node 'pve1'",
    });
    expect(await ask(sim, 'POST', `${guest}/move_disk`, { disk: 'scsi0', storage: 'tank' })).toMatchObject({
      reason: "you can't move to the same storage with same format",
    });
    expect(
      await done(sim, 'POST', `${guest}/move_disk`, { disk: 'scsi0', storage: 'local', format: 'qcow2', delete: 1 }),
    ).toBe('OK');
    expect(await done(sim, 'POST', `${guest}/template`)).toBe('OK');
    expect(await done(sim, 'POST', `${guest}/clone`, { newid: 801 })).toBe('OK');
    expect((await ask(sim, 'GET', '/nodes/pve1/qemu/801/config')).data).toMatchObject({
      name: 'Copy-of-VM-fresh',
      scsi0: 'local:800/base-800-disk-0.qcow2/801/vm-801-disk-0.qcow2,size=2G',
    });
    expect(await done(sim, 'DELETE', guest)).toBe(
      "base volume 'local:800/base-800-disk-0.qcow2' is still in use by linked cloned",
    );
  });

  test('what cannot be freed is left with a warning, and the guest is gone', async () => {
    sim.cluster.halt(101);
    await sim.fault('storage tank off');
    expect(await done(sim, 'DELETE', '/nodes/pve1/qemu/101')).toMatch(/^WARNINGS: \d$/);
    expect(sim.cluster.world.guests.has(101)).toBe(false);
    expect(sim.cluster.world.volumes.some((volume) => volume.name === 'vm-101-disk-0')).toBe(true);
  });
});

describe('tokens', () => {
  test('a token with privilege separation has no more than its own, and never more than its user', async () => {
    const { world } = documentedWorld();
    const secret = '11111111-2222-3333-4444-555555555555';
    world.tokens.set('umbra@pve!narrow', { id: 'umbra@pve!narrow', expire: 0, privsep: true, secret });
    world.acls.push({ path: '/vms/101', propagate: false, who: 'umbra@pve!narrow', role: 'PVEAdmin' });
    const sim = await virtualCluster(world);
    const narrow = { id: 'umbra@pve!narrow', secret };
    const mine = (await ask(sim, 'GET', '/access/permissions', undefined, narrow)).data as Record<
      string,
      Record<string, number>
    >;
    expect(Object.keys(mine)).toEqual(['/vms/101']);
    expect(mine['/vms/101']).toMatchObject({ 'VM.Audit': 0 });
    expect(mine['/vms/101']).not.toHaveProperty('VM.Console');
    expect((await ask(sim, 'GET', '/nodes/pve1/qemu/101/config', undefined, narrow)).status).toBe(200);
    // 403 comes before anybody looks whether the guest exists.
    expect(await ask(sim, 'GET', '/nodes/pve1/qemu/999/config', undefined, narrow)).toMatchObject({
      status: 403,
      reason: 'Permission check failed (/vms/999, VM.Audit)',
    });
    expect(((await ask(sim, 'GET', '/cluster/resources?type=vm', undefined, narrow)).data as unknown[]).length).toBe(1);
    await sim.close();
  });

  test('PVE 8.4 knows other privileges, and says why a token is refused', async () => {
    const { world } = documentedWorld();
    world.release = '8.4';
    const sim = await virtualCluster(world);
    expect(await ask(sim, 'POST', '/nodes/pve1/qemu/101/agent/ping')).toMatchObject({
      status: 403,
      reason: 'Permission check failed (/vms/101, VM.Monitor)',
    });
    expect(await ask(sim, 'GET', '/version', undefined, { id: 'umbra@pve!umbra', secret: 'x' })).toMatchObject({
      reason: 'invalid token value!',
    });
    expect((await ask(sim, 'POST', '/cluster/ha/status/arm-ha')).status).toBe(501);
    await sim.close();
  });
});
