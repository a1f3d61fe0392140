/** A guest's configuration with every value as text; what Proxmox has as `memory: "2048"` and `cores: 2` reads the same. */
export type GuestConfig = Readonly<Record<string, string>>;

export function guestConfig(values: Readonly<Record<string, string | number | boolean>>): GuestConfig {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      key,
      typeof value === 'boolean' ? (value ? '1' : '0') : String(value),
    ]),
  );
}

/**
 * A property string: `virtio=BC:..,bridge=vmbr0` gives `{virtio: 'BC:..', bridge: 'vmbr0'}`; the part without a key
 * (a volume, an `agent` flag) is found under the empty key.
 */
export function properties(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    if (at === -1) found[''] = part;
    else found[part.slice(0, at)] = part.slice(at + 1);
  }
  return found;
}

export function propertyString(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => (key === '' ? value : `${key}=${value}`))
    .join(',');
}

const diskKey = /^(?:ide|sata|scsi|virtio|efidisk|tpmstate)\d+$/;

export type Disk = {
  readonly drive: string;
  /** `tank:9000/base-9000-disk-0.qcow2`, or `none`. */
  readonly volume: string;
  readonly storage: string | undefined;
  readonly cdrom: boolean;
  readonly cloudInit: boolean;
  readonly sizeText: string | undefined;
  readonly options: Readonly<Record<string, string>>;
};

/** Drives in the configuration, CD-ROMs and cloud-init included; unused disks are not drives. */
export function disks(config: GuestConfig): Disk[] {
  return Object.entries(config)
    .filter(([key]) => diskKey.test(key))
    .map(([drive, text]) => {
      const options = properties(text);
      const volume = options['file'] ?? options[''] ?? '';
      const colon = volume.indexOf(':');
      return {
        drive,
        volume,
        storage: colon === -1 ? undefined : volume.slice(0, colon),
        cdrom: options['media'] === 'cdrom',
        cloudInit: /(^|[-/:])vm-\d+-cloudinit|cloudinit/.test(volume),
        sizeText: options['size'],
        options,
      };
    });
}

/** Storages that hold the guest's disks and its cloud-init drive; an installation ISO is nobody's disk. */
export function storages(config: GuestConfig): string[] {
  const used = disks(config)
    .filter((disk) => !disk.cdrom || disk.cloudInit)
    .flatMap((disk) => disk.storage ?? []);
  return [...new Set(used)].sort();
}

/** Static addresses of `ipconfig0`, `ipconfig1`..., without their prefix; DHCP and SLAAC are none. */
export function staticAddresses(config: GuestConfig): string[] {
  return Object.entries(config)
    .filter(([key]) => /^ipconfig\d+$/.test(key))
    .flatMap(([, text]) => {
      const { ip, ip6 } = properties(text);
      return [ip, ip6].filter((one): one is string => one !== undefined && !['dhcp', 'auto', 'manual'].includes(one));
    })
    .map((address) => address.split('/')[0]!);
}

export function tagsOf(text: string | undefined): string[] {
  return (text ?? '').split(/[;,\s]+/).filter((tag) => tag !== '');
}

/** vCPUs: cores times sockets, one each when unsaid. */
export function vcpus(config: GuestConfig): number {
  return Number(config['cores'] ?? 1) * Number(config['sockets'] ?? 1);
}

/** `2048`, or `current=2048` as newer versions may write it; Proxmox's default is 512. */
export function memoryMiB(config: GuestConfig): number {
  const parts = properties(config['memory'] ?? '512');
  return Number(parts['current'] ?? parts[''] ?? 512);
}

/** `32G`, `512M`, `1T` in GiB; undefined for what is not a size. */
export function sizeGiB(text: string | undefined): number | undefined {
  const found = /^(\d+(?:\.\d+)?)([KMGT]?)$/.exec(text ?? '');
  if (found === null) return undefined;
  const unit = { '': 1 / 1024 ** 3, K: 1 / 1024 ** 2, M: 1 / 1024, G: 1, T: 1024 }[found[2] as 'G'];
  return Number(found[1]) * unit;
}
