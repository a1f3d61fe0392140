import { ipVersionOf, isAliasName, macros, protocolsWithPorts } from '../firewall-words.ts';
import { ruleOptions } from '../firewall-operations.ts';
import { badParameter, failed } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';
import { firewallOf } from '../../cluster/firewall.ts';
import { datacenterFirewall } from '../../world/firewall.ts';
import type { Firewall, FirewallRule } from '../../world/firewall.ts';
import { changeFirewall, datacenter, digestOf, guest, node, readFirewall, requireDigest } from './firewall-file.ts';
import type { Place } from './firewall-file.ts';

type Row = Record<string, string | number>;

/** A rule as the API shows it, with the kind of addresses that it is about where it is about one kind. */
function shown(rule: FirewallRule): Row {
  const version = ipVersion(rule);
  return { ...rule, enable: Number(rule['enable']), ...(version === undefined ? {} : { ipversion: version }) };
}

function ipVersion(rule: FirewallRule): 4 | 6 | undefined {
  if (rule['proto'] === 'icmp') return 4;
  if (rule['proto'] === 'icmpv6' || rule['proto'] === 'ipv6-icmp') return 6;
  return [rule['source'], rule['dest']].map((one) => ipVersionOf((one ?? '').split(',')[0]!)).find(Boolean);
}

const digestOfRules = (firewall: Firewall): string => digestOf(firewall.rules.map(shown));

function list(call: Call, place: Place): Row[] {
  const firewall = readFirewall(call, place);
  const digest = digestOfRules(firewall);
  return firewall.rules.map((rule, pos) => ({ ...shown(rule), digest, pos }));
}

function positionOf(call: Call, firewall: Firewall): number {
  const pos = call.args.number('pos') ?? 0;
  if (pos >= firewall.rules.length) throw failed(`no rule at position ${pos}`);
  return pos;
}

/** What a call says of a rule on top of what there is; an empty word or a dash takes away. */
function changed(call: Call, before: FirewallRule): FirewallRule {
  const rule = { ...before };
  for (const name of Object.keys(ruleOptions)) {
    const value = call.args.text(name);
    if (value === '' || value === '-') Reflect.deleteProperty(rule, name);
    else if (value !== undefined) rule[name] = value;
  }
  for (const name of call.args.list('delete')) {
    if (!(name in ruleOptions) && name !== 'pos' && name !== 'digest')
      throw badParameter({ delete: `no such property ('${name}')` });
    if (name === 'type' || name === 'action')
      throw badParameter({ delete: `unable to delete required property '${name}'` });
    Reflect.deleteProperty(rule, name);
  }
  return rule;
}

/** Whether the parts of a rule go together: the first that do not are refused by name. Answers the rule as kept. */
function verified(call: Call, place: Place, own: Firewall, rule: FirewallRule): FirewallRule {
  const refuse = (name: string, text: string): never => {
    throw badParameter({ [name]: text });
  };
  const { type, action, proto, macro } = rule;
  if (type === undefined) return refuse('type', 'missing property');
  if (action === undefined) return refuse('action', 'missing property');
  if (type === 'forward' && place.of === 'vm') return refuse('type', `cannot create forward rules for VMs`);
  if (type !== 'group' && !/^(?:ACCEPT|DROP|REJECT)$/.test(action))
    return refuse('action', `unknown action '${action}'`);
  if (place.of === 'vm' && rule['iface'] !== undefined && !/^net\d+$/.test(rule['iface']))
    return refuse('iface', "value does not match the regex pattern 'net\\d+'");
  const preferred = macro && Object.keys(macros).find((name) => name.toLowerCase() === macro.toLowerCase());
  if (macro !== undefined && preferred === undefined) return refuse('macro', `unknown macro '${macro}'`);
  for (const name of ['dport', 'sport']) {
    if (rule[name] === undefined) continue;
    if (proto === undefined) return refuse('proto', `missing property - '${name}' requires this property`);
    const isIcmp = name === 'dport' && (proto === 'icmp' || proto === 'icmpv6');
    if (!protocolsWithPorts.has(proto) && !isIcmp) return refuse(name, `protocol '${proto}' does not support ports`);
  }
  if (rule['icmp-type'] !== undefined && !['icmp', 'icmpv6', 'ipv6-icmp'].includes(proto ?? ''))
    return refuse('proto', "missing property - 'icmp-type' requires this property");
  for (const name of ['source', 'dest']) {
    const wrong = rule[name] === undefined ? undefined : unknownName(call, own, rule[name]);
    if (wrong !== undefined) return refuse(name, wrong);
  }
  return preferred ? { ...rule, macro: preferred } : rule;
}

/** Sets and aliases of the guest and of the datacenter may be named; others may not. */
function unknownName(call: Call, own: Firewall, value: string): string | undefined {
  const known = [own, firewallOf(call.cluster.world, datacenterFirewall)];
  const name = value.replace(/^\+/, '').replace(/^(?:dc|guest)\//, '');
  if (value.startsWith('+')) {
    if (!/^[A-Za-z][A-Za-z0-9\-_]+$/.test(name)) return `invalid ipset name '${value}'`;
    return known.some(({ sets }) => sets.has(name)) ? undefined : `no such ipset '${name}'`;
  }
  if (!isAliasName(value)) return undefined;
  return known.some(({ aliases }) => aliases.has(name.toLowerCase())) ? undefined : `no such alias '${value}'`;
}

/** `moveto` is a place in the list as it is now; everything else the call says is ignored then. */
function moved(rules: readonly FirewallRule[], from: number, to: number): FirewallRule[] {
  const rest = rules.filter((_, at) => at !== from);
  const before = rules.slice(0, to).filter((_, at) => at !== from).length;
  return [...rest.slice(0, before), rules[from]!, ...rest.slice(before)];
}

function rulesOf(place: Place, path: string): Record<string, Handler> {
  return {
    [`GET ${path}`]: (call) => list(call, place),
    [`GET ${path}/{pos}`]: (call) => {
      const rows = list(call, place);
      const row = rows[positionOf(call, readFirewall(call, place))]!;
      // The position comes back as it was asked for, a text.
      return { ...row, pos: call.args.need('pos') };
    },
    [`POST ${path}`]: (call) =>
      changeFirewall(call, place, (firewall) => {
        firewall.rules.unshift(verified(call, place, firewall, changed(call, { enable: '0' })));
      }),
    [`PUT ${path}/{pos}`]: (call) =>
      changeFirewall(call, place, (firewall) => {
        requireDigest(call, digestOfRules(firewall));
        const pos = positionOf(call, firewall);
        const moveTo = call.args.number('moveto');
        if (moveTo !== undefined && moveTo !== pos) firewall.rules = moved(firewall.rules, pos, moveTo);
        else firewall.rules[pos] = verified(call, place, firewall, changed(call, firewall.rules[pos]!));
      }),
    [`DELETE ${path}/{pos}`]: (call) =>
      changeFirewall(call, place, (firewall) => {
        requireDigest(call, digestOfRules(firewall));
        firewall.rules.splice(positionOf(call, firewall), 1);
      }),
  };
}

export const firewallRuleHandlers: Readonly<Record<string, Handler>> = {
  ...rulesOf(datacenter, '/cluster/firewall/rules'),
  ...rulesOf(node, '/nodes/{node}/firewall/rules'),
  ...rulesOf(guest, '/nodes/{node}/qemu/{vmid}/firewall/rules'),
};
