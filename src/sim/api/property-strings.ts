import { without } from '../without.ts';
import { decimal, flag, like, must, oneOf, pattern, since9, text, whole } from './parameter-words.ts';
import type { Parameter, PropertyString } from './parameters.ts';

type Entry = PropertyString[string];
const byDefault = (parameter: Parameter): Entry => ({ ...parameter, isDefault: true });
const aliasOf = (alias: string, keyAlias?: string): Entry => ({
  type: 'string',
  optional: true,
  alias,
  ...(keyAlias === undefined ? {} : { keyAlias }),
});

const networkCards = [
  ...['e1000', 'e1000-82540em', 'e1000-82544gc', 'e1000-82545em', 'e1000e', 'i82551', 'i82557b', 'i82559er'],
  ...['ne2k_isa', 'ne2k_pci', 'pcnet', 'rtl8139', 'virtio', 'vmxnet3'],
];

/** `virtio=BC:24:11:00:00:02,bridge=vmbr0`: the card's name is a key whose value is the MAC address. */
export const network: PropertyString = {
  model: byDefault(must(oneOf(...networkCards))),
  macaddr: like('mac-addr'),
  ...Object.fromEntries(networkCards.map((card) => [card, aliasOf('macaddr', 'model')])),
  bridge: like('pve-bridge-id'),
  firewall: flag,
  link_down: flag,
  mtu: whole(1, 65520),
  queues: whole(0, 64),
  rate: decimal(0),
  tag: whole(1, 4094),
  trunks: pattern('\\d+(?:-\\d+)?(?:;\\d+(?:-\\d+)?)*'),
  'host-tunnel': { ...flag, only: ['9.2'] },
};

const directions = ['', '_rd', '_wr'];
const throttles: PropertyString = Object.fromEntries([
  ...directions.flatMap((way): [string, Entry][] => [
    [`bps${way}`, whole()],
    [`iops${way}`, whole()],
    [`iops${way}_max`, whole()],
    [`bps${way}_max_length`, whole(1)],
    [`iops${way}_max_length`, whole(1)],
    [`mbps${way}`, decimal()],
    [`mbps${way}_max`, decimal()],
  ]),
  ...['_rd', '_wr'].flatMap((way): [string, Entry][] => [
    [`bps${way}_length`, aliasOf(`bps${way}_max_length`)],
    [`iops${way}_length`, aliasOf(`iops${way}_max_length`)],
  ]),
]);

/** What every kind of disk understands. */
const disk: PropertyString = {
  ...throttles,
  file: byDefault(must(like('pve-volume-id-or-qm-path'))),
  volume: aliasOf('file'),
  aio: oneOf('native', 'threads', 'io_uring'),
  backup: flag,
  cache: oneOf('none', 'writethrough', 'writeback', 'unsafe', 'directsync'),
  detect_zeroes: flag,
  discard: oneOf('ignore', 'on'),
  format: oneOf('raw', 'qcow', 'qed', 'qcow2', 'vmdk', 'cloop'),
  'import-from': like('pve-volume-id-or-absolute-path'),
  media: oneOf('cdrom', 'disk'),
  replicate: flag,
  rerror: oneOf('ignore', 'report', 'stop'),
  serial: like('urlencoded', 60),
  shared: flag,
  size: like('disk-size'),
  snapshot: flag,
  werror: oneOf('enospc', 'ignore', 'report', 'stop'),
  // Geometry, of which PVE 9 knows nothing any more.
  ...Object.fromEntries(['cyls', 'heads', 'secs'].map((name) => [name, { ...whole(), only: ['8.4'] as const }])),
  trans: { ...oneOf('none', 'lba', 'auto'), only: ['8.4'] },
};
const wwn = pattern('(0x)[0-9a-fA-F]{16}');

export const ideDisk: PropertyString = { ...disk, model: like('urlencoded', 120), ssd: flag, wwn };
export const sataDisk: PropertyString = { ...disk, ssd: flag, wwn };
export const virtioDisk: PropertyString = { ...disk, iothread: flag, ro: flag };
export const scsiDisk: PropertyString = {
  ...sataDisk,
  iothread: flag,
  product: pattern('[A-Za-z0-9\\-_\\s]{0,16}'),
  queues: whole(2),
  ro: flag,
  scsiblock: flag,
  vendor: pattern('[A-Za-z0-9\\-_\\s]{0,8}'),
};

export const efiDisk: PropertyString = {
  file: byDefault(must(like('pve-volume-id-or-qm-path'))),
  volume: aliasOf('file'),
  efitype: oneOf('2m', '4m'),
  format: oneOf('raw', 'qcow', 'qed', 'qcow2', 'vmdk', 'cloop'),
  'import-from': like('pve-volume-id-or-absolute-path'),
  'ms-cert': oneOf('2011', '2023', '2023w', '2023k'),
  'pre-enrolled-keys': flag,
  size: like('disk-size'),
};
export const tpmState: PropertyString = {
  file: byDefault(must(like('pve-volume-id-or-qm-path'))),
  volume: aliasOf('file'),
  format: since9(oneOf('raw', 'qcow2', 'vmdk')),
  'import-from': like('pve-volume-id-or-absolute-path'),
  size: like('disk-size'),
  version: oneOf('v1.2', 'v2.0'),
};
export const unusedDisk: PropertyString = { file: byDefault(must(like('pve-volume-id'))), volume: aliasOf('file') };

export const agent: PropertyString = {
  enabled: byDefault(must(flag)),
  'freeze-fs': since9(flag),
  'freeze-fs-on-backup': { ...aliasOf('freeze-fs'), before9: flag },
  'guest-fsfreeze': { ...aliasOf('freeze-fs'), only: ['9.1', '9.2'] },
  fstrim_cloned_disks: flag,
  type: oneOf('virtio', 'isa'),
};
export const memory: PropertyString = { current: byDefault(must(whole(16))) };
export const audio: PropertyString = {
  device: must(oneOf('ich9-intel-hda', 'intel-hda', 'AC97')),
  driver: oneOf('spice', 'none'),
};
export const sharedMemory: PropertyString = { name: pattern('[a-zA-Z0-9\\-]+'), size: must(whole(1)) };
const cpuRange = '\\d+(?:-\\d+)?(?:;\\d+(?:-\\d+)?)*';
export const numaNode: PropertyString = {
  cpus: must(pattern(cpuRange)),
  hostnodes: pattern(cpuRange),
  memory: decimal(),
  policy: oneOf('preferred', 'bind', 'interleave'),
};
export const spice: PropertyString = { foldersharing: flag, videostreaming: oneOf('off', 'all', 'filter') };
export const usbDevice: PropertyString = {
  host: byDefault(pattern('(?:0x)?[0-9A-Fa-f]{4}:(?:0x)?[0-9A-Fa-f]{4}|\\d+-\\d+(?:\\.\\d+)*|[Ss][Pp][Ii][Cc][Ee]')),
  mapping: like('pve-configid'),
  usb3: flag,
};
export const virtioFs: PropertyString = {
  dirid: byDefault(must(like('pve-configid'))),
  cache: oneOf('auto', 'always', 'metadata', 'never'),
  'direct-io': flag,
  'expose-acl': flag,
  'expose-xattr': flag,
};
export const vga: PropertyString = {
  type: byDefault(
    oneOf(
      ...['cirrus', 'qxl', 'qxl2', 'qxl3', 'qxl4', 'none', 'serial0', 'serial1', 'serial2', 'serial3'],
      ...['std', 'virtio', 'virtio-gl', 'vmware'],
    ),
  ),
  clipboard: oneOf('vnc'),
  memory: whole(4, 512),
};
export const machine: PropertyString = {
  type: byDefault({
    ...pattern(
      '(?:pc|pc(?:-i440fx)?-\\d+(?:\\.\\d+)+(?:\\+pve\\d+)?(?:\\.pxe)?|q35|pc-q35-\\d+(?:\\.\\d+)+(?:\\+pve\\d+)?(?:\\.pxe)?|virt(?:-\\d+(?:\\.\\d+)+)?(?:\\+pve\\d+)?)',
    ),
    maxLength: 40,
  }),
  'aw-bits': since9(decimal(32, 64)),
  'enable-s3': flag,
  'enable-s4': flag,
  viommu: oneOf('intel', 'virtio'),
};

const uuid = '[a-fA-F0-9]{8}(?:-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}';
const base64 = pattern('[A-Za-z0-9+\\/]+={0,2}');
const snippet = like('pve-volume-id');

/** Property strings that the tables of parameters know by a name only. */
export const propertyStrings: Readonly<Record<string, PropertyString>> = {
  // What `cdrom` takes: a drive that exists.
  'pve-qm-ide': without(ideDisk, 'import-from'),
  'pve-qm-ipconfig': {
    ip: like('pve-ipv4-config'),
    gw: { ...like('ipv4'), requires: 'ip' },
    ip6: like('pve-ipv6-config'),
    gw6: { ...like('ipv6'), requires: 'ip6' },
  },
  'pve-qm-cicustom': { meta: snippet, network: snippet, user: snippet, vendor: snippet },
  'pve-qm-smbios1': {
    uuid: pattern(uuid),
    base64: flag,
    ...Object.fromEntries(
      ['family', 'manufacturer', 'product', 'serial', 'sku', 'version'].map((key) => [key, base64]),
    ),
  },
  'pve-qm-boot': {
    legacy: byDefault(pattern('[acdn]{1,4}')),
    order: pattern(
      '(?:ide[0-3]|sata[0-5]|scsi\\d+|virtio\\d+|net\\d+|usb\\d+|hostpci\\d+)?(?:;(?:ide[0-3]|sata[0-5]|scsi\\d+|virtio\\d+|net\\d+|usb\\d+|hostpci\\d+))*',
    ),
  },
  'pve-vm-cpu-conf': {
    cputype: byDefault(text),
    'reported-model': text,
    hidden: flag,
    'hv-vendor-id': pattern('[a-zA-Z0-9]{1,12}'),
    flags: pattern('[+-][a-zA-Z0-9\\-_.]+(?:;[+-][a-zA-Z0-9\\-_.]+)*'),
    'guest-phys-bits': since9(whole(32, 64)),
    level: since9(whole(1)),
    'phys-bits': pattern('(?:host|[89]|[1-5]\\d|6[0-4])'),
  },
  'backup-fleecing': { enabled: byDefault(flag), storage: like('pve-storage-id') },
  'backup-performance': { 'max-workers': whole(1, 256), 'pbs-entries-max': whole(1) },
  'prune-backups': {
    'keep-all': flag,
    ...Object.fromEntries(
      ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'].map((every) => [`keep-${every}`, whole(0)]),
    ),
  },
  'pve-qm-rng': {
    source: byDefault(must(oneOf('/dev/urandom', '/dev/random', '/dev/hwrng'))),
    max_bytes: whole(),
    period: whole(),
  },
  'pve-qm-watchdog': {
    model: byDefault(oneOf('i6300esb', 'ib700')),
    action: oneOf('reset', 'shutdown', 'poweroff', 'pause', 'debug', 'none'),
  },
  'pve-qm-hostpci': {
    host: byDefault(
      pattern(
        '(?:[a-f0-9]{4,}:)?[a-f0-9]{2}:[a-f0-9]{2}(?:\\.[a-f0-9])?(?:;(?:[a-f0-9]{4,}:)?[a-f0-9]{2}:[a-f0-9]{2}(?:\\.[a-f0-9])?)*',
      ),
    ),
    mapping: like('pve-configid'),
    'legacy-igd': flag,
    driver: { ...oneOf('vfio', 'keep'), only: ['9.2'] },
    mdev: text,
    pcie: flag,
    rombar: flag,
    romfile: pattern('[^,;]+'),
    'x-vga': flag,
    ...Object.fromEntries(
      ['device-id', 'sub-device-id', 'sub-vendor-id', 'vendor-id'].map((key) => [key, pattern('0x[0-9a-fA-F]{4}')]),
    ),
  },
  'pve-qemu-sev-fmt': {
    type: byDefault(must(oneOf('std', 'es', 'snp'))),
    'allow-smt': flag,
    'kernel-hashes': flag,
    'no-debug': flag,
    'no-key-sharing': flag,
  },
  'pve-qemu-tdx-fmt': {
    type: byDefault(must(oneOf('tdx'))),
    attestation: must(flag),
    'vsock-cid': whole(2),
    'vsock-port': whole(0),
  },
};
