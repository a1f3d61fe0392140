import { createHash } from 'node:crypto';
import { parseCard } from '../../cluster/drive.ts';
import type { Options } from '../../world/guest-config.ts';
import { parsePropertyString } from '../parameters.ts';
import { propertyStrings } from '../property-strings.ts';
import type { Call } from '../operation.ts';

/** What cloud-init will find on its image. */
export function dumpCloudInit(call: Call): string {
  const vmid = Number(call.args.need('vmid'));
  const { current } = call.cluster.load(call.node, vmid).config;
  const user = userData(current, vmid);
  const network = networkConfig(current);
  switch (call.args.need('type')) {
    case 'user':
      return user;
    case 'network':
      return network;
    default:
      return `instance-id: ${createHash('sha1')
        .update(user + network)
        .digest('hex')}\n`;
  }
}

function userData(options: Options, vmid: number): string {
  const name = options['name'] ?? `VM${vmid}`;
  const [hostname] = name.split('.');
  const domain = options['searchdomain'];
  const fqdn = name.includes('.') ? name : domain === undefined ? undefined : `${name}.${domain}`;
  const { ciuser: user, cipassword: password, sshkeys, ciupgrade } = options;
  const keys = decodeURIComponent(sshkeys ?? '')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const lines = [
    '#cloud-config',
    `hostname: ${hostname!}`,
    'manage_etc_hosts: true',
    ...(fqdn === undefined ? [] : [`fqdn: ${fqdn}`]),
    ...(user === undefined ? [] : [`user: ${user}`]),
    ...(user === 'root' ? ['disable_root: False'] : []),
    ...(password === undefined ? [] : [`password: ${password}`]),
    ...(sshkeys === undefined ? [] : ['ssh_authorized_keys:', ...keys.map((key) => `  - ${key}`)]),
    'chpasswd:',
    '  expire: False',
    ...(user === 'root' ? [] : ['users:', '  - default']),
    ...(ciupgrade === '0' ? [] : ['package_upgrade: true']),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function networkConfig(options: Options): string {
  const cards = Object.keys(options)
    .filter((key) => /^net\d+$/.test(key))
    .sort();
  const lines = ['version: 1', 'config:', ...cards.flatMap((card) => cardConfig(options, card))];
  const servers = (options['nameserver'] ?? '').split(/[,;\s]+/).filter(Boolean);
  const domains = (options['searchdomain'] ?? '').split(/[,;\s]+/).filter(Boolean);
  if (servers.length + domains.length > 0) lines.push('    - type: nameserver');
  if (servers.length > 0) lines.push('      address:', ...servers.map((one) => `      - '${one}'`));
  if (domains.length > 0) lines.push('      search:', ...domains.map((one) => `      - '${one}'`));
  return lines.map((line) => `${line}\n`).join('');
}

function cardConfig(options: Options, card: string): string[] {
  const n = card.slice('net'.length);
  const mac = (parseCard(options[card]!)?.macaddr ?? '').toLowerCase();
  const parsed = parsePropertyString(propertyStrings['pve-qm-ipconfig']!, options[`ipconfig${n}`] ?? '');
  const { ip, gw, ip6, gw6 } = typeof parsed === 'string' ? {} : parsed;
  const gateway = (address: string | undefined): string[] =>
    address === undefined ? [] : [`        gateway: '${address}'`];
  return [
    '    - type: physical',
    `      name: eth${n}`,
    `      mac_address: '${mac}'`,
    '      subnets:',
    ...(ip === undefined ? [] : ip === 'dhcp' ? ['      - type: dhcp4'] : [...staticAddress(ip), ...gateway(gw)]),
    ...(ip6 === undefined
      ? []
      : ip6 === 'auto'
        ? ['      - type: ipv6_slaac']
        : ip6 === 'dhcp'
          ? ['      - type: dhcp6']
          : ['      - type: static6', `        address: '${ip6}'`, ...gateway(gw6)]),
  ];
}

function staticAddress(cidr: string): string[] {
  const [address, prefix] = cidr.split('/');
  const mask = 2 ** 32 - 2 ** (32 - Number(prefix));
  const dotted = [24, 16, 8, 0].map((bits) => Math.floor(mask / 2 ** bits) % 256).join('.');
  return ['      - type: static', `        address: '${address!}'`, `        netmask: '${dotted}'`];
}
