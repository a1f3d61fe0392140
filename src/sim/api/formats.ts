import { isIP, isIPv4, isIPv6 } from 'node:net';
import { privilegesOf } from '../access/privileges.ts';
import { releases } from '../world/world.ts';
import { firewallFormats } from './firewall-words.ts';

/** Says what is wrong with a value, or nothing. The text ends as the real one does, with a line break. */
export type Format = (value: string) => string | undefined;

const matches =
  (pattern: RegExp, refusal: string | ((value: string) => string)): Format =>
  (value) =>
    pattern.test(value) ? undefined : `${typeof refusal === 'string' ? refusal : refusal(value)}\n`;

const cidr = (value: string, ip: (text: string) => boolean, longest: number, shortest: number): boolean => {
  const [, address, prefix] = /^([^/]+)\/(\d+)$/.exec(value) ?? [];
  return address !== undefined && ip(address) && Number(prefix) >= shortest && Number(prefix) <= longest;
};
const cidr4 = (value: string): boolean => cidr(value, isIPv4, 32, 8);
const cidr6 = (value: string): boolean => cidr(value, isIPv6, 128, 8);

const dnsName = /^(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)\.)*(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)$/;
export const volumeId = /^([a-z][a-z0-9\-_.]*[a-z0-9]):(.+)$/i;

const volume: Format = matches(volumeId, (value) => `unable to parse volume ID '${value}'`);
const configId = matches(/^[a-z][a-z0-9_-]+$/i, (value) => `invalid configuration ID '${value}'`);
const haResource = (value: string): boolean => /^[a-z]+:\S+$/.test(value);

/** A user with its realm: at least three characters, at most sixty-four. */
const userId: Format = (value) => {
  if (value.length < 3) return `user name '${value}' is too short\n`;
  if (value.length > 64) return `user name '${value}' is too long (${value.length} > 64)\n`;
  return /^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+$/.test(value)
    ? undefined
    : `value '${value}' does not look like a valid user name\n`;
};

/** Named formats of single values. A name followed by `-list` or `-opt` is made from these. */
const single: Record<string, Format> = {
  ...firewallFormats,
  'pve-vmid': matches(/^[1-9][0-9]{2,8}$/, 'value does not look like a valid VM ID'),
  'pve-node': matches(/^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$/, 'value does not look like a valid node name'),
  'pve-storage-id': matches(
    /^[a-z][a-z0-9\-_.]*[a-z0-9]$/i,
    (value) => `storage ID '${value}' contains illegal characters`,
  ),
  'pve-configid': configId,
  'dns-name': matches(dnsName, 'value does not look like a valid DNS name'),
  'pve-poolid': (value) =>
    value.split('/').length > 3
      ? `pool name '${value}' nested too deeply (max levels = 3)\n`
      : /^[A-Za-z0-9.\-_]+(?:\/[A-Za-z0-9.\-_]+){0,2}$/.test(value)
        ? undefined
        : `pool name '${value}' contains invalid characters\n`,
  'pve-realm': matches(/^[A-Za-z][A-Za-z0-9.\-_]+$/, 'value does not look like a valid realm'),
  'pve-priv': (value) =>
    releases.some((release) => privilegesOf(release).includes(value)) ? undefined : `invalid privilege '${value}'\n`,
  'pve-roleid': matches(/^[A-Za-z0-9.\-_]+$/, (value) => `role name '${value}' contains invalid characters`),
  'pve-groupid': matches(/^[A-Za-z0-9.\-_]+$/, (value) => `group name '${value}' contains invalid characters`),
  'pve-userid': userId,
  'pve-tokenid': matches(
    /^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+$/,
    (value) => `value '${value}' does not look like a valid token ID`,
  ),
  email: matches(
    /^[\w+\-~]+(?:\.[\w+\-~]+)*@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*$/,
    'value does not look like a valid email address',
  ),
  'pve-iface': (value) =>
    /^[a-zA-Z][a-zA-Z0-9_]{1,20}(?:[:.]\d+)?$/.test(value) ? undefined : `invalid network interface name '${value}'\n`,
  'pve-storage-path': matches(/^\/./, 'value does not look like a valid absolute path'),
  'pve-tag': matches(/^[a-z0-9_][a-z0-9_\-+.]*$/i, 'invalid characters in tag'),
  'pve-volume-id': volume,
  'pve-volume-id-or-qm-path': (value) =>
    value === 'none' || value === 'cdrom' || value.startsWith('/') ? undefined : volume(value),
  'pve-volume-id-or-absolute-path': (value) => (value.startsWith('/') ? undefined : volume(value)),
  'pve-bridge-id': matches(/^[-_.\w]+$/, (value) => `invalid bridge ID '${value}'`),
  'pve-task-status-type': (value) =>
    ['ok', 'error', 'warning', 'unknown'].includes(value.toLowerCase()) ? undefined : `invalid status '${value}'\n`,
  'pve-storage-content': matches(
    /^(?:images|rootdir|vztmpl|iso|backup|snippets|import|none)$/,
    (value) => `invalid content type '${value}'`,
  ),
  'pve-ha-resource-id': (value) =>
    haResource(value) ? undefined : 'value does not look like a valid ha resource id\n',
  'pve-ha-resource-or-vm-id': (value) =>
    /^\d+$/.test(value) || haResource(value) ? undefined : 'value does not look like a valid ha resource id\n',
  'pve-ha-node': matches(
    /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?::\d+)?$/,
    'value does not look like a valid ha node',
  ),
  'pve-ha-group-node': matches(
    /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?::\d+)?$/,
    'value does not look like a valid ha group node',
  ),
  'pve-cpuset': matches(/^\s*\d+(?:-\d+)?(?:\s*,\s*\d+(?:-\d+)?)*\s*$/, 'unable to parse cpuset'),
  'disk-size': matches(/^\d+(?:\.\d+)?[KMGT]?$/, (value) => `value does not look like a valid disk size: ${value}`),
  'mac-addr': (value) =>
    !/^[a-f0-9][02468ace](?::[a-f0-9]{2}){5}$/i.test(value)
      ? 'value does not look like a valid unicast MAC address\n'
      : undefined,
  'mac-prefix': matches(
    /^[a-f0-9][02468ace](?::[a-f0-9]{2}){0,2}:?$/i,
    'value is not a valid unicast MAC address prefix',
  ),
  ipv4: (value) => (isIPv4(value) ? undefined : 'value does not look like a valid IPv4 address\n'),
  ipv6: (value) => (isIPv6(value) ? undefined : 'value does not look like a valid IPv6 address\n'),
  'pve-ipv4-config': (value) =>
    ['dhcp', 'manual'].includes(value) || cidr4(value)
      ? undefined
      : 'value does not look like a valid ipv4 network configuration\n',
  'pve-ipv6-config': (value) =>
    ['auto', 'dhcp', 'manual'].includes(value) || cidr6(value)
      ? undefined
      : 'value does not look like a valid ipv6 network configuration\n',
  CIDR: (value) => (cidr4(value) || cidr6(value) ? undefined : 'value does not look like a valid CIDR network\n'),
  address: (value) =>
    isIP(value) || dnsName.test(value) ? undefined : `value does not look like a valid address: ${value}\n`,
  'pve-replication-job-id': (value) =>
    !/^\d+-\d+$/.test(value)
      ? `invalid replication job id '${value}'\n`
      : Number(value.split('-')[0]) < 100
        ? `invalid replication job id '${value}' (guest IDs < 100 are reseved)\n`
        : undefined,
  // Days, dates and times with their ranges, lists and steps; or a word for one of them.
  'pve-calendar-event': matches(
    /^(?:minutely|hourly|daily|weekly|monthly|yearly|quarterly|semiannually|[a-z.,\d*/:\- ]*[\d*][\d*/:,.\- ]*|(?:mon|tue|wed|thu|fri|sat|sun)(?:(?:\.\.|,)(?:mon|tue|wed|thu|fri|sat|sun))*)$/i,
    (value) => `invalid calendar event '${value}' - unable to parse calendar event`,
  ),
  'pve-day-of-week': matches(/^(?:mon|tue|wed|thu|fri|sat|sun)$/, (value) => `invalid day '${value}'`),
  'email-or-username': matches(
    /^(?:[^\s@]+@[^\s@]+\.[^\s@]+|[^\s:/@]+@[A-Za-z][A-Za-z0-9.\-_]+)$/,
    'value does not look like a valid email address or user name',
  ),
  // Every layer that passes the refusal on adds a line break.
  'storage-pair': (value) => {
    const ids = value === '1' ? [] : /^[^:]+:[^:]+$/.test(value) ? value.split(':') : [value];
    const wrong = ids.map((id) => single['pve-storage-id']!(id)).find((refusal) => refusal !== undefined);
    return wrong === undefined ? undefined : `entry '${value}' contains invalid ID - ${wrong}\n\n`;
  },
  urlencoded: matches(/^[-%a-zA-Z0-9_.!~*'()]*$/, (value) => `invalid urlencoded string: ${value}`),
  'pve-hotplug-features': matches(
    /^(?:0|1|(?:network|disk|cpu|memory|usb|cloudinit)(?:,(?:network|disk|cpu|memory|usb|cloudinit))*)$/,
    'unable to parse hotplug option',
  ),
  'pve-startup-order': (value) =>
    value !== '' &&
    value !== '0' &&
    value.split(',').every((part) => /^\s*$|^(?:order=)?\d+$|^(?:up|down)=\d+$/.test(part))
      ? undefined
      : 'unable to parse startup options\n',
  'pve-qm-bootdisk': matches(
    /^(?:(?:ide[0-3]|sata[0-5]|scsi(?:[12]?\d|30)|virtio(?:\d|1[0-5])|efidisk0|tpmstate0))$/,
    (value) => `invalid boot disk '${value}'`,
  ),
};

const list = (value: string): string[] => value.split(/[,;\s]+/).filter(Boolean);

/** Looks a named format up; `undefined` for a name that is a property string or that nobody registered. */
export function namedFormat(name: string): Format | undefined {
  if (single[name]) return single[name];
  const listed = /^(.+)-list$/.exec(name)?.[1];
  if (listed !== undefined && single[listed]) {
    const each = single[listed];
    return (value) =>
      list(value)
        .map(each)
        .find((refusal) => refusal !== undefined);
  }
  const optional = /^(.+)-opt$/.exec(name)?.[1];
  if (optional !== undefined && single[optional]) {
    const one = single[optional];
    return (value) => (value === '' ? undefined : one(value));
  }
  return undefined;
}
