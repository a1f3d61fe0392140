import { cpuRefusal } from './cpu-models.ts';
import { atMost, decimal, flag, like, must, needs, oneOf, pattern, since9, text, whole } from './parameter-words.ts';
import * as words from './property-strings.ts';
import type { Parameters } from './parameters.ts';

const keyboards = [
  ...['de', 'de-ch', 'da', 'en-gb', 'en-us', 'es', 'fi', 'fr', 'fr-be', 'fr-ca', 'fr-ch', 'hu', 'is', 'it', 'ja', 'lt'],
  ...['mk', 'nl', 'no', 'pl', 'pt', 'pt-br', 'sv', 'sl', 'tr'],
];
const systems = [
  ...['other', 'wxp', 'w2k', 'w2k3', 'w2k8', 'wvista', 'win7', 'win8', 'win10', 'win11', 'l24', 'l26', 'solaris'],
];

/** Every option a guest's configuration may hold and the API may set. */
export const guestOptions: Parameters = {
  acpi: flag,
  affinity: like('pve-cpuset'),
  agent: like(words.agent),
  'allow-ksm': since9(flag),
  'amd-sev': like('pve-qemu-sev-fmt'),
  arch: oneOf('x86_64', 'aarch64'),
  args: text,
  audio0: like(words.audio),
  autostart: flag,
  balloon: whole(0),
  bios: oneOf('seabios', 'ovmf'),
  boot: like('pve-qm-boot'),
  bootdisk: { ...like('pve-qm-bootdisk'), pattern: '(ide|sata|scsi|virtio)\\d+' },
  cdrom: like('pve-qm-ide'),
  cicustom: like('pve-qm-cicustom'),
  cipassword: text,
  citype: oneOf('configdrive2', 'nocloud', 'opennebula'),
  ciupgrade: flag,
  ciuser: text,
  cores: whole(1),
  cpu: { ...like('pve-vm-cpu-conf'), verify: cpuRefusal },
  cpulimit: decimal(0, 128),
  cpuunits: whole(1, 262144),
  description: atMost(8192),
  efidisk0: like(words.efiDisk),
  freeze: flag,
  hookscript: like('pve-volume-id'),
  'hostpci[n]': like('pve-qm-hostpci'),
  hotplug: like('pve-hotplug-features'),
  hugepages: oneOf('any', '2', '1024'),
  'ide[n]': like(words.ideDisk),
  'intel-tdx': since9(like('pve-qemu-tdx-fmt')),
  'ipconfig[n]': like('pve-qm-ipconfig'),
  ivshmem: like(words.sharedMemory),
  keephugepages: flag,
  keyboard: oneOf(...keyboards),
  kvm: flag,
  localtime: flag,
  lock: oneOf(
    ...['backup', 'clone', 'create', 'migrate', 'rollback', 'snapshot', 'snapshot-delete', 'suspending', 'suspended'],
  ),
  machine: like(words.machine),
  memory: like(words.memory),
  migrate_downtime: decimal(0),
  migrate_speed: whole(0),
  name: like('dns-name'),
  nameserver: like('address-list'),
  'net[n]': like(words.network),
  numa: flag,
  'numa[n]': like(words.numaNode),
  onboot: flag,
  ostype: oneOf(...systems),
  'parallel[n]': pattern('/dev/parport\\d+|/dev/usb/lp\\d+'),
  protection: flag,
  reboot: flag,
  rng0: like('pve-qm-rng'),
  'sata[n]': like(words.sataDisk),
  'scsi[n]': like(words.scsiDisk),
  scsihw: oneOf('lsi', 'lsi53c810', 'virtio-scsi-pci', 'virtio-scsi-single', 'megasas', 'pvscsi'),
  searchdomain: text,
  'serial[n]': pattern('(/dev/[^,]+|socket)'),
  shares: whole(0, 50000),
  smbios1: like('pve-qm-smbios1', 512),
  smp: whole(1),
  sockets: whole(1),
  spice_enhancements: like(words.spice),
  sshkeys: like('urlencoded'),
  startdate: pattern('(now|\\d{4}-\\d{1,2}-\\d{1,2}(T\\d{1,2}:\\d{1,2}:\\d{1,2})?)'),
  startup: like('pve-startup-order'),
  tablet: flag,
  tags: like('pve-tag-list'),
  tdf: flag,
  template: flag,
  tpmstate0: like(words.tpmState),
  'unused[n]': like(words.unusedDisk),
  'usb[n]': like(words.usbDevice),
  vcpus: whole(1),
  vga: like(words.vga),
  'virtio[n]': like(words.virtioDisk),
  'virtiofs[n]': like(words.virtioFs),
  vmgenid: pattern('(?:[a-fA-F0-9]{8}(?:-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}|[01])'),
  vmstatestorage: like('pve-storage-id'),
  watchdog: like('pve-qm-watchdog'),
};

/** What may come along with the options when a guest is reconfigured. */
export const updateOnly: Parameters = {
  delete: like('pve-configid-list'),
  digest: atMost(40),
  force: needs('delete', flag),
  revert: like('pve-configid-list'),
  skiplock: flag,
};

const numbered = (stem: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${stem}${at}`);
/** Every name a disk may have; the order is the one error texts list them in. */
export const diskNames: readonly string[] = [
  ...numbered('ide', 4),
  ...numbered('scsi', 31),
  ...numbered('virtio', 16),
  ...numbered('sata', 6),
  'efidisk0',
  'tpmstate0',
];
export const unusedNames: readonly string[] = numbered('unused', 256);
export const diskChoice = must(oneOf(...diskNames));
