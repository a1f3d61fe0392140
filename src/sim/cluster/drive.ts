import { diskNames } from '../api/guest-options.ts';
import { parsePropertyString } from '../api/parameters.ts';
import { efiDisk, ideDisk, network, scsiDisk, tpmState } from '../api/property-strings.ts';
import type { Options } from '../world/guest-config.ts';

/** A disk of a guest: `file` is its volume, `none`, `cdrom` or a path; the rest are its options. */
export type Drive = {
  readonly slot: string;
  readonly file: string;
  readonly options: Readonly<Record<string, string>>;
};

const slots = new Set(diskNames);
export const isDriveSlot = (option: string): boolean => slots.has(option);

export function parseDrive(slot: string, value: string): Drive | undefined {
  const format =
    slot === 'efidisk0' ? efiDisk : slot === 'tpmstate0' ? tpmState : slot.startsWith('ide') ? ideDisk : scsiDisk;
  const parsed = parsePropertyString(format, value);
  if (typeof parsed === 'string') return undefined;
  const { file, ...rest } = parsed;
  if (file === undefined) return undefined;
  const options = { ...rest };
  for (const limit of ['bps', 'bps_rd', 'bps_wr'] as const) {
    if (options[limit] === undefined) continue;
    options[`m${limit}`] = (Number(options[limit]) / 2 ** 20).toFixed(3);
    Reflect.deleteProperty(options, limit);
  }
  return { slot, file, options };
}

/** Whether the options of a drive go together; the shape of each has been looked at before. */
export function isConsistent({ slot, options }: Drive): boolean {
  const isSet = (name: string): boolean => options[name] !== undefined && Number(options[name]) !== 0;
  const ways = ['', '_rd', '_wr'];
  // A burst needs the limit it exceeds, and its length needs the burst.
  const lacking = ways.flatMap((way) => [
    isSet(`mbps${way}_max`) && !isSet(`mbps${way}`),
    isSet(`bps${way}_max_length`) && !isSet(`mbps${way}_max`),
    isSet(`iops${way}_max_length`) && !isSet(`iops${way}_max`),
  ]);
  const twice = ['mbps', 'iops'].flatMap((of) => ways.slice(1).map((way) => isSet(of) && isSet(of + way)));
  const isCd = options['media'] === 'cdrom';
  const ofDisks = isSet('snapshot') || options['trans'] !== undefined || options['format'] !== undefined;
  return ![...lacking, ...twice].includes(true) && !(isCd && (ofDisks || slot.startsWith('virtio')));
}

/** The volume first, then the options by name. */
export const formatDrive = (drive: Drive): string =>
  [
    drive.file,
    ...Object.keys(drive.options)
      .sort()
      .map((key) => `${key}=${drive.options[key]!}`),
  ].join(',');

export const isCloudInit = (drive: Drive): boolean =>
  /[:/]vm-\d+-cloudinit(?:\.\w+)?$/.test(drive.file) || /(?:^|:)cloudinit$/.test(drive.file);
/** A CD, but not the one cloud-init reads. */
export const isCdrom = (drive: Drive): boolean => drive.options['media'] === 'cdrom' && !isCloudInit(drive);

/** The drives of a configuration, in the order Proxmox walks them: by name. */
export const drivesOf = (options: Options): Drive[] =>
  Object.keys(options)
    .filter(isDriveSlot)
    .sort()
    .map((slot) => parseDrive(slot, options[slot]!))
    .filter((drive) => drive !== undefined);

/** The disks with data of a guest's own: no CD, no cloud-init. */
export const disksOf = (options: Options): Drive[] =>
  drivesOf(options).filter((drive) => drive.options['media'] !== 'cdrom' && drive.file.includes(':'));

export type Card = {
  readonly model: string;
  readonly macaddr: string | undefined;
  readonly rest: Readonly<Record<string, string>>;
};

export function parseCard(value: string): Card | undefined {
  const parsed = parsePropertyString(network, value);
  if (typeof parsed === 'string') return undefined;
  const { model, macaddr, ...rest } = parsed;
  return model === undefined ? undefined : { model, macaddr, rest };
}

/** `virtio=BC:24:11:39:14:0C,bridge=vmbr0`: the model with its address, then the options by name. */
export const formatCard = (card: Card): string =>
  [
    card.macaddr === undefined ? card.model : `${card.model}=${card.macaddr}`,
    ...Object.keys(card.rest)
      .sort()
      .map((key) => `${key}=${card.rest[key]!}`),
  ].join(',');

/** Whether `agent` turns the guest agent on. */
export const agentEnabled = (options: Options): boolean => /^(?:enabled=)?1(?:,|$)/.test(options['agent'] ?? '');

/** `10.0.0.11` of `ipconfig0: ip=10.0.0.11/24,gw=10.0.0.1`; undefined for dhcp. */
export const addressOf = (options: Options, n = 0): string | undefined =>
  /(?:^|,)ip=([0-9.]+)\//.exec(options[`ipconfig${n}`] ?? '')?.[1];
