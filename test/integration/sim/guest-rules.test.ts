import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { ask, virtualCluster } from './client.ts';

/* What calls do to guests, where no recording shows it: on the recordings' world, as its root token. */

const guest = (vmid: number, path = ''): string => `/nodes/pve1/qemu/${vmid}${path}`;

type Form = Record<string, string | number>;
let sim: Simulator;
beforeEach(async () => {
  sim = await virtualCluster();
});
afterEach(() => sim.close());

const tokenOf = (who: string) => sim.tokens.find(({ id }) => id.startsWith(who))!;
const call = (method: string, path: string, form?: Form, who = 'root@pam!') =>
  ask(sim, method, path, form, tokenOf(who));
const configOf = async (vmid: number) => (await call('GET', guest(vmid, '/config'))).data as Record<string, unknown>;

/** How the task of a call ended. */
async function ended(
  method: string,
  path: string,
  form?: Form,
): Promise<{ exit: string; type: string; log: string[] }> {
  const answer = await call(method, path, form);
  const task = sim.cluster.tasks.find(String(answer.data));
  if (!task) throw new Error(`${method} ${path}: ${answer.status} ${answer.reason}`);
  await task.ended;
  return { exit: task.exit ?? '', type: task.of.type, log: task.log };
}

describe('clones', () => {
  test('take their locks in the task, the source first: a locked source fails the task, not the call', async () => {
    let release = (): void => undefined;
    const held = sim.cluster.locks.guest('pve1', 9000, 0, () => new Promise<void>((done) => (release = done)));
    expect(await ended('POST', guest(9000, '/clone'), { newid: 300 })).toMatchObject({
      type: 'qmclone',
      exit: "can't lock file '/var/lock/qemu-server/lock-9000.conf' - got timeout",
    });
    release();
    await held;
    expect((await ended('POST', guest(9000, '/clone'), { newid: 300 })).exit).toBe('OK');
  });

  test('leave out what waits for a restart of the source, and say so without a warning that counts', async () => {
    await ended('POST', guest(100, '/status/start'));
    await call('PUT', guest(100, '/config'), { memory: 1024 });
    const { exit, log } = await ended('POST', guest(100, '/clone'), { newid: 303 });
    expect(exit).toBe('OK');
    expect(log).toContain("found pending changes for 'memory', discarding for clone");
    expect(await configOf(303)).toMatchObject({ memory: '512' });
  });

  test('have an image for cloud-init of the usual size, whatever the source has', async () => {
    sim.cluster.volumes.find('tank:9000/vm-9000-cloudinit.qcow2', 'pve1')!.bytes = 8 * 2 ** 20;
    await ended('POST', guest(9000, '/clone'), { newid: 300 });
    expect(await configOf(300)).toMatchObject({ ide2: 'tank:300/vm-300-cloudinit.qcow2,media=cdrom,size=4M' });
  });
});

describe('guests that are made', () => {
  test('boot from the first disk in the order of the buses, then the CD, then the card', async () => {
    const form = { vmid: 300, scsi1: 'tank:1', sata0: 'tank:1', ide3: 'none,media=cdrom', net1: 'virtio,bridge=vmbr0' };
    const { exit, log } = await ended('POST', '/nodes/pve1/qemu', form);
    expect(exit).toBe('OK');
    expect(await configOf(300)).toMatchObject({ boot: 'order=scsi1;ide3;net1' });
    expect(log).toContain("scsi1: successfully created disk 'tank:300/vm-300-disk-1.raw,size=1G'");
  });

  test('without a device have a blank order', async () => {
    await ended('POST', '/nodes/pve1/qemu', { vmid: 301, name: 'bare' });
    expect(await configOf(301)).toMatchObject({ boot: ' ', name: 'bare' });
  });

  test('keep their firmware and TPM on small disks of a size of their own', async () => {
    const form = { vmid: 302, efidisk0: 'tank:1,efitype=4m', tpmstate0: 'tank:1,version=v2.0' };
    expect((await ended('POST', '/nodes/pve1/qemu', form)).exit).toBe('OK');
    expect(await configOf(302)).toMatchObject({
      efidisk0: 'tank:302/vm-302-disk-0.raw,efitype=4m,size=528K',
      tpmstate0: 'tank:302/vm-302-disk-1.raw,size=4M,version=v2.0',
    });
  });

  test('may be given to the HA manager, which starts them itself', async () => {
    await ended('POST', '/nodes/pve1/qemu', { vmid: 303, 'ha-managed': 1, start: 1 });
    expect((await call('GET', '/cluster/ha/resources/vm:303')).data).toMatchObject({ state: 'started' });
  });

  test('may be filled from a volume that is there', async () => {
    const form = { vmid: 304, scsi0: 'tank:0,import-from=tank:100/vm-100-disk-0.qcow2' };
    expect((await ended('POST', '/nodes/pve1/qemu', form)).exit).toBe('OK');
    expect(await configOf(304)).toMatchObject({ scsi0: 'tank:304/vm-304-disk-0.raw,size=256M' });
  });
});

describe('power', () => {
  test('a guest that stands still is stopped by a shutdown with force, and not asked', async () => {
    await ended('POST', guest(100, '/status/start'));
    await ended('POST', guest(100, '/status/suspend'));
    expect(await call('POST', guest(100, '/status/shutdown'))).toMatchObject({
      status: 500,
      reason: 'VM is paused - cannot shutdown',
    });
    expect(await ended('POST', guest(100, '/status/shutdown'), { forceStop: 1 })).toMatchObject({
      type: 'qmshutdown',
      exit: 'OK',
    });
  });

  test('what the HA manager stops cannot overrule a shutdown', async () => {
    await call('POST', '/cluster/ha/resources', { sid: 'vm:100' });
    expect((await call('POST', guest(100, '/status/stop'), { 'overrule-shutdown': 1 })).errors).toEqual({
      'overrule-shutdown': 'Not applicable for HA resources.',
    });
    expect((await ended('POST', guest(100, '/status/stop'))).type).toBe('hastop');
  });

  test('the state of a guest suspended to disk is deleted with its lock', async () => {
    await ended('POST', guest(100, '/status/start'));
    expect((await ended('POST', guest(100, '/status/suspend'), { todisk: 1 })).exit).toBe('OK');
    expect(await configOf(100)).toMatchObject({ lock: 'suspended' });
    expect((await call('PUT', guest(100, '/config'), { delete: 'vmstate,lock' })).reason).toBe(
      "only root can set 'lock' config",
    );
    expect((await call('PUT', guest(100, '/config'), { delete: 'vmstate' })).status).toBe(200);
    const after = await configOf(100);
    expect(after).not.toHaveProperty('lock');
    expect(after).not.toHaveProperty('vmstate');
  });
});

describe('configuration', () => {
  test('tags keep their case and order where the datacenter says so', async () => {
    await call('PUT', guest(100, '/config'), { tags: 'Zoo;alpha zoo' });
    expect(await configOf(100)).toMatchObject({ tags: 'alpha;zoo' });
    sim.cluster.world.datacenter['tag-style'] = 'case-sensitive=1,ordering=config';
    await call('PUT', guest(100, '/config'), { tags: 'Zoo;alpha,zoo;Zoo' });
    expect(await configOf(100)).toMatchObject({ tags: 'Zoo;alpha;zoo' });
  });

  test('an order of boot takes the place of the one boot disk', async () => {
    await call('PUT', guest(100, '/config'), { bootdisk: 'scsi0' });
    await call('PUT', guest(100, '/config'), { boot: 'order=scsi0;net0' });
    const after = await configOf(100);
    expect(after).toMatchObject({ boot: 'order=scsi0;net0' });
    expect(after).not.toHaveProperty('bootdisk');
  });

  test('a password never waits for a restart', async () => {
    await ended('POST', guest(100, '/status/start'));
    await call('PUT', guest(100, '/config'), { cipassword: 'secret' });
    const rows = (await call('GET', guest(100, '/pending'))).data as { key: string }[];
    expect(rows.find(({ key }) => key === 'cipassword')).toEqual({ key: 'cipassword', value: '**********' });
  });

  test('what is zero is shown although it is about to go away', async () => {
    await call('PUT', guest(100, '/config'), { acpi: 0, kvm: 1 });
    await ended('POST', guest(100, '/status/start'));
    await call('PUT', guest(100, '/config'), { delete: 'acpi,kvm' });
    const shown = await configOf(100);
    expect(shown).toMatchObject({ acpi: 0 });
    expect(shown).not.toHaveProperty('kvm');
  });

  test('a display that is named has a clipboard, and spice when it is virtio or qxl', async () => {
    await call('PUT', guest(100, '/config'), { vga: 'std' });
    const status = async () => (await call('GET', guest(100, '/status/current'))).data as Record<string, unknown>;
    expect(await status()).toMatchObject({ clipboard: null });
    expect(await status()).not.toHaveProperty('spice');
    await call('PUT', guest(100, '/config'), { vga: 'virtio,clipboard=vnc' });
    expect(await status()).toMatchObject({ clipboard: 'vnc', spice: 1 });
  });

  test('a guest suspended to disk can be destroyed', async () => {
    await ended('POST', guest(100, '/status/start'));
    await ended('POST', guest(100, '/status/suspend'), { todisk: 1 });
    expect((await ended('DELETE', guest(100))).exit).toBe('OK');
    expect(sim.cluster.volumes.ownedBy(100, 'pve1')).toEqual([]);
  });
});

describe('disks', () => {
  test('an empty CD has no volume that could grow', async () => {
    await call('PUT', guest(100, '/config'), { ide2: 'none,media=cdrom' });
    expect((await ended('PUT', guest(100, '/resize'), { disk: 'ide2', size: '+1G' })).exit).toBe(
      "unable to parse volume ID 'none'",
    );
    expect((await ended('PUT', guest(9000, '/resize'), { disk: 'ide2', size: '+1G' })).exit).toBe(
      "you can't resize a cdrom",
    );
  });

  test('a move says what it copies, and where the source stays', async () => {
    const { exit, log } = await ended('POST', guest(100, '/move_disk'), { disk: 'scsi0', storage: 'small' });
    expect(exit).toBe('OK');
    expect(log[0]).toBe(
      "copying volume 'tank:100/vm-100-disk-0.qcow2' from current storage 'tank' to target storage 'small'",
    );
    expect(log).toContain("adding source volume 'tank:100/vm-100-disk-0.qcow2' as 'unused0' to config");
  });

  test('a disk that another guest gets is not booted from any more', async () => {
    await call('PUT', guest(100, '/config'), { boot: 'order=scsi0;net0' });
    await ended('POST', guest(100, '/move_disk'), { disk: 'scsi0', 'target-vmid': 102 });
    expect(await configOf(100)).toMatchObject({ boot: 'order=net0' });
  });
});

describe('snapshots', () => {
  test('one without a description has none, and a rollback with a start needs the right to start', async () => {
    await ended('POST', guest(100, '/snapshot'), { snapname: 's1', description: '' });
    expect((await call('GET', guest(100, '/snapshot/s1/config'))).data).not.toHaveProperty('description');
    sim.cluster.world.roles.set('Back', new Set(['VM.Snapshot.Rollback']));
    sim.cluster.world.acls.push({ path: '/vms/100', propagate: true, who: 'shadow@pve', role: 'Back' });
    const form = { start: 1 };
    expect(await call('POST', guest(100, '/snapshot/s1/rollback'), form, 'shadow@pve!')).toMatchObject({
      status: 403,
      reason: 'Permission check failed (/vms/100, VM.PowerMgmt)',
    });
    expect((await ended('POST', guest(100, '/snapshot/s1/rollback'), form)).exit).toBe('OK');
    expect(sim.cluster.machines.get(100)).toBeDefined();
  });
});

describe('lists', () => {
  test('the content of a storage shows images to who may change the disks of their guest', async () => {
    const idsFor = async (who: string): Promise<unknown[]> => {
      const { data } = await call('GET', '/nodes/pve1/storage/tank/content', undefined, who);
      return (data as { volid: string; vmid: unknown }[]).map(({ volid, vmid }) => [volid, vmid]);
    };
    expect(await idsFor('root@pam!')).toEqual([
      ['tank:100/vm-100-disk-0.qcow2', 100],
      ['tank:9000/base-9000-disk-0.qcow2', 9000],
      ['tank:9000/vm-9000-cloudinit.qcow2', 9000],
    ]);
    expect(await idsFor('shadow@pve!')).toEqual([
      ['tank:9000/base-9000-disk-0.qcow2', 9000],
      ['tank:9000/vm-9000-cloudinit.qcow2', 9000],
    ]);
  });

  test('a storage that is off is listed as such, and left out of the cluster', async () => {
    sim.cluster.world.storages.get('small')!.options['disable'] = '1';
    expect((await call('GET', '/nodes/pve1/storage?storage=small')).data).toMatchObject([{ enabled: 0, active: 0 }]);
    expect((await call('GET', '/nodes/pve1/storage?enabled=1')).data).not.toContainEqual(
      expect.objectContaining({ storage: 'small' }),
    );
    const rows = (await call('GET', '/cluster/resources?type=storage')).data as { storage: string }[];
    expect(rows.map(({ storage }) => storage)).not.toContain('small');
  });

  test('a limit of nothing lists no task, and counts them all the same', async () => {
    await ended('POST', guest(100, '/status/stop'));
    expect((await call('GET', '/nodes/pve1/tasks?limit=0')).data).toEqual([]);
    expect((await call('GET', '/nodes/pve1/tasks')).data).toHaveLength(1);
  });

  test('what comes by a pool holds for its member alone', async () => {
    await call('PUT', '/pools', { poolid: 'shadows', vms: '100' });
    const { data } = await call('GET', '/access/permissions', undefined, 'shadow@pve!');
    expect(data).toMatchObject({ '/pool/shadows': { 'VM.Audit': 1 }, '/vms/100': { 'VM.Audit': 0 } });
  });
});

describe('many guests in one call', () => {
  test('start what is off, in the order they are told to, and name those that fail', async () => {
    const { exit, log, type } = await ended('POST', '/cluster/bulk-action/guest/start', { vms: '100' });
    expect([type, exit]).toEqual(['bulk-start', 'OK']);
    expect(log).toEqual(['Starting guests: 100', 'Starting VM 100', 'TASK OK']);
    const again = await ended('POST', '/cluster/bulk-action/guest/start');
    expect(again.exit).toBe('Some guests failed to start: 101, 200');
    expect(again.log).toContain('WARN: Skipping VM 100, already running.');
    expect(again.log).toContain('WARN: Starting VM 101 failed: VM is locked (backup)');
  });

  test('shut down what runs', async () => {
    await ended('POST', guest(100, '/status/start'));
    const { exit, log } = await ended('POST', '/cluster/bulk-action/guest/shutdown', { timeout: 30 });
    expect(exit).toMatch(/^WARNINGS: \d$/);
    expect(log).toContain('Shutting down VM 100 (Timeout = 30 seconds)');
    expect(sim.cluster.machines.get(100)).toBeUndefined();
  });
});
