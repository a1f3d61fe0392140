import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { Format } from './formats.ts';

/** Names of `/etc/protocols` that a rule may use; numbers are as good. */
const protocols = new Set([
  ...['ip', 'icmp', 'igmp', 'ggp', 'ipencap', 'st', 'tcp', 'egp', 'igp', 'pup', 'udp', 'hmp', 'xns-idp', 'rdp'],
  ...['iso-tp4', 'dccp', 'xtp', 'ddp', 'idpr-cmtp', 'ipv6', 'ipv6-route', 'ipv6-frag', 'idrp', 'rsvp', 'gre', 'esp'],
  ...['ah', 'skip', 'ipv6-icmp', 'icmpv6', 'ipv6-nonxt', 'ipv6-opts', 'rspf', 'vmtp', 'eigrp', 'ospf', 'ax.25', 'ipip'],
  ...['etherip', 'encap', 'pim', 'ipcomp', 'vrrp', 'l2tp', 'isis', 'sctp', 'fc', 'mobility-header', 'udplite'],
  ...['mpls-in-ip', 'hip', 'shim6', 'wesp', 'rohc'],
]);
export const protocolsWithPorts = new Set(['udp', '17', 'udplite', '136', 'tcp', '6', 'dccp', '33', 'sctp', '132']);

/** Names of `/etc/services` that a rule may use for a port; the list of a node is longer. */
export const services: Readonly<Record<string, number>> = {
  ...{ ftp: 21, ssh: 22, telnet: 23, smtp: 25, domain: 53, tftp: 69, http: 80, pop3: 110, ntp: 123, imap2: 143 },
  ...{ snmp: 161, ldap: 389, https: 443, submissions: 465, syslog: 514, submission: 587, ldaps: 636, imaps: 993 },
  ...{ pop3s: 995, openvpn: 1194, 'ms-sql-s': 1433, mysql: 3306, 'ms-wbt-server': 3389, postgresql: 5432 },
  ...{ redis: 6379, 'http-alt': 8080 },
};

/** Rules that others have written already, and the TCP ports they stand for where the simulator needs them. */
export const macros: Readonly<Record<string, readonly number[]>> = {
  ...Object.fromEntries(
    [
      ...['Amanda', 'Auth', 'BGP', 'BitTorrent', 'BitTorrent32', 'Ceph', 'Citrix', 'CVS', 'DAAP', 'DCC', 'DHCPfwd'],
      ...['DHCPv6', 'Distcc', 'Finger', 'FTP', 'Git', 'GNUnet', 'GRE', 'HKP', 'ICPV2', 'ICQ', 'IMAP', 'IMAPS', 'IPIP'],
      ...['IPsec', 'IPsecah', 'IPsecnat', 'IRC', 'Jetdirect', 'L2TP', 'LDAP', 'LDAPS', 'Mail', 'MDNS', 'MSNP', 'MSSQL'],
      ...[
        'Munin',
        'MySQL',
        'NeighborDiscovery',
        'NNTP',
        'NNTPS',
        'NTP',
        'OpenVPN',
        'OSPF',
        'PBS',
        'PCA',
        'Ping',
        'PMG',
      ],
      ...['POP3', 'POP3S', 'PostgreSQL', 'PPtP', 'Printer', 'Razor', 'Rdate', 'RDP', 'RIP', 'RNDC', 'Rsync', 'SANE'],
      ...['SixXS', 'SMB', 'SMBswat', 'SMTP', 'SMTPS', 'SNMP', 'SPAMD', 'SPICEproxy', 'Squid', 'Submission', 'SVN'],
      ...['Syslog', 'Telnet', 'Telnets', 'TFTP', 'Time', 'Trcrt', 'VNC', 'VNCL', 'VXLAN', 'Webmin', 'Whois'],
    ].map((name) => [name, []]),
  ),
  ...{ DNS: [53], SSH: [22], HTTP: [80], HTTPS: [443], Web: [80, 443], Webcache: [8080] },
};

const icmpTypes = new Set([
  ...['any', 'echo-reply', 'destination-unreachable', 'network-unreachable', 'host-unreachable', 'port-unreachable'],
  ...['protocol-unreachable', 'fragmentation-needed', 'source-route-failed', 'source-quench', 'redirect'],
  ...['echo-request', 'router-advertisement', 'router-solicitation', 'time-exceeded', 'ttl-zero-during-transit'],
  ...['ttl-zero-during-reassembly', 'parameter-problem', 'timestamp-request', 'timestamp-reply'],
  ...['address-mask-request', 'address-mask-reply', 'no-route', 'packet-too-big', 'neighbor-solicitation'],
  ...['neighbour-solicitation', 'neighbor-advertisement', 'neighbour-advertisement'],
]);

const aliasName = /^(?:(?:dc|guest)\/)?[A-Za-z][A-Za-z0-9\-_]+$/;
export const isAliasName = (value: string): boolean => aliasName.test(value);

export const isCidr = (value: string): boolean => {
  const [, address, prefix] = /^([^/]+)(?:\/(\d+))?$/.exec(value) ?? [];
  if (address === undefined || isIP(address) === 0) return false;
  return prefix === undefined || Number(prefix) <= (isIPv4(address) ? 32 : 128);
};

/** 4 or 6, for what is an address, a network or a range of addresses. */
export function ipVersionOf(value: string): 4 | 6 | undefined {
  const first = value.split('-')[0]!;
  if (!isCidr(first)) return undefined;
  return isIPv6(first.split('/')[0]!) ? 6 : 4;
}

/** One set, one alias, one range, or a list of addresses of one kind. */
function addressRefusal(value: string): string | undefined {
  if (/^\+\S+$/.test(value)) return value.length > 65 ? 'ipset name too long' : undefined;
  if (isAliasName(value)) return value.length > 64 ? 'alias name too long' : undefined;
  const parts = value.split(',');
  if (parts.includes('')) return 'extraneous commas in list';
  const unknown = parts.find((part) => part.split('-').some((end) => !isCidr(end)));
  if (unknown !== undefined) return `invalid IP address: Cannot determine IP version for ${unknown}`;
  if (new Set(parts.map(ipVersionOf)).size > 1) return `detected mixed ipv4/ipv6 addresses in address list '${value}'`;
  if (parts.length > 1 && value.includes('-')) return "you can't use a range in a list";
  return undefined;
}

/** Numbers, ranges and names; of ICMP, when it is where packets go, the types too. */
function portRefusal(value: string, isDestination: boolean): string | undefined {
  const parts = value.split(',');
  if (parts.includes('')) return 'extraneous commas in list';
  let numbers = 0;
  let icmp = false;
  for (const part of parts) {
    const [, from, to] = /^(\d+)(?::(\d+))?$/.exec(part) ?? [];
    const wrong = [from, to].find((port) => port !== undefined && Number(port) > 65535);
    if (wrong !== undefined) return `invalid port '${wrong}'`;
    if (from !== undefined) numbers += to === undefined ? 1 : 2;
    else if (isDestination && icmpTypes.has(part)) icmp = true;
    else if (services[part] === undefined) return `invalid port '${part}'`;
  }
  if (icmp && numbers > 0) return 'ICPM ports not allowed in port range';
  return numbers > 15 ? 'too many entries in port list (> 15 numbers)' : undefined;
}

const lined = (refusal: string | undefined): string | undefined => (refusal === undefined ? undefined : `${refusal}\n`);

/** Formats of what a rule or a set may name. */
export const firewallFormats: Readonly<Record<string, Format>> = {
  'pve-fw-addr-spec': (value) => lined(addressRefusal(value)),
  'pve-fw-sport-spec': (value) => lined(portRefusal(value, false)),
  'pve-fw-dport-spec': (value) => lined(portRefusal(value, true)),
  'pve-fw-protocol-spec': (value) =>
    value === '' || protocols.has(value) || (/^\d+$/.test(value) && Number(value) <= 142)
      ? undefined
      : `unknown protocol '${value}'\n`,
  'pve-fw-icmp-type-spec': (value) =>
    icmpTypes.has(value) || /^\d+(?:\/\d+)?$/.test(value) ? undefined : `invalid icmp-type value '${value}'\n`,
  'pve-iface': (value) =>
    /^[a-z][a-z0-9_]{1,20}(?:[:.]\d+)?$/i.test(value) ? undefined : `invalid network interface name '${value}'\n`,
  IPorCIDR: (value) => (isCidr(value) ? undefined : 'value does not look like a valid IP address or CIDR network\n'),
  IPorCIDRorAlias: (value) =>
    isAliasName(value) || isCidr(value) ? undefined : 'value does not look like a valid IP address or CIDR network\n',
};
