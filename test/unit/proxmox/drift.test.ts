import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ShadowSpec } from '../../../src/ports/hypervisor.ts';
import { configDrift, differences, requireIdentical } from '../../../src/providers/proxmox/drift.ts';
import type { GuestConfig } from '../../../src/providers/proxmox/guest-config.ts';
import { measuredFields } from '../../../src/providers/proxmox/measured-fields.ts';
import { guestOptions } from '../../../src/sim/api/guest-options.ts';

/** For every field that must not differ: a value, and values of another machine. */
const examples: Readonly<Record<string, readonly [string, ...string[]]>> = {
  acpi: ['1', '0'],
  affinity: ['0-3', '0-1'],
  agent: ['1', '0', '1,fstrim_cloned_disks=1', '1,type=isa', '1,freeze-fs=0'],
  'allow-ksm': ['1', '0'],
  'amd-sev': ['type=std', 'type=es', 'type=std,no-debug=1'],
  arch: ['x86_64', 'aarch64'],
  args: ['-cpu host', '-smp 4'],
  audio0: ['device=AC97', 'device=AC97,driver=spice'],
  autostart: ['0', '1'],
  bios: ['seabios', 'ovmf'],
  boot: ['order=scsi0;net0', 'order=net0;scsi0', 'order=scsi0'],
  bootdisk: ['scsi0', 'scsi1'],
  cdrom: ['none,media=cdrom', 'tank:vm-1-disk-9'],
  cicustom: ['user=local:snippets/a.yaml', 'user=local:snippets/b.yaml', 'meta=local:snippets/a.yaml'],
  cipassword: ['**********', '$5$other'],
  citype: ['nocloud', 'configdrive2'],
  ciupgrade: ['1', '0'],
  ciuser: ['app', 'root'],
  cpu: ['x86-64-v2-AES,flags=+aes;-pcid', 'host', 'x86-64-v2-AES,flags=+aes', 'x86-64-v2-AES', 'kvm64,hidden=1'],
  cpulimit: ['0', '2'],
  cpuunits: ['200', '100'],
  efidisk0: [
    'tank:vm-1-disk-5,efitype=4m,pre-enrolled-keys=1,size=4M',
    'tank:vm-1-disk-5,efitype=4m,size=4M',
    'tank:vm-1-disk-5,efitype=2m,pre-enrolled-keys=1,size=4M',
  ],
  freeze: ['0', '1'],
  hookscript: ['local:snippets/hook.sh', 'local:snippets/other.sh'],
  'hostpci[n]': ['0000:01:00.0,pcie=1', '0000:02:00.0,pcie=1', '0000:01:00.0'],
  hotplug: ['network,disk', '0', '1', 'disk'],
  hugepages: ['2', '1024'],
  'ide[n]': ['tank:vm-1-cloudinit,media=cdrom', 'none,media=cdrom', 'tank:vm-1-disk-3,size=1G'],
  'intel-tdx': ['type=tdx', 'type=tdx,attestation=0'],
  ivshmem: ['size=16', 'size=32'],
  keephugepages: ['0', '1'],
  keyboard: ['de', 'en-us'],
  kvm: ['1', '0'],
  localtime: ['1', '0'],
  machine: ['q35', 'pc-i440fx-9.0', 'q35,viommu=intel'],
  migrate_downtime: ['0.1', '0.5'],
  migrate_speed: ['0', '100'],
  nameserver: ['10.0.0.2', '10.0.0.3'],
  'net[n]': [
    'virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=7',
    'e1000=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=7',
    'virtio=BC:24:11:00:00:01,bridge=vmbr1,firewall=1,tag=7',
    'virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=7',
    'virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1',
    ...['rate=5', 'queues=4', 'mtu=1400', 'link_down=1', 'trunks=2;3'].map(
      (option) => `virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=7,${option}`,
    ),
  ],
  numa: ['0', '1'],
  'numa[n]': ['cpus=0-1,memory=1024', 'cpus=0-1,memory=512'],
  ostype: ['l26', 'win11'],
  'parallel[n]': ['/dev/parport0', '/dev/parport1'],
  reboot: ['1', '0'],
  rng0: ['source=/dev/urandom', 'source=/dev/hwrng', 'source=/dev/urandom,max_bytes=1024'],
  'sata[n]': ['tank:vm-1-disk-1,size=2G', 'tank:vm-1-disk-1,size=2G,ssd=1', 'tank:vm-1-disk-1,size=1G'],
  'scsi[n]': [
    'tank:vm-1-disk-2,iothread=1,size=4G',
    'tank:vm-1-disk-2,size=4G',
    ...['cache=writeback', 'ssd=1', 'discard=on', 'aio=native', 'ro=1', 'mbps=50', 'iops=500', 'backup=0'].map(
      (option) => `tank:vm-1-disk-2,iothread=1,size=4G,${option}`,
    ),
    ...['serial=a', 'detect_zeroes=0', 'queues=4', 'replicate=0', 'shared=1', 'werror=stop', 'wwn=0x5000'].map(
      (option) => `tank:vm-1-disk-2,iothread=1,size=4G,${option}`,
    ),
    'tank:vm-1-disk-2,iothread=1,size=3G',
  ],
  scsihw: ['virtio-scsi-single', 'lsi', 'virtio-scsi-pci'],
  searchdomain: ['example.net', 'example.org'],
  'serial[n]': ['socket', '/dev/ttyS0'],
  shares: ['1000', '2000'],
  smbios1: ['uuid=a,manufacturer=Acme', 'uuid=a,manufacturer=Other', 'uuid=a'],
  spice_enhancements: ['foldersharing=1', 'foldersharing=0'],
  sshkeys: ['ssh-ed25519%20AAAA', 'ssh-ed25519%20BBBB'],
  startdate: ['now', '2020-01-01'],
  tablet: ['1', '0'],
  tdf: ['0', '1'],
  tpmstate0: ['tank:vm-1-disk-6,size=4M,version=v2.0', 'tank:vm-1-disk-6,size=4M,version=v1.2'],
  'usb[n]': ['host=1-1', 'host=1-2', 'host=1-1,usb3=1'],
  vga: ['std', 'qxl', 'std,memory=32'],
  'virtio[n]': ['tank:vm-1-disk-4,size=1G', 'tank:vm-1-disk-4,iothread=1,size=1G'],
  'virtiofs[n]': ['share', 'other', 'share,cache=always'],
  vmstatestorage: ['tank', 'local'],
  watchdog: ['i6300esb', 'ib700', 'i6300esb,action=reset'],
};

const named = (field: string): string => field.replace('[n]', '0');
const unintended = (source: GuestConfig, clone: GuestConfig): string[] =>
  differences(source, clone).flatMap(({ key, design }) => (design === undefined ? [key] : []));

/** Any machine of the examples' first values. */
const sources = fc
  .subarray(Object.keys(examples))
  .map((fields): GuestConfig => Object.fromEntries(fields.map((field) => [named(field), examples[field]![0]])));

/** What a clone and its first write make its own, and what they note. */
const own: GuestConfig = {
  name: 'shop-shadow-1',
  description: 'umbra:v1 vm=shop n=1 role=shadow op=shop/1',
  digest: 'ffff',
  ipconfig0: 'ip=10.0.0.11/24',
  meta: 'creation-qemu=10.1.2',
  onboot: '0',
  protection: '0',
  startup: 'order=3',
  tags: 'umbra',
  vmgenid: 'b',
  ...{ cores: '4', sockets: '2', memory: '4096', balloon: '1024', vcpus: '3' },
};

const spec: ShadowSpec = {
  ref: { cluster: 'lab', vmid: 9001 },
  marker: { hostedVmId: 'shop', n: 1, role: 'shadow', operation: 'shop/1' },
  name: 'shop-shadow-1',
  source: { cluster: 'lab', vmid: 9000 },
  ...{ node: 'pve1', full: false, tier: 2, cores: 4, memoryMiB: 4_096, address: '10.0.0.11/24' },
};

describe('what is measured', () => {
  test('is every option that Proxmox knows, each either compared or different by design', () => {
    expect(Object.keys(guestOptions).filter((option) => !Object.hasOwn(measuredFields, option))).toEqual([]);
    const compared = Object.entries(measuredFields).flatMap(([field, { design }]) =>
      design === undefined ? [field] : [],
    );
    expect(compared.sort()).toEqual(Object.keys(examples).sort());
  });

  test('a copy with an identity and a size of its own is identical, whatever it is a copy of', () => {
    fc.assert(
      fc.property(sources, (source) => {
        const clone: GuestConfig = { ...source, ...own };
        expect(unintended(source, clone)).toEqual([]);
        expect(() => requireIdentical(spec, source, clone)).not.toThrow();
        expect(configDrift(source, clone).filter(({ kind }) => kind === 'drift')).toEqual([]);
      }),
    );
  });

  test('a copy that differs in one field is found by that field, whatever it is a copy of', () => {
    const mutations = Object.entries(examples).flatMap(([field, [value, ...others]]) =>
      others.map((other) => ({ field, value, other })),
    );
    fc.assert(
      fc.property(sources, fc.constantFrom(...mutations), (other, { field, value, other: mutated }) => {
        const source: GuestConfig = { ...other, [named(field)]: value };
        const clone: GuestConfig = { ...source, ...own, [named(field)]: mutated };
        const found = unintended(source, clone).map((key) => key.replace(/ size$/, ''));
        expect([...new Set(found)]).toEqual([named(field)]);
        expect(() => requireIdentical(spec, source, clone)).toThrow(`in ${named(field)}`);
      }),
      { numRuns: 4 * mutations.length },
    );
    // None is left to chance.
    for (const { field, value, other } of mutations) {
      expect([field, other, unintended({ [named(field)]: value }, { [named(field)]: other }).length > 0]).toEqual([
        field,
        other,
        true,
      ]);
    }
  });

  test('a device more or less, and an option that only a newer Proxmox knows, are found', () => {
    expect(unintended({}, { net1: 'virtio=BC:24:11:00:00:01,bridge=vmbr0' })).toEqual(['net1']);
    expect(unintended({ scsi1: 'tank:vm-1-disk-2,size=1G' }, {})).toEqual(['scsi1', 'scsi1 size']);
    expect(unintended({ 'host-turbo': '1' }, {})).toEqual(['host-turbo']);
  });

  test.each<[string, GuestConfig, GuestConfig]>([
    ['options in another order', { scsi0: 'a:1,ssd=1,size=1G' }, { scsi0: 'b:2,size=1G,ssd=1' }],
    ['flags in another order', { cpu: 'host,flags=+aes;-pcid' }, { cpu: 'flags=-pcid;+aes,cputype=host' }],
    [
      'a default that is written down',
      {},
      { numa: '0', scsihw: 'lsi', cpu: 'kvm64', agent: 'enabled=0', machine: 'pc' },
    ],
    [
      'a default of a card',
      { net0: 'virtio=BC:24:11:00:00:01,bridge=a' },
      { net0: 'bridge=a,firewall=0,model=virtio,macaddr=BC:24:11:00:00:02' },
    ],
    [
      'texts that are encoded for the serial',
      { smbios1: 'uuid=a,manufacturer=Acme' },
      { smbios1: `base64=1,uuid=b,serial=eA==,manufacturer=${btoa('Acme')}` },
    ],
    ['vendor data for cloud-init', {}, { cicustom: 'vendor=local:snippets/umbra.yaml' }],
    ['hot-plugging as by default', {}, { hotplug: 'disk,usb,network' }],
    ['firmware on a storage with larger pieces', { efidisk0: 'a:1,size=528K' }, { efidisk0: 'b:2,size=4M' }],
    ['a disk on a storage with larger pieces', { scsi0: 'a:1,size=1G' }, { scsi0: 'b:2,size=1028M' }],
    ['Proxmox’s own notes', {}, { meta: 'x', digest: 'y', unused0: 'a:1', runningmachine: 'pc' }],
  ])('%s are no difference', (_, source, clone) => {
    expect(unintended(source, clone)).toEqual([]);
  });
});

describe('what is different by design', () => {
  test('is a tier’s: cores, memory, and a disk that was ordered larger', () => {
    const source = { cores: '2', memory: '2048', scsi0: 'a:1,size=4G' };
    const clone = { cores: '4', memory: '4096', scsi0: 'b:1,size=8G' };
    expect(configDrift(source, clone)).toEqual([
      { key: 'cores', primary: '2', shadow: '4', kind: 'tier' },
      { key: 'memory', primary: '2048 MiB', shadow: '4096 MiB', kind: 'tier' },
      { key: 'scsi0 size', primary: '4 GiB', shadow: '8 GiB', kind: 'tier' },
    ]);
    expect(() => requireIdentical({ ...spec, disk: { drive: 'scsi0', sizeGiB: 8 } }, source, clone)).not.toThrow();
    expect(() => requireIdentical(spec, source, clone)).toThrow('in scsi0 size: 4 GiB there, 8 GiB here');
  });

  test('is not how as many cores are spread over sockets', () => {
    expect(unintended({ cores: '2', sockets: '2' }, { cores: '4' })).toEqual(['cores', 'sockets']);
    expect(unintended({ cores: '2', sockets: '2' }, { cores: '8' })).toEqual([]);
  });
});

describe('a clone that is not what it was made from', () => {
  test('is refused for good, with each field and both values', () => {
    expect.assertions(2);
    try {
      const ofSnapshot = { ...spec, source: { ...spec.source, snapshot: 'gold' } };
      requireIdentical(ofSnapshot, { cpu: 'host', rng0: 'source=/dev/urandom' }, { cpu: 'kvm64' });
    } catch (error) {
      expect(error).toMatchObject({ failureClass: 'permanent', target: 'VM 9001 with snapshot gold of VM 9000' });
      expect(String(error)).toContain('cpu: host there, kvm64 here; rng0: source=/dev/urandom there, absent here');
    }
  });
});

describe('drift', () => {
  test('says which side changed when what both come from still tells', () => {
    const template = { cpu: 'host', vga: 'std', numa: '1', bios: 'ovmf' };
    const primary = { ...template, cpu: 'kvm64', bios: 'seabios' };
    const shadow = { ...template, vga: 'qxl', bios: 'other' };
    const told = configDrift(primary, shadow, template).map(({ key, changed }) => [key, changed]);
    expect(told).toEqual([
      ['bios', undefined],
      ['cpu', 'primary'],
      ['vga', 'shadow'],
    ]);
    expect(configDrift(primary, shadow).every(({ changed }) => changed === undefined)).toBe(true);
  });
});
