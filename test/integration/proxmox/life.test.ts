import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ask, eventually } from '../sim/client.ts';
import type { Lab } from './lab.ts';
import { marker, openLab, ref, shadow, tasksOf } from './lab.ts';

describe('a shadow on Proxmox', () => {
  let lab: Lab;
  beforeEach(async () => {
    lab = await openLab();
  });
  afterEach(async () => {
    await lab.close();
  });

  test('is cloned, made itself and marked, and made again is the same one', async () => {
    const made = await lab.hypervisor.ensureShadow(shadow(1));
    expect(made).toMatchObject({
      ref: ref(9001),
      node: 'pve2',
      name: 'shop-shadow-1',
      power: 'stopped',
      cores: 4,
      memoryMiB: 4_096,
      addresses: ['10.0.0.11'],
      marker: marker(1),
      tags: ['golden', 'umbra', 'umbra-shadow', 'umbra-vm-shop'],
    });
    const { config } = lab.sim.cluster.world.guests.get(9001)!;
    expect(config.current).toMatchObject({ onboot: '0', protection: '0' });
    expect(config.current['smbios1']).toContain(
      `serial=${Buffer.from('shop/1:0123456789abcdef').toString('base64')},base64=1`,
    );
    const before = { ...config.current };
    expect(await lab.hypervisor.ensureShadow(shadow(1))).toEqual(made);
    expect(lab.sim.cluster.world.guests.get(9001)!.config.current).toEqual(before);
    expect(await tasksOf(lab, 'qmclone')).toBe(1);
    expect([...lab.sim.cluster.world.pools.get('umbra')!.vms]).toEqual([9001]);
  });

  test('tells how its guest waits for the machine since Proxmox VE 9, and nothing where it is not told', async () => {
    expect(await lab.hypervisor.observePressure!(ref(101))).toEqual({ cpu: 0, memory: 0, io: 0 });
    // Nearly all of what its vCPUs can serve: tasks begin to wait for them.
    lab.sim.cluster.machines.setLoad(101, { qps: 95, capacityQps: 100 });
    const told = await lab.hypervisor.observePressure!(ref(101));
    expect(told!.cpu).toBeGreaterThan(0.05);
    expect(told!.cpu).toBeLessThanOrEqual(1);
    lab.sim.cluster.world.release = '8.4';
    expect(await lab.hypervisor.observePressure!(ref(101))).toBeUndefined();
    lab.sim.cluster.world.release = '9.2';
    await lab.hypervisor.ensurePower(ref(101), 'stopped');
    expect(await lab.hypervisor.observePressure!(ref(101))).toBeUndefined();
  });

  test('may be a full clone of a stopped primary, and keeps nothing of its addresses', async () => {
    lab.sim.cluster.world.guests.get(101)!.config.current['ipconfig1'] = 'ip=192.168.7.1/24';
    await lab.hypervisor.ensurePower(ref(101), 'stopped');
    const made = await lab.hypervisor.ensureShadow(shadow(2, { source: ref(101), full: true, node: 'pve3' }));
    expect(made).toMatchObject({ node: 'pve3', addresses: ['10.0.0.12'], cores: 4 });
    expect(lab.sim.cluster.world.guests.get(101)!.config.current['onboot']).toBe('1');
  });

  describe('of the identity of its source', () => {
    const of = (vmid: number) => lab.sim.cluster.world.guests.get(vmid)!.config.current;
    const macOf = (vmid: number): string => /=([0-9A-F:]{17})/i.exec(of(vmid)['net0']!)![1]!;
    const instanceIdOf = async (vmid: number): Promise<unknown> => {
      const path = `/nodes/pve2/qemu/${vmid}/cloudinit/dump?type=meta`;
      return (await ask(lab.sim, 'GET', path, undefined, lab.sim.tokens[0])).data;
    };
    const vendor = 'local:snippets/umbra.yaml';
    const snippet = () =>
      lab.sim.cluster.world.volumes.push({ storage: 'local', name: 'snippets/umbra.yaml', node: 'pve2', bytes: 100 });

    test('keeps nothing unless told: address, MAC, BIOS UUID and hostname are its own, and cloud-init makes new keys', async () => {
      await lab.hypervisor.ensureShadow(shadow(1));
      await lab.hypervisor.ensureShadow(shadow(2));
      expect(of(9001)).toMatchObject({ name: 'shop-shadow-1', ipconfig0: 'ip=10.0.0.11/24,gw=10.0.0.1' });
      expect(new Set([macOf(9000), macOf(9001), macOf(9002)]).size).toBe(3);
      const uuidOf = (vmid: number): string => /uuid=([^,]+)/.exec(of(vmid)['smbios1']!)![1]!;
      expect(uuidOf(9001)).not.toBe(uuidOf(9002));
      // Another instance to cloud-init, which is what gives it a machine-id and host keys of its own.
      expect(await instanceIdOf(9001)).not.toEqual(await instanceIdOf(9002));
      expect(of(9001)).not.toHaveProperty('cicustom');
    });

    test('keeps the hostname alone when told so', async () => {
      await lab.hypervisor.ensureShadow(shadow(1, { identity: { hostname: 'same' } }));
      expect(of(9001)['name']).toBe(of(9000)['name']);
      expect(macOf(9001)).not.toBe(macOf(9000));
    });

    test('keeps the MAC address alone when told so, and is told once', async () => {
      const spec = shadow(1, { identity: { mac: 'same' } });
      await lab.hypervisor.ensureShadow(spec);
      expect(macOf(9001)).toBe(macOf(9000));
      expect(of(9001)['name']).toBe('shop-shadow-1');
      const before = { ...of(9001) };
      await lab.hypervisor.ensureShadow(spec);
      expect(of(9001)).toEqual(before);
    });

    test('keeps host keys and machine-id by vendor data for cloud-init, which takes no right more', async () => {
      snippet();
      const identity = { sshHostKeys: 'same', machineId: 'same', vendorSnippet: vendor } as const;
      await lab.hypervisor.ensureShadow(shadow(1, { identity }));
      expect(of(9001)['cicustom']).toBe(`vendor=${vendor}`);
      // The address is its own whatever is kept.
      expect(of(9001)).toMatchObject({ name: 'shop-shadow-1', ipconfig0: 'ip=10.0.0.11/24,gw=10.0.0.1' });
    });
  });

  test('may grow its disk to an absolute size, once', async () => {
    const spec = shadow(1, { disk: { drive: 'scsi0', sizeGiB: 8 } });
    await lab.hypervisor.ensureShadow(spec);
    await lab.hypervisor.ensureShadow(spec);
    expect(lab.sim.cluster.world.guests.get(9001)!.config.current['scsi0']).toContain('size=8G');
    expect(await tasksOf(lab, 'resize')).toBe(1);
  });

  test('goes through every power state and back, and stays where it is when asked twice', async () => {
    await lab.hypervisor.ensureShadow(shadow(1));
    for (const wanted of [
      'running',
      'paused',
      'running',
      'suspended',
      'running',
      'stopped',
      'paused',
      'stopped',
    ] as const) {
      expect(await lab.hypervisor.ensurePower(ref(9001), wanted)).toMatchObject({ power: wanted });
      expect(await lab.hypervisor.ensurePower(ref(9001), wanted)).toMatchObject({ power: wanted });
    }
  });

  test('is not made over somebody else’s guest', async () => {
    await lab.hypervisor.ensureShadow(shadow(1));
    const other = shadow(1, { marker: marker(5, 'shadow', 'mail') });
    await expect(lab.hypervisor.ensureShadow(other)).rejects.toMatchObject({
      failureClass: 'exists',
      message: expect.stringContaining('VMID 9001 belongs to somebody else: "shop-shadow-1" on pve2'),
    });
    await expect(lab.hypervisor.ensureShadow(shadow(1, { ref: ref(103) }))).rejects.toMatchObject({
      failureClass: 'exists',
    });
  });

  test('waits while somebody holds its source’s lock', async () => {
    await lab.sim.fault('vm 9000 lock backup');
    const making = lab.hypervisor.ensureShadow(shadow(1));
    setTimeout(() => void lab.sim.fault('vm 9000 unlock'), 300);
    await expect(making).resolves.toMatchObject({ power: 'stopped' });
  });

  test('whose clone died half-way is reported with the commands that mend it', async () => {
    await lab.close();
    lab = await openLab({ sim: { timing: { allocateBlockMs: 1_000 } } });
    const making = lab.hypervisor.ensureShadow(shadow(1));
    setTimeout(() => void lab.sim.fault('task kill qmclone'), 250);
    await expect(making).rejects.toMatchObject({
      message: expect.stringContaining('qm unlock 9001 && qm destroy 9001'),
    });
  });

  test('whose source’s node dies in the middle holds nobody up for longer than it takes to be told', async () => {
    await lab.close();
    const endpoints = ({ endpoints: all }: Lab['sim']) => all.map(({ url }) => url);
    lab = await openLab({ endpoints, sim: { timing: { allocateBlockMs: 5_000 } } });
    const making = lab.hypervisor.ensureShadow(shadow(1, { node: 'pve2' })).catch((error: unknown) => error);
    await eventually(
      () => lab.sim.cluster.world.guests.get(9001)?.config.current['lock'],
      (lock) => lock === 'clone',
    );
    const cut = performance.now();
    await lab.sim.fault('node pve1 off');
    expect(await making).toBeInstanceOf(Error);
    expect(performance.now() - cut).toBeLessThan(10_000);
  });

  test('whose own node dies in the middle is given up as offline, with few questions', async () => {
    await lab.close();
    const endpoints = ({ endpoints: all }: Lab['sim']) => all.map(({ url }) => url);
    // A real proxy tries for three seconds.
    lab = await openLab({ endpoints, sim: { timing: { allocateBlockMs: 2_000, unreachableMs: 1_500 } } });
    const making = lab.hypervisor
      .ensureShadow(shadow(1, { node: 'pve3', source: ref(9000) }))
      .catch((error: unknown) => error);
    await eventually(
      () => lab.sim.cluster.world.guests.get(9001)?.config.current['lock'],
      (lock) => lock === 'clone',
    );
    await lab.sim.fault('node pve3 off');
    const cut = performance.now();
    expect(await making).toMatchObject({ failureClass: 'offline', message: expect.stringContaining('pve3 is off') });
    expect(performance.now() - cut).toBeLessThan(20_000);
    const again = performance.now();
    // By a worker that has never seen it: nothing proves whose it is, and nothing is said about that.
    await expect(lab.hypervisor.ensureShadow(shadow(1, { node: 'pve3' }))).rejects.toMatchObject({
      failureClass: 'offline',
    });
    expect(performance.now() - again).toBeLessThan(10_000);
  });

  test('given up while its clone is in doubt is not gone before that clone can no longer come', async () => {
    await lab.sim.fault('api pve1 stall 1 POST /clone');
    const giveUp = new AbortController();
    const making = lab.hypervisor.ensureShadow(shadow(1), giveUp.signal).catch((error: unknown) => error);
    await eventually(
      () => lab.logged.some((text) => text.startsWith('clone: looking again')),
      (doubted) => doubted,
    );
    giveUp.abort();
    expect(await making).toBeInstanceOf(Error);
    const deleting = lab.hypervisor.ensureDeleted(ref(9001), marker(1, 'retired')).catch((error: unknown) => error);
    await lab.sim.fault('api pve1 ok');
    expect(await deleting).toMatchObject({ message: expect.stringContaining('not visible to this token') });
    expect(lab.sim.cluster.world.guests.has(9001)).toBe(true);
  });

  test('is deleted only when it is marked as retired, ours and stopped; gone is gone', async () => {
    await lab.hypervisor.ensureShadow(shadow(1));
    const remove = (m = marker(1, 'retired')) => lab.hypervisor.ensureDeleted(ref(9001), m);
    await expect(remove()).rejects.toMatchObject({ message: expect.stringContaining('its marker says shadow') });
    await lab.hypervisor.ensureMarked(ref(9001), marker(1, 'retired'), { protected: false });
    await lab.hypervisor.ensurePower(ref(9001), 'running');
    await expect(remove()).rejects.toMatchObject({ message: expect.stringContaining('it is running') });
    await lab.hypervisor.ensurePower(ref(9001), 'stopped');
    await expect(remove(marker(2, 'retired'))).rejects.toMatchObject({ message: expect.stringContaining('shop/1') });
    await remove();
    await remove();
    expect(lab.sim.cluster.world.guests.has(9001)).toBe(false);
    expect(lab.sim.cluster.world.volumes.filter((one) => one.name.includes('-9001-'))).toEqual([]);
    await expect(lab.hypervisor.observeGuest(ref(9001))).resolves.toBeUndefined();
  });

  test('is gone when it is gone: a volume it left is told, by the deletion and by each sweep, and fails neither', async () => {
    await lab.hypervisor.ensureShadow(shadow(1));
    await lab.hypervisor.ensureMarked(ref(9001), marker(1, 'retired'), { protected: false });
    await lab.hypervisor.ensureDeleted(ref(9001), marker(1, 'retired'));
    const left = { storage: 'tank', name: 'vm-9001-disk-4', node: 'pve1', bytes: 2 ** 30 };
    lab.sim.cluster.world.volumes.push(left, { ...left, name: 'vm-777-disk-0' });
    // A right from the pool ends with the guest: then Proxmox does not show what it left.
    await expect(lab.hypervisor.observeLeftOvers!()).resolves.toEqual([]);
    for (const who of ['umbra@pve', lab.sim.tokens[0]!.id]) {
      lab.sim.cluster.world.acls.push({ path: '/vms', propagate: true, who, role: 'Umbra' });
    }
    await lab.hypervisor.ensureDeleted(ref(9001), marker(1, 'retired'));
    expect(lab.logged).toContainEqual(expect.stringContaining('pvesm free tank:vm-9001-disk-4'));
    await expect(lab.hypervisor.observeLeftOvers!()).resolves.toEqual([
      { vmid: 9001, volume: 'tank:vm-9001-disk-4', node: expect.stringMatching(/^pve[123]$/) },
    ]);
    await lab.sim.fault('api pve1 500 9 GET /storage');
    await lab.hypervisor.ensureDeleted(ref(9001), marker(1, 'retired'));
    expect(lab.logged).toContainEqual(expect.stringContaining('whether it left volumes could not be seen'));
  });

  test('that serves is protected by Proxmox itself, until it is retired', async () => {
    await lab.hypervisor.ensureShadow(shadow(1));
    await lab.hypervisor.ensureMarked(ref(9001), marker(1, 'primary'), { protected: true });
    const { current } = lab.sim.cluster.world.guests.get(9001)!.config;
    expect(current).toMatchObject({ protection: '1', tags: 'golden;umbra;umbra-primary;umbra-vm-shop' });
    await lab.hypervisor.ensureMarked(ref(9001), marker(1, 'retired'), { protected: true });
    await lab.hypervisor.ensureDeleted(ref(9001), marker(1, 'retired'));
    expect(lab.sim.cluster.world.guests.has(9001)).toBe(false);
  });

  test('an existing primary is adopted with what its owner wrote on it', async () => {
    const { config } = lab.sim.cluster.world.guests.get(101)!;
    config.current['description'] = 'Do not touch.\nAsk Ada.';
    const adopted = await lab.hypervisor.ensureMarked(ref(101), marker(0, 'primary'), { protected: true });
    expect(adopted.marker).toEqual(marker(0, 'primary'));
    expect(lab.sim.cluster.world.guests.get(101)!.config.current['description']).toBe(
      'Do not touch.\nAsk Ada.\n\numbra:v1 vm=shop n=0 role=primary op=op-shop-0',
    );
    await expect(
      lab.hypervisor.ensureMarked(ref(101), marker(0, 'primary', 'mail'), { protected: true }),
    ).rejects.toMatchObject({ failureClass: 'exists' });
    await expect(
      lab.hypervisor.ensureMarked(ref(9000), marker(0, 'primary'), { protected: true }),
    ).rejects.toMatchObject({ failureClass: 'invalid' });
  });

  test('that somebody moved is found where it is', async () => {
    await lab.hypervisor.ensureShadow(shadow(1));
    lab.sim.cluster.world.guests.get(9001)!.node = 'pve3';
    const until = Date.now() + 3_000;
    let seen = await lab.hypervisor.observeGuest(ref(9001));
    while (seen?.node !== 'pve3' && Date.now() < until) seen = await lab.hypervisor.observeGuest(ref(9001));
    expect(seen).toMatchObject({ node: 'pve3', marker: marker(1) });
    await expect(lab.hypervisor.ensurePower(ref(9001), 'running')).resolves.toMatchObject({ node: 'pve3' });
  });

  test('differs from its primary in what drift lists, and in nothing else', async () => {
    await lab.hypervisor.ensureShadow(shadow(1));
    const { current } = lab.sim.cluster.world.guests.get(101)!.config;
    current['net0'] = current['net0']!.replace('vmbr0', 'vmbr1');
    current['cpu'] = 'host';
    const tier = [
      { key: 'cores', primary: '2', shadow: '4', kind: 'tier' },
      { key: 'memory', primary: '2048 MiB', shadow: '4096 MiB', kind: 'tier' },
    ];
    const drift = [
      { key: 'cpu', primary: 'host', shadow: 'kvm64', kind: 'drift' },
      { key: 'net0', primary: 'virtio,bridge=vmbr1', shadow: 'virtio,bridge=vmbr0', kind: 'drift' },
    ];
    const seen = await lab.hypervisor.configDrift(ref(101), ref(9001));
    expect(seen.filter(({ kind }) => kind === 'tier')).toEqual(tier);
    expect(seen.filter(({ kind }) => kind === 'drift')).toEqual(drift);
    // The template still says what both were.
    const told = await lab.hypervisor.configDrift(ref(101), ref(9001), undefined, ref(9000));
    expect(told).toEqual(seen.map((row) => (row.kind === 'tier' ? row : { ...row, changed: 'primary' })));
  });

  test('answers through its agent, or it is said why not', async () => {
    await lab.hypervisor.ensureShadow(shadow(1));
    expect(await lab.hypervisor.observeAgent!(ref(9001))).toMatchObject({ kind: 'silent' });
    await lab.hypervisor.ensurePower(ref(9001), 'running');
    const until = Date.now() + 3_000;
    let agent = await lab.hypervisor.observeAgent!(ref(9001));
    while (agent.kind === 'silent' && Date.now() < until) agent = await lab.hypervisor.observeAgent!(ref(9001));
    expect(agent).toMatchObject({ kind: 'ready', frozen: false, addresses: ['10.0.0.11'] });
    await lab.sim.fault('agent off');
    expect(await lab.hypervisor.observeAgent!(ref(9001))).toMatchObject({ kind: 'silent' });
  });
});

describe('the cluster', () => {
  test('is seen whole: nodes, storages, guests with our markers', async () => {
    const lab = await openLab();
    try {
      await lab.hypervisor.ensureShadow(shadow(1));
      await lab.hypervisor.ensurePower(ref(9001), 'running');
      const until = Date.now() + 3_000;
      const look = async () => {
        const view = await lab.hypervisor.observeCluster();
        return { view, guest: view.guests.find((one) => one.ref.vmid === 9001) };
      };
      let seen = await look();
      while (seen.guest?.power !== 'running' && Date.now() < until) seen = await look();
      expect(seen.view).toMatchObject({ quorate: true });
      expect(seen.view.nodes.map((one) => [one.node, one.online, one.memoryMiB])).toEqual(
        expect.arrayContaining([['pve1', true, 65_536]]),
      );
      expect(seen.guest).toMatchObject({
        marker: marker(1),
        storages: ['tank'],
        addresses: ['10.0.0.11'],
        node: 'pve2',
      });
      expect(seen.view.guests.find((one) => one.ref.vmid === 9000)).toMatchObject({
        template: true,
        storages: ['tank'],
      });
      expect(seen.view.storages?.find((one) => one.storage === 'tank')).toMatchObject({
        shared: true,
        available: true,
      });
      await lab.sim.fault('ha maintenance pve3 on');
      await lab.sim.fault('node pve2 off');
      seen = await look();
      expect(seen.view.nodes.find((one) => one.node === 'pve3')).toMatchObject({ maintenance: true, online: true });
      expect(seen.view.nodes.find((one) => one.node === 'pve2')).toMatchObject({ online: false });
      expect(seen.guest).toMatchObject({ nodeOnline: false, power: 'unknown', marker: marker(1) });
    } finally {
      await lab.close();
    }
  });
});
