import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import { startSimulator } from '../../../src/sim/simulator.ts';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { documentedWorld, withAdministrator } from '../../support/documented-world.ts';
import { ask, eventually, virtualCluster } from './client.ts';

type Form = Record<string, string | number>;
const world2 = resolve(import.meta.dirname, '../../fixtures/proxmox/world-2');

let sim: Simulator;
afterEach(() => sim.close());
const tokenOf = (who: 'root' | 'limited') =>
  sim.tokens.find(({ id }) => id === (who === 'root' ? 'root@pam!full' : 'umbra@pve!umbra'))!;
const call = (method: string, path: string, form?: Form, who: 'root' | 'limited' = 'root') =>
  ask(sim, method, path, form, tokenOf(who));
/** How a task of a call ended, and what it said. */
const ended = async (method: string, path: string, form?: Form): Promise<{ exit: string; log: readonly string[] }> => {
  const { data, reason } = await call(method, path, form);
  const task = sim.cluster.tasks.find(String(data));
  if (!task) throw new Error(`${method} ${path} started no task: ${reason}`);
  await task.ended;
  return { exit: task.exit ?? '', log: task.log };
};

describe('backups on the recorded world', () => {
  beforeEach(async () => {
    sim = await virtualCluster(world2);
  });
  const vzdump = '/nodes/pve1/vzdump';
  const jobs = '/cluster/backup';

  test.each<[string, string, Form, number, string | Record<string, string>]>([
    ['POST', vzdump, {}, 400, { vmid: 'property is missing' }],
    ['POST', vzdump, { vmid: '302', exclude: '300' }, 400, { exclude: "option conflicts with option 'vmid'" }],
    ['POST', vzdump, { vmid: '302', pool: 'umbra' }, 400, { pool: "option conflicts with option 'vmid'" }],
    [
      'POST',
      vzdump,
      { vmid: '302', maxfiles: 1, 'prune-backups': 'keep-last=1' },
      400,
      { 'prune-backups': "option conflicts with option 'maxfiles'" },
    ],
    ['POST', vzdump, { vmid: '302', tmpdir: '/tmp' }, 400, { tmpdir: 'Only root may set this option.' }],
    ['POST', vzdump, { vmid: '302', node: 'pve2' }, 400, { node: 'duplicate parameter (already defined in URI)' }],
    [
      'POST',
      vzdump,
      { vmid: '302', stdout: 1 },
      400,
      { stdout: 'option is only allowed on the command line interface.' },
    ],
    ['GET', `${vzdump}/defaults?storage=small`, {}, 500, "can't use storage 'small' for backups - wrong content type"],
    ['GET', `${jobs}/nope`, {}, 400, { id: "No such job 'nope'" }],
    ['DELETE', `${jobs}/nope`, {}, 400, { id: "No such job 'nope'" }],
    ['POST', jobs, { vmid: '302' }, 400, { schedule: "neither 'starttime' nor 'schedule' were set" }],
    [
      'POST',
      jobs,
      { vmid: '302', schedule: '02:00', starttime: '02:00' },
      400,
      { starttime: "'starttime' and 'schedule' cannot both be set" },
    ],
    ['POST', jobs, { schedule: '02:00' }, 400, { vmid: 'property is missing' }],
    [
      'POST',
      '/nodes/pve1/qemu',
      { vmid: 302, archive: 'tank:backup/vzdump-qemu-302-2026_01_01-00_00_00.vma' },
      500,
      "unable to restore VM 302 - VM 302 already exists on node 'pve1'",
    ],
    [
      'POST',
      '/nodes/pve1/qemu',
      { vmid: 350, archive: 'tank:backup/x.vma', scsi0: 'tank:1' },
      400,
      { scsi0: "option conflicts with option 'archive'" },
    ],
  ])('%s %s %j is refused', async (method, path, form, status, why) => {
    const answer = await call(method, path, method === 'GET' || method === 'DELETE' ? undefined : form);
    expect([answer.status, answer.errors ?? answer.reason]).toEqual([status, why]);
  });

  test.each<[string, string, Form | undefined, string]>([
    ['POST', vzdump, { vmid: '302', bwlimit: 1 }, '/, Sys.Modify'],
    [
      'POST',
      vzdump,
      { vmid: '302', storage: 'tank', 'prune-backups': 'keep-all=1' },
      '/storage/tank, Datastore.Allocate',
    ],
    ['POST', vzdump, { vmid: '302', storage: 'small' }, '/storage/small, Datastore.AllocateSpace'],
    ['GET', jobs, undefined, '/, Sys.Audit'],
    ['POST', jobs, { vmid: '302', schedule: '02:00' }, '/, Sys.Modify'],
  ])('%s %s needs a right the limited token lacks', async (method, path, form, what) => {
    // The recorded grant on `/` does not reach further down, and gives Sys.Audit there.
    if (what === '/, Sys.Audit') sim.cluster.world.acls = sim.cluster.world.acls.filter(({ path }) => path !== '/');
    expect(await call(method, path, form, 'limited')).toMatchObject({
      status: 403,
      reason: `Permission check failed (${what})`,
    });
  });

  test('a guest that is off is backed up by a processor that stands still, and is off again', async () => {
    const { exit, log } = await ended('POST', vzdump, { vmid: '300', storage: 'tank', compress: 'zstd' });
    expect(exit).toBe('OK');
    expect(log.join('\n')).toContain('INFO: starting kvm to execute backup task');
    expect(log.join('\n')).not.toContain('fs-freeze');
    expect((await call('GET', '/nodes/pve1/qemu/300/status/current')).data).toMatchObject({ status: 'stopped' });
    expect((await call('GET', '/nodes/pve1/qemu/300/config')).data).not.toHaveProperty('lock');
  });

  test.each<[string, Form, string, string]>([
    ['a guest that somebody else has locked', { vmid: '304' }, 'job errors', 'VM is locked (backup)'],
    ['a guest that nobody has', { vmid: '777' }, 'job errors', "unable to find VM '777'"],
    ['a storage without room for backups', { vmid: '300', storage: 'small' }, "can't use storage", ''],
  ])('fails for %s', async (_, form, exit, why) => {
    const { exit: seen, log } = await ended('POST', vzdump, { storage: 'tank', ...form });
    expect(seen).toContain(exit);
    expect(log.join('\n')).toContain(why);
  });

  test('guests of other nodes are left to them', async () => {
    expect((await call('POST', '/nodes/pve2/vzdump', { vmid: '300', storage: 'nas' })).data).toBe('OK');
  });

  test('what an archive holds comes back: disks, options, firewall; anew when it shall be another guest', async () => {
    const before = (await call('GET', '/nodes/pve1/qemu/300/config')).data as Record<string, string>;
    await call('PUT', '/nodes/pve1/qemu/300/firewall/options', { enable: 1, policy_in: 'DROP' });
    await ended('POST', vzdump, { vmid: '300', storage: 'tank' });
    const volid = [...sim.cluster.world.archives.keys()][0]!;
    expect(volid).toMatch(/^tank:backup\/vzdump-qemu-300-\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d\.vma$/);
    expect((await call('GET', `${vzdump}/extractconfig?volume=${encodeURIComponent(volid)}`)).data).toContain(
      '#qmdump#map:scsi0:drive-scsi0:tank:qcow2:\n',
    );
    expect(
      await ended('POST', '/nodes/pve1/qemu', { vmid: 350, archive: volid, unique: 1, name: 'twin' }),
    ).toMatchObject({
      exit: 'OK',
    });
    const twin = (await call('GET', '/nodes/pve1/qemu/350/config')).data as Record<string, string>;
    expect(twin).toMatchObject({
      name: 'twin',
      scsi0: 'tank:350/vm-350-disk-0.qcow2,size=1G',
      memory: before['memory'],
    });
    expect(twin['net0']).not.toBe(before['net0']);
    expect(twin['smbios1']).not.toBe(before['smbios1']);
    expect((await call('GET', '/nodes/pve1/qemu/350/firewall/options')).data).toMatchObject({ policy_in: 'DROP' });
    expect(await ended('POST', '/nodes/pve1/qemu', { vmid: 300, archive: volid, force: 1 })).toMatchObject({
      exit: 'OK',
    });
    const again = (await call('GET', '/nodes/pve1/qemu/300/config')).data as Record<string, string>;
    expect(again['net0']).toBe(before['net0']);
    expect(again['vmgenid']).not.toBe(before['vmgenid']);
  });

  test('a job is kept, changed and taken along when its last guest is purged', async () => {
    await call('POST', jobs, { id: 'nightly', starttime: '02:00', dow: 'mon,tue', vmid: '300,303', enabled: 0 });
    expect((await call('GET', `${jobs}/nightly`)).data).toMatchObject({
      schedule: 'mon,tue 02:00',
      enabled: 0,
      type: 'vzdump',
    });
    await call('PUT', `${jobs}/nightly`, { all: 1 });
    expect((await call('GET', `${jobs}/nightly`)).data).not.toHaveProperty('vmid');
    await call('PUT', `${jobs}/nightly`, { vmid: '303', mode: 'stop' });
    expect((await call('GET', `${jobs}/nightly/included_volumes`)).data).toMatchObject({ children: [{ id: 303 }] });
    expect(await ended('DELETE', '/nodes/pve1/qemu/303?purge=1')).toMatchObject({ exit: 'OK' });
    expect((await call('GET', jobs)).data).toEqual([]);
  });
});

describe('a guest while it is backed up', () => {
  beforeEach(async () => {
    const { world } = documentedWorld();
    sim = await startSimulator({
      world: withAdministrator(world),
      host: '127.0.0.1',
      port: 0,
      tls: false,
      guests: false,
      timing: { bootMs: 0, stopMs: 10, configMs: 1, shutdownMs: 10 },
    });
  });
  const of101 = '/nodes/pve1/qemu/101';
  const demo = (method: string, path: string, form?: Form) => ask(sim, method, path, form);
  const lockOf = () => sim.cluster.world.guests.get(101)!.config.current['lock'];

  test('stands still for a moment through its agent, is locked until the end, and not after', async () => {
    const said = await sim.fault('vm 101 backup 2');
    await eventually(
      () => demo('POST', `${of101}/agent/fsfreeze-status`),
      ({ data }) => (data as { result?: string } | null)?.result === 'frozen',
    );
    expect(lockOf()).toBe('backup');
    await eventually(
      () => demo('POST', `${of101}/agent/fsfreeze-status`),
      ({ data }) => (data as { result?: string } | null)?.result === 'thawed',
    );
    expect(lockOf()).toBe('backup');
    const task = sim.cluster.tasks.find(/UPID:\S+/.exec(said)![0])!;
    await task.ended;
    expect([task.exit, lockOf()]).toEqual(['OK', undefined]);
    const freezes = task.log.filter((line) => line.includes('guest-agent'));
    expect(freezes).toEqual([
      "INFO: issuing guest-agent 'fs-freeze' command",
      "INFO: issuing guest-agent 'fs-thaw' command",
    ]);
  });

  const locked = 'VM is locked (backup)';
  test('allows what PVE allows under the lock, and nothing else', async () => {
    await sim.fault('vm 101 backup 60');
    await eventually(lockOf, (lock) => lock === 'backup');
    const outcomes: [string, string, Form | undefined, string][] = [
      ['POST', `${of101}/status/stop`, {}, locked],
      ['POST', `${of101}/status/shutdown`, { forceStop: 1, timeout: 1 }, locked],
      ['POST', `${of101}/status/reboot`, { timeout: 1 }, locked],
      ['POST', `${of101}/status/reset`, {}, locked],
      ['POST', `${of101}/status/suspend`, {}, 'OK'],
      ['POST', `${of101}/status/resume`, {}, 'OK'],
      ['POST', `${of101}/status/suspend`, { todisk: 1 }, 'cannot suspend to disk during backup'],
      ['POST', `${of101}/snapshot`, { snapname: 's1' }, locked],
      ['PUT', `${of101}/config`, { protection: 1 }, locked],
      ['PUT', `${of101}/config`, { tags: 'x' }, locked],
      ['PUT', `${of101}/resize`, { disk: 'scsi0', size: '+1G' }, locked],
      ['POST', `${of101}/clone`, { newid: 900, full: 1 }, locked],
      ['POST', `${of101}/migrate`, { target: 'pve2', online: 1 }, locked],
      ['PUT', `${of101}/firewall/options`, { enable: 1 }, 'OK'],
      ['POST', `${of101}/firewall/rules`, { type: 'in', action: 'DROP' }, 'OK'],
      ['POST', `${of101}/monitor`, { command: 'info status' }, 'OK'],
      ['PUT', '/pools', { poolid: 'umbra', vms: '101' }, 'OK'],
    ];
    const seen: unknown[] = [];
    for (const [method, path, form] of outcomes) {
      const { status, reason, data } = await demo(method, path, form);
      const task = sim.cluster.tasks.find(String(data));
      await task?.ended;
      seen.push([method, path, form, status === 200 ? (task?.exit ?? 'OK') : reason]);
    }
    expect(seen).toEqual(outcomes);
  });

  test('is left locked by a worker that dies, and unlocked by one that is told to stop', async () => {
    const upid = async () => /UPID:\S+/.exec(await sim.fault('vm 101 backup 60'))![0];
    const first = await upid();
    await eventually(lockOf, (lock) => lock === 'backup');
    sim.cluster.tasks.stop(sim.cluster.tasks.find(first)!);
    await sim.cluster.tasks.find(first)!.ended;
    expect(sim.cluster.tasks.find(first)!.exit).toBe('interrupted by signal');
    expect(lockOf()).toBeUndefined();
    expect(sim.cluster.machines.get(101)!.frozen).toBe(false);
    await upid();
    await eventually(lockOf, (lock) => lock === 'backup');
    await sim.fault('task kill vzdump');
    await eventually(
      () => sim.cluster.tasks.all.every((task) => !task.running),
      (all) => all,
    );
    expect(lockOf()).toBe('backup');
  });
});
