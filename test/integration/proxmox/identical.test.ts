import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { grant } from '../../../src/sim/world/demo.ts';
import { emptyConfig } from '../../../src/sim/world/guest-config.ts';
import { gibibyte } from '../../../src/sim/world/world.ts';
import type { Lab } from './lab.ts';
import { openLab, ref, shadow } from './lab.ts';

jest.setTimeout(90_000);

const some = <T>(...values: readonly T[]) => fc.option(fc.constantFrom(...values), { nil: undefined });

/** Templates as operators make them, and stranger ones. */
const templates = fc.record({
  agent: some('0', '1', '1,fstrim_cloned_disks=1'),
  balloon: some('0', '512', '1024'),
  bios: some('seabios', 'ovmf'),
  boot: some('order=scsi0', 'order=scsi0;net0', 'order=net0'),
  cicustom: some('user=local:snippets/user.yaml'),
  cores: some('1', '2', '4'),
  cpu: some('host', 'x86-64-v2-AES', 'kvm64,flags=+aes;-pcid'),
  cpulimit: some('1.5'),
  hotplug: some('0', '1', 'disk,network'),
  ipconfig0: some('ip=dhcp', 'ip=10.0.0.9/24', 'ip=10.0.0.9/24,ip6=auto'),
  ipconfig1: some('ip=192.168.0.9/24', 'ip=dhcp'),
  machine: some('q35', 'pc-i440fx-9.0'),
  net1: some(
    'e1000=BC:24:11:00:77:01,bridge=vmbr1,firewall=1,link_down=1',
    'virtio=BC:24:11:00:77:01,bridge=vmbr0,tag=7',
  ),
  numa: some('0', '1'),
  onboot: some('0', '1'),
  ostype: some('l26', 'win11'),
  protection: some('0', '1'),
  rng0: some('source=/dev/urandom'),
  scsihw: some('lsi', 'virtio-scsi-pci'),
  serial0: some('socket'),
  smbios1: some('uuid=aaaa,manufacturer=Acme', `uuid=aaaa,base64=1,manufacturer=${btoa('Acme')}`),
  sockets: some('1', '2'),
  startup: some('order=2'),
  tags: some('golden', 'umbra;umbra-primary'),
  vga: some('qxl', 'serial0'),
  vmgenid: some('6a1bd0b4-b3a6-4a16-a4ad-6c7b4b2c4f61'),
});

describe('a clone on Proxmox', () => {
  let lab: Lab;
  beforeAll(async () => {
    // Both sources are templates of the manual, whose start at boot the token may take off as well.
    const privileges = ['VM.Audit', 'VM.Clone', 'VM.Config.Options'];
    const sources = ['/vms/9000', '/vms/8000'].map((path) => ({ path, role: 'Source', privileges, propagates: true }));
    lab = await openLab({ change: (world) => grant(world, ['umbra@pve', 'umbra@pve!umbra'], sources) });
  });
  afterAll(async () => {
    await lab.close();
  });
  const guests = () => lab.sim.cluster.world.guests;
  let n = 0;

  test('is identical to its template, whatever that is, and its drift is its tier', async () => {
    const usual = { ...guests().get(9000)!.config.current };
    await fc.assert(
      fc.asyncProperty(templates, async (options) => {
        n += 1;
        const told = Object.entries(options).filter((one): one is [string, string] => one[1] !== undefined);
        guests().get(9000)!.config.current = { ...usual, ...Object.fromEntries(told) };
        await lab.hypervisor.ensureShadow(shadow(n));
        const drift = await lab.hypervisor.configDrift(ref(9000), ref(9000 + n));
        expect(drift.filter(({ kind }) => kind === 'drift')).toEqual([]);
      }),
      { numRuns: 25 },
    );
    guests().get(9000)!.config.current = usual;
  });

  test('is identical to what its source runs with: what is pending there is no clone’s', async () => {
    n += 1;
    const { config } = guests().get(101)!;
    config.pending = { cpu: 'host', net1: 'virtio=BC:24:11:00:77:02,bridge=vmbr0' };
    await lab.hypervisor.ensureShadow(shadow(n, { source: ref(101), full: true, node: 'pve1' }));
    expect(guests().get(9000 + n)!.config.current).not.toHaveProperty('cpu');
    config.pending = {};
  });

  test('is identical to the snapshot it was made from, not to what its guest has become', async () => {
    n += 1;
    const { config } = guests().get(102)!;
    config.snapshots.set('gold', { ...config.current, numa: '1', snaptime: '1700000000' });
    config.current['numa'] = '0';
    const source = { ...ref(102), snapshot: 'gold' };
    await lab.hypervisor.ensureShadow(shadow(n, { source, full: true }));
    expect(guests().get(9000 + n)!.config.current['numa']).toBe('1');
  });

  test('has the disks of firmware and TPM by their options, whatever their storage makes of them', async () => {
    n += 1;
    const { world } = lab.sim.cluster;
    for (const disk of [5, 6]) {
      world.volumes.push({ storage: 'tank', name: `vm-8000-disk-${disk}`, node: 'pve1', bytes: gibibyte / 256 });
    }
    const current = {
      ...guests().get(101)!.config.current,
      efidisk0: 'tank:vm-8000-disk-5,efitype=4m,pre-enrolled-keys=1,size=4M',
      tpmstate0: 'tank:vm-8000-disk-6,size=4M,version=v2.0',
      bios: 'ovmf',
    };
    world.guests.set(8_000, { vmid: 8_000, node: 'pve1', running: false, config: emptyConfig(current) });
    await lab.hypervisor.ensureShadow(shadow(n, { source: ref(8_000), full: true, node: 'pve1' }));
    expect(guests().get(9000 + n)!.config.current['tpmstate0']).toContain('version=v2.0');
  });

  test('of a source that somebody changes meanwhile is refused, and says in what', async () => {
    n += 1;
    const making = lab.hypervisor.ensureShadow(shadow(n)).catch((error: unknown) => error);
    const { current } = guests().get(9000)!.config;
    const before = { ...current };
    while (guests().get(9000 + n)?.config.current['scsi0'] === undefined) await new Promise(setImmediate);
    current['numa'] = '1';
    expect(await making).toMatchObject({
      failureClass: 'permanent',
      message: expect.stringContaining('numa: 1 there, 0 here'),
    });
    guests().get(9000)!.config.current = before;
  });
});
