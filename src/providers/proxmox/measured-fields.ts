import { macOf } from './cards.ts';
import type { GuestConfig } from './guest-config.ts';
import { disks, memoryMiB, properties, sizeGiB, vcpus } from './guest-config.ts';

/*
 * "Identical" is measured, field by field: every option a guest's configuration can have stands in this table, with how
 * it is compared and whether it may differ by design. A field that is not in it, as of a newer Proxmox, is compared
 * as it is written.
 */

/**
 * Why two copies may differ. `tier`: the size that was ordered. `identity`: what must not exist twice, and what guards
 * it. `record`: Proxmox's own notes, which say nothing of the machine.
 */
export type Design = 'tier' | 'identity' | 'record';

type Field = {
  /** The value in a form in which equal machines have equal texts. Undefined: as it is written. */
  readonly seen?: (text: string) => string;
  /** What Proxmox assumes where the option is absent. */
  readonly absent?: string;
  readonly design?: Design | ((source: GuestConfig, clone: GuestConfig) => Design | undefined);
};

const asWritten: Field = {};
const flagged = (absent: '0' | '1'): Field => ({ absent });
const byDesign = (design: Design): Field => ({ design });

/** A property string in any order; `bare` is the option that may be written without its name, and `defaults` need not be. */
function options(bare = '', absent?: string, defaults: Readonly<Record<string, string>> = {}): Field {
  return {
    seen: (text) => {
      const parts = properties(text);
      return joined(parts[''] ?? parts[bare], without(parts, '', bare), defaults);
    },
    ...(absent === undefined ? {} : { absent }),
  };
}

/** `host,flags=+aes;-pcid`: the order of the flags says nothing. */
const cpu: Field = {
  seen: (text) => {
    const { flags, ...parts } = properties(text);
    const sorted = flags === undefined ? {} : { flags: inOrder(flags, ';') };
    return joined(parts[''] ?? parts['cputype'], { ...without(parts, '', 'cputype'), ...sorted }, { hidden: '0' });
  },
  absent: 'kvm64',
};

/** The number of cores is the tier's; how they are spread over sockets is not, where their number is the same. */
const layout: Field = {
  absent: '1',
  design: (source, clone) => (vcpus(source) === vcpus(clone) ? undefined : 'tier'),
};

/** Model and network. The MAC address is the card's own. */
const card: Field = {
  seen: (text) => {
    const parts = properties(text);
    const mac = macOf(text);
    const model = parts['model'] ?? Object.keys(parts).find((key) => parts[key] === mac) ?? '';
    return joined(parts[''] ?? model, without(parts, '', 'model', 'macaddr', model), { firewall: '0', link_down: '0' });
  },
};

const diskDefaults = {
  ...{ backup: '1', cache: 'none', discard: 'ignore', iothread: '0', replicate: '1', ro: '0', shared: '0' },
  ...{ snapshot: '0', ssd: '0', media: 'disk' },
};
/** Which volume it is, where and in which format, is no difference to the guest; its size is a field of its own. */
const ofVolume = ['', 'file', 'volume', 'format', 'size', 'import-from'];

/** What kind of drive, and every option of a disk. A CD may be changed by anybody; the drive may not. */
function disk(defaults: Readonly<Record<string, string>> = diskDefaults): Field {
  return {
    seen: (text) => {
      const [drive] = disks({ scsi0: text });
      if (drive?.cloudInit === true) return 'cloud-init drive';
      if (drive?.cdrom === true) return 'CD drive';
      return joined('disk', without(properties(text), ...ofVolume), defaults);
    },
  };
}

/** What the guest reads of its maker; UUID and serial are its own. All texts are encoded together or not at all. */
const smbios: Field = {
  seen: (text) => {
    const { base64, ...parts } = properties(text);
    const texts = Object.entries(without(parts, '', 'uuid', 'serial')).map(([key, value]): [string, string] => [
      key,
      base64 === '1' ? Buffer.from(value, 'base64').toString('utf8') : value,
    ]);
    return joined(undefined, Object.fromEntries(texts));
  },
  absent: '',
};

/** Vendor data carries out what a hosted VM's identity keeps; the rest of it is the source's. */
const cloudInitFiles: Field = {
  seen: (text) => joined(undefined, without(properties(text), '', 'vendor')),
  absent: '',
};

/** Every option by its name in the documentation, `[n]` for a number. */
export const measuredFields: Readonly<Record<string, Field>> = {
  // The machine.
  acpi: flagged('1'),
  affinity: asWritten,
  'allow-ksm': flagged('1'),
  'amd-sev': options('type'),
  arch: { absent: 'x86_64' },
  args: asWritten,
  bios: { absent: 'seabios' },
  cpu,
  cpulimit: { absent: '0' },
  cpuunits: asWritten,
  hugepages: asWritten,
  'intel-tdx': options('type'),
  keephugepages: flagged('0'),
  kvm: flagged('1'),
  localtime: asWritten,
  machine: options('type', 'pc'),
  numa: flagged('0'),
  'numa[n]': options(),
  ostype: { absent: 'other' },
  reboot: flagged('1'),
  scsihw: { absent: 'lsi' },
  shares: { absent: '1000' },
  startdate: { absent: 'now' },
  tablet: flagged('1'),
  tdf: flagged('0'),
  // Devices.
  agent: options('enabled', '0', { fstrim_cloned_disks: '0', 'freeze-fs': '1', type: 'virtio' }),
  audio0: options(),
  efidisk0: disk({ efitype: '2m', 'pre-enrolled-keys': '0' }),
  'hostpci[n]': options('host'),
  hotplug: { seen: hotplugged, absent: 'network,disk,usb' },
  'ide[n]': disk(),
  ivshmem: options(),
  keyboard: asWritten,
  'net[n]': card,
  'parallel[n]': asWritten,
  rng0: options(),
  'sata[n]': disk(),
  'scsi[n]': disk(),
  'serial[n]': asWritten,
  smbios1: smbios,
  spice_enhancements: options(),
  tpmstate0: disk({ version: 'v1.2' }),
  'usb[n]': options('host', undefined, { usb3: '0' }),
  vga: options('type', 'std'),
  'virtio[n]': disk(),
  'virtiofs[n]': options('dirid'),
  watchdog: options('model'),
  // How it starts and lives.
  autostart: flagged('0'),
  boot: asWritten,
  bootdisk: asWritten,
  cdrom: disk(),
  freeze: flagged('0'),
  hookscript: asWritten,
  migrate_downtime: { absent: '0.1' },
  migrate_speed: { absent: '0' },
  vmstatestorage: asWritten,
  // What cloud-init is told.
  cicustom: cloudInitFiles,
  cipassword: asWritten,
  citype: asWritten,
  ciupgrade: flagged('1'),
  ciuser: asWritten,
  nameserver: asWritten,
  searchdomain: asWritten,
  sshkeys: asWritten,
  // Its size.
  balloon: byDesign('tier'),
  cores: layout,
  memory: { seen: (text) => `${memoryMiB({ memory: text })} MiB`, absent: '512', design: 'tier' },
  smp: byDesign('tier'),
  sockets: layout,
  vcpus: byDesign('tier'),
  // Who it is.
  description: byDesign('identity'),
  'ipconfig[n]': byDesign('identity'),
  name: byDesign('identity'),
  onboot: byDesign('identity'),
  protection: byDesign('identity'),
  startup: byDesign('identity'),
  tags: byDesign('identity'),
  vmgenid: byDesign('identity'),
  // What Proxmox notes.
  digest: byDesign('record'),
  lock: byDesign('record'),
  meta: byDesign('record'),
  nodename: byDesign('record'),
  parent: byDesign('record'),
  runningcpu: byDesign('record'),
  runningmachine: byDesign('record'),
  'running-nets-host-mtu': byDesign('record'),
  snapstate: byDesign('record'),
  snaptime: byDesign('record'),
  template: byDesign('record'),
  'unused[n]': byDesign('record'),
  vmstate: byDesign('record'),
};

export function fieldOf(key: string): Field {
  return measuredFields[key] ?? measuredFields[key.replace(/\d+$/, '[n]')] ?? asWritten;
}

/** Each option as it is compared, what Proxmox assumes where it is absent included; `scsi0 size` beside `scsi0`. */
export function measured(config: GuestConfig): Map<string, string> {
  const absent = Object.entries(measuredFields).flatMap(([key, field]) =>
    field.absent === undefined ? [] : [[key, field.absent] as const],
  );
  const texts = Object.entries({ ...Object.fromEntries(absent), ...config });
  const seen = texts.map(([key, text]): [string, string] => [key, fieldOf(key).seen?.(text) ?? text]);
  return new Map([...seen, ...sizes(config)]);
}

/** Of disks that hold data; those of firmware and TPM have the size their storage gives them. */
function sizes(config: GuestConfig): [string, string][] {
  return disks(config)
    .filter(({ drive, cdrom, cloudInit }) => !cdrom && !cloudInit && !/^(efidisk|tpmstate)/.test(drive))
    .flatMap(({ drive, sizeText }) => {
      const size = sizeGiB(sizeText);
      return size === undefined ? [] : [[`${drive} size`, `${Number(size.toFixed(3))} GiB`] as [string, string]];
    });
}

/** `1` is the default and `0` none; the order says nothing. */
function hotplugged(text: string): string {
  return text === '0' ? 'none' : inOrder(text === '1' ? 'network,disk,usb' : text, ',');
}

function inOrder(list: string, separator: string): string {
  return list.split(separator).sort().join(separator);
}

function joined(
  first: string | undefined,
  parts: Readonly<Record<string, string>>,
  defaults: Readonly<Record<string, string>> = {},
): string {
  const told = Object.entries(parts).filter(([key, value]) => defaults[key] !== value);
  return [...(first === undefined ? [] : [first]), ...told.map(([key, value]) => `${key}=${value}`).sort()].join(',');
}

function without(parts: Readonly<Record<string, string>>, ...keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(parts).filter(([key]) => !keys.includes(key)));
}
