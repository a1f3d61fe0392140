import { firewallOf } from '../../cluster/firewall.ts';
import { datacenterFirewall } from '../../world/firewall.ts';
import type { Firewall, FirewallAlias, FirewallSet } from '../../world/firewall.ts';
import { ipVersionOf } from '../firewall-words.ts';
import { badParameter, failed } from '../refusal.ts';
import type { Call, Handler } from '../operation.ts';
import { changeFirewall, digestOf, guest, readFirewall, requireDigest } from './firewall-file.ts';

type Row = Record<string, string | number>;

const commented = (comment: string | undefined): { comment?: string } => (comment ? { comment } : {});

function withDigest(rows: readonly Row[]): Row[] {
  const digest = digestOf(rows);
  return rows.map((row) => ({ ...row, digest }));
}

/* Aliases: names for addresses, the same in small and in large letters. */

function aliasRows(firewall: Firewall): Row[] {
  const rows = [...firewall.aliases].sort().map(([, alias]): Row => {
    const version = ipVersionOf(alias.cidr);
    return {
      name: alias.name,
      cidr: alias.cidr,
      ...commented(alias.comment),
      ...(version ? { ipversion: version } : {}),
    };
  });
  return withDigest(rows);
}

const aliasFrom = (call: Call, name: string): FirewallAlias => ({
  name,
  cidr: call.args.need('cidr'),
  ...commented(call.args.text('comment')),
});

function updateAlias(call: Call): null {
  return changeFirewall(call, guest, (firewall) => {
    const { aliases } = firewall;
    requireDigest(call, String(aliasRows(firewall)[0]?.['digest'] ?? digestOf([])));
    const name = call.args.need('name');
    const rename = call.args.text('rename');
    if (!aliases.has(name.toLowerCase())) throw badParameter({ name: 'no such alias' });
    const key = (rename ?? name).toLowerCase();
    if (key !== name.toLowerCase() && aliases.has(key))
      throw badParameter({ name: `alias '${rename ?? name}' already exists` });
    aliases.delete(name.toLowerCase());
    aliases.set(key, aliasFrom(call, key === name.toLowerCase() ? name : rename!));
  });
}

/* Sets of addresses. */

const setRows = (firewall: Firewall): Row[] =>
  withDigest([...firewall.sets.values()].map(({ name, comment }) => ({ name, ...commented(comment) })));

function setNamed(call: Call, firewall: Firewall): FirewallSet {
  const name = call.args.need('name');
  const set = firewall.sets.get(name);
  if (!set) throw failed(`no such IPSet '${name}'`);
  return set;
}

/** Makes a set; with `rename` it gives one another name, or, for the same name, another comment. */
function createSet(call: Call): null {
  return changeFirewall(call, guest, (firewall) => {
    const name = call.args.need('name');
    const rename = call.args.text('rename');
    const comment = commented(call.args.text('comment'));
    if (rename === undefined) {
      if (firewall.sets.has(name)) throw badParameter({ name: `IPSet '${name}' already exists` });
      firewall.sets.set(name, { name, addresses: [], ...comment });
      return;
    }
    requireDigest(call, String(setRows(firewall)[0]?.['digest'] ?? digestOf([])));
    const old = firewall.sets.get(rename);
    if (!old) throw badParameter({ name: `IPSet '${rename}' does not exist` });
    // What takes the name of another set takes its place.
    firewall.sets.delete(rename);
    firewall.sets.set(name, { ...old, name, ...comment });
  });
}

function deleteSet(call: Call): null {
  return changeFirewall(call, guest, (firewall) => {
    const set = setNamed(call, firewall);
    if (set.addresses.length > 0 && !call.args.flag('force')) throw failed(`IPSet '${set.name}' is not empty`);
    firewall.sets.delete(set.name);
  });
}

const addressRows = (set: FirewallSet): Row[] =>
  withDigest(
    set.addresses.map(({ cidr, nomatch, comment }) => ({
      cidr,
      ...(nomatch ? { nomatch: 1 } : {}),
      ...commented(comment),
    })),
  );
const digestOfSet = (set: FirewallSet): string => String(addressRows(set)[0]?.['digest'] ?? digestOf([]));

function addAddress(call: Call): null {
  return changeFirewall(call, guest, (firewall) => {
    const set = setNamed(call, firewall);
    const cidr = call.args.need('cidr');
    if (set.addresses.some((one) => one.cidr === cidr))
      throw badParameter({ cidr: `address '${cidr}' already exists` });
    if (/\/0+$/.test(cidr)) throw badParameter({ cidr: 'a zero prefix is not allowed in ipset entries' });
    set.addresses.unshift({ cidr, nomatch: call.args.flag('nomatch'), ...commented(call.args.text('comment')) });
  });
}

function updateAddress(call: Call): null {
  return changeFirewall(call, guest, (firewall) => {
    const set = setNamed(call, firewall);
    requireDigest(call, digestOfSet(set));
    const cidr = call.args.need('cidr');
    const at = set.addresses.findIndex((one) => one.cidr === cidr);
    if (at < 0) throw badParameter({ cidr: 'no such IP/Network' });
    set.addresses[at] = { cidr, nomatch: call.args.flag('nomatch'), ...commented(call.args.text('comment')) };
  });
}

/** What `source` and `dest` of a rule may name. */
function refs(call: Call): Row[] {
  const type = call.args.text('type');
  const scopes = [
    ['dc', firewallOf(call.cluster.world, datacenterFirewall)],
    ['guest', readFirewall(call, guest)],
  ] as const;
  return scopes.flatMap(([scope, firewall]) => [
    ...[...firewall.sets.values()]
      .filter(() => type !== 'alias')
      .map(({ name, comment }): Row => ({
        type: 'ipset',
        name,
        ref: `+${scope}/${name}`,
        scope,
        ...commented(comment),
      })),
    ...[...firewall.aliases.values()]
      .filter(() => type !== 'ipset')
      .map(({ name, comment }): Row => ({
        type: 'alias',
        name,
        ref: `${scope}/${name}`,
        scope,
        ...commented(comment),
      })),
  ]);
}

const aliases = '/nodes/{node}/qemu/{vmid}/firewall/aliases';
const sets = '/nodes/{node}/qemu/{vmid}/firewall/ipset';

export const firewallSetHandlers: Readonly<Record<string, Handler>> = {
  [`GET ${aliases}`]: (call) => aliasRows(readFirewall(call, guest)),
  [`POST ${aliases}`]: (call) =>
    changeFirewall(call, guest, (firewall) => {
      const name = call.args.need('name');
      if (firewall.aliases.has(name.toLowerCase())) throw badParameter({ name: `alias '${name}' already exists` });
      firewall.aliases.set(name.toLowerCase(), aliasFrom(call, name));
    }),
  [`GET ${aliases}/{name}`]: (call) => {
    const name = call.args.need('name').toLowerCase();
    const row = aliasRows(readFirewall(call, guest)).find((one) => String(one['name']).toLowerCase() === name);
    if (!row) throw badParameter({ name: 'no such alias' });
    return Object.fromEntries(Object.entries(row).filter(([key]) => key !== 'digest'));
  },
  [`PUT ${aliases}/{name}`]: updateAlias,
  [`DELETE ${aliases}/{name}`]: (call) =>
    changeFirewall(call, guest, (firewall) => {
      requireDigest(call, String(aliasRows(firewall)[0]?.['digest'] ?? digestOf([])));
      firewall.aliases.delete(call.args.need('name').toLowerCase());
    }),
  [`GET ${sets}`]: (call) => setRows(readFirewall(call, guest)),
  [`POST ${sets}`]: createSet,
  [`GET ${sets}/{name}`]: (call) => addressRows(setNamed(call, readFirewall(call, guest))),
  [`POST ${sets}/{name}`]: addAddress,
  [`DELETE ${sets}/{name}`]: deleteSet,
  [`GET ${sets}/{name}/{cidr}`]: (call) => {
    const cidr = call.args.need('cidr');
    const row = addressRows(setNamed(call, readFirewall(call, guest))).find((one) => one['cidr'] === cidr);
    if (!row) throw badParameter({ cidr: 'no such IP/Network' });
    return row;
  },
  [`PUT ${sets}/{name}/{cidr}`]: updateAddress,
  [`DELETE ${sets}/{name}/{cidr}`]: (call) =>
    changeFirewall(call, guest, (firewall) => {
      const set = setNamed(call, firewall);
      requireDigest(call, digestOfSet(set));
      const cidr = call.args.need('cidr');
      set.addresses = set.addresses.filter((one) => one.cidr !== cidr);
    }),
  'GET /nodes/{node}/qemu/{vmid}/firewall/refs': refs,
};
