import type { ConfigDrift } from '../../ports/hypervisor.ts';
import type { Disk, GuestConfig } from './guest-config.ts';
import { disks, memoryMiB, properties, sizeGiB, vcpus } from './guest-config.ts';

/*
 * "Identical" is not literal on Proxmox: a clone has its own addresses, UUIDs, volumes and marker by design, and its
 * size by tier. What is compared is what the software in the guest could tell apart.
 */

/** Values that are the shadow's own by design, or that say nothing about the guest. */
const ownValues =
  /^(name|description|tags|digest|lock|parent|snaptime|template|onboot|startup|protection|smbios1|vmgenid|meta|ipconfig\d+|unused\d+|cores|sockets|vcpus|memory|balloon|cicustom|runningcpu|runningmachine|nodename)$/;
/** What Proxmox assumes when a key is absent, for the keys where absent and default are the same machine. */
const defaults: Readonly<Record<string, string>> = {
  agent: '0',
  bios: 'seabios',
  cpu: 'kvm64',
  numa: '0',
  ostype: 'other',
  scsihw: 'lsi',
  kvm: '1',
  acpi: '1',
  tablet: '1',
};
/** Options of a network card or a disk that make a difference to the guest or to its speed. */
const cardOptions = ['bridge', 'tag', 'trunks', 'firewall', 'rate', 'queues', 'mtu', 'link_down'];
const diskOptions = ['cache', 'iothread', 'ssd', 'discard', 'aio', 'ro', 'mbps', 'iops'];

/** Differences that matter, sorted by key; the shadow's size is included, for it is what its tier says. */
export function configDrift(primary: GuestConfig, shadow: GuestConfig): ConfigDrift[] {
  const a = comparable(primary);
  const b = comparable(shadow);
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .sort()
    .map((key) => ({ key, primary: a[key] ?? 'absent', shadow: b[key] ?? 'absent' }))
    .filter((row) => row.primary !== row.shadow);
}

function comparable(config: GuestConfig): Record<string, string> {
  const seen: Record<string, string> = {
    ...defaults,
    vcpus: String(vcpus(config)),
    memory: `${memoryMiB(config)} MiB`,
  };
  const drives = new Map(disks(config).map((disk) => [disk.drive, disk]));
  for (const [key, text] of Object.entries(config)) {
    if (ownValues.test(key)) continue;
    const disk = drives.get(key);
    if (disk !== undefined) {
      const shown = diskText(disk);
      if (shown !== undefined) seen[key] = shown;
    } else if (/^net\d+$/.test(key)) {
      seen[key] = cardText(text);
    } else {
      seen[key] = text;
    }
  }
  return seen;
}

/** Size and options; which volume it is, and on which storage, is no difference to the guest. */
function diskText(disk: Disk): string | undefined {
  if (disk.cloudInit) return 'cloud-init drive';
  if (disk.cdrom) return undefined;
  const size = sizeGiB(disk.sizeText);
  const options = diskOptions.flatMap((key) =>
    disk.options[key] === undefined ? [] : [`${key}=${disk.options[key]}`],
  );
  return [size === undefined ? 'disk' : `${Number(size.toFixed(3))} GiB`, ...options].join(',');
}

/** Model and network, without the MAC address. */
function cardText(text: string): string {
  const parts = properties(text);
  const model =
    parts['model'] ?? Object.keys(parts).find((key) => /^[0-9A-F]{2}(:[0-9A-F]{2}){5}$/i.test(parts[key] ?? ''));
  return [
    model ?? '',
    ...cardOptions.flatMap((key) => (parts[key] === undefined ? [] : [`${key}=${parts[key]}`])),
  ].join(',');
}
