import { atMost, flag, like, must, oneOf, pattern, text, whole } from './parameter-words.ts';
import type { Operation, Permission } from './operation.ts';
import type { Parameter, Parameters, PropertyString } from './parameters.ts';
import { anybody, atNode, byDaemon, byDaemonAtNode, on, onGuest, row } from './rows.ts';

const vmid: Parameter = must({ ...like('pve-vmid'), type: 'integer', minimum: 100, maximum: 999999999 });
const node = must(like('pve-node'));
const ofGuest: Parameters = { node, vmid };
const pos = whole(0);
const digest = atMost(64);
const changes: Parameters = { delete: like('pve-configid-list'), digest };

const policy = oneOf('ACCEPT', 'REJECT', 'DROP');
const level = oneOf('emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug', 'nolog');

const logRate: PropertyString = {
  enable: { ...must(flag), isDefault: true },
  burst: whole(0),
  rate: pattern('[1-9][0-9]*\\/(second|minute|hour|day)'),
};
export const datacenterOptions: Parameters = {
  ebtables: flag,
  enable: whole(0),
  log_ratelimit: like(logRate),
  policy_forward: oneOf('ACCEPT', 'DROP'),
  policy_in: policy,
  policy_out: policy,
};
export const guestFirewallOptions: Parameters = {
  dhcp: flag,
  enable: flag,
  ipfilter: flag,
  log_level_in: level,
  log_level_out: level,
  macfilter: flag,
  ndp: flag,
  policy_in: policy,
  policy_out: policy,
  radv: flag,
};

const named: Parameter = { ...pattern('[A-Za-z][A-Za-z0-9\\-\\_]+'), minLength: 2 };
const action: Parameter = { ...named, maxLength: 20 };
/** What a rule may say; which of it goes together is looked at by who carries it out. */
export const ruleOptions: Parameters = {
  action,
  comment: text,
  dest: like('pve-fw-addr-spec', 512),
  dport: like('pve-fw-dport-spec'),
  enable: whole(0),
  'icmp-type': like('pve-fw-icmp-type-spec'),
  iface: { ...like('pve-iface', 20), minLength: 2 },
  log: level,
  macro: atMost(128),
  proto: like('pve-fw-protocol-spec'),
  source: like('pve-fw-addr-spec', 512),
  sport: like('pve-fw-sport-spec'),
  type: oneOf('in', 'out', 'forward', 'group'),
};
const newRule: Parameters = { ...ruleOptions, pos, digest, action: must(action), type: must(ruleOptions['type']!) };
const changedRule: Parameters = { ...ruleOptions, ...changes, pos, moveto: whole(0) };

const name = must({ ...named, maxLength: 64 });
const rename: Parameter = { ...named, maxLength: 64 };
const cidr = must(like('IPorCIDRorAlias'));
const ofAddress: Parameters = { ...ofGuest, name, cidr };

const guest = '/nodes/{node}/qemu/{vmid}/firewall';
const datacenter = '/cluster/firewall';
const audit = onGuest('VM.Audit');
const change = onGuest('VM.Config.Network');
const auditAll: Permission = on('/', 'Sys.Audit');
const changeAll: Permission = on('/', 'Sys.Modify');
const auditNode: Permission = on('/nodes/{node}', 'Sys.Audit');

/** The firewall of the datacenter, what may be read of a node's, and all of a guest's. */
export const firewallOperations: readonly Operation[] = [
  row(`GET ${datacenter}/options`, auditAll),
  row(`PUT ${datacenter}/options`, changeAll, { ...datacenterOptions, ...changes }, byDaemon),
  row(`GET ${datacenter}/rules`, auditAll),
  row(`POST ${datacenter}/rules`, changeAll, newRule, byDaemon),
  row(`GET ${datacenter}/rules/{pos}`, auditAll, { pos }),
  row(`DELETE ${datacenter}/rules/{pos}`, changeAll, { pos, digest }, byDaemon),
  row('GET /nodes/{node}/firewall/options', auditNode, { node }, atNode),
  row('GET /nodes/{node}/firewall/rules', auditNode, { node }, atNode),
  row(`GET ${guest}`, anybody, ofGuest),
  row(`GET ${guest}/options`, audit, ofGuest, atNode),
  row(`PUT ${guest}/options`, change, { ...ofGuest, ...guestFirewallOptions, ...changes }, byDaemonAtNode),
  row(`GET ${guest}/rules`, audit, ofGuest),
  row(`POST ${guest}/rules`, change, { ...ofGuest, ...newRule }, byDaemon),
  row(`GET ${guest}/rules/{pos}`, audit, { ...ofGuest, pos }),
  row(`PUT ${guest}/rules/{pos}`, change, { ...ofGuest, ...changedRule }, byDaemon),
  row(`DELETE ${guest}/rules/{pos}`, change, { ...ofGuest, pos, digest }, byDaemon),
  row(`GET ${guest}/aliases`, audit, ofGuest),
  row(`POST ${guest}/aliases`, change, { ...ofGuest, name, cidr: must(like('IPorCIDR')), comment: text }, byDaemon),
  row(`GET ${guest}/aliases/{name}`, audit, { ...ofGuest, name }),
  row(
    `PUT ${guest}/aliases/{name}`,
    change,
    { ...ofGuest, name, rename, cidr: must(like('IPorCIDR')), comment: text, digest },
    byDaemon,
  ),
  row(`DELETE ${guest}/aliases/{name}`, change, { ...ofGuest, name, digest }, byDaemon),
  row(`GET ${guest}/ipset`, audit, ofGuest),
  row(`POST ${guest}/ipset`, change, { ...ofGuest, name, rename, comment: text, digest }, byDaemon),
  row(`GET ${guest}/ipset/{name}`, audit, { ...ofGuest, name }),
  row(`POST ${guest}/ipset/{name}`, change, { ...ofAddress, comment: text, nomatch: flag }, byDaemon),
  row(`DELETE ${guest}/ipset/{name}`, change, { ...ofGuest, name, force: flag }, byDaemon),
  row(`GET ${guest}/ipset/{name}/{cidr}`, audit, ofAddress, byDaemon),
  row(`PUT ${guest}/ipset/{name}/{cidr}`, change, { ...ofAddress, comment: text, nomatch: flag, digest }, byDaemon),
  row(`DELETE ${guest}/ipset/{name}/{cidr}`, change, { ...ofAddress, digest }, byDaemon),
  row(`GET ${guest}/refs`, audit, { ...ofGuest, type: oneOf('alias', 'ipset') }),
  row(
    `GET ${guest}/log`,
    onGuest('VM.Console'),
    { ...ofGuest, start: whole(0), limit: whole(0), since: whole(0), until: whole(0) },
    byDaemonAtNode,
  ),
];
