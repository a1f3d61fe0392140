/** A rule of a firewall, its keys as the API has them; `enable` and `type` are always there. */
export type FirewallRule = Readonly<Record<string, string>>;
export type FirewallAlias = { readonly name: string; readonly cidr: string; readonly comment?: string };
type FirewallAddress = { readonly cidr: string; readonly nomatch: boolean; readonly comment?: string };
export type FirewallSet = { readonly name: string; comment?: string; addresses: FirewallAddress[] };

/** One `.fw` file: of the datacenter, of a node, or of a guest. Everything is text, as in the file. */
export type Firewall = {
  readonly options: Record<string, string>;
  /** By their names in small letters. */
  readonly aliases: Map<string, FirewallAlias>;
  readonly sets: Map<string, FirewallSet>;
  rules: FirewallRule[];
};

export const datacenterFirewall = 'firewall/cluster.fw';
export const nodeFirewall = (node: string): string => `nodes/${node}/host.fw`;
export const guestFirewall = (vmid: number): string => `firewall/${vmid}.fw`;

export const emptyFirewall = (): Firewall => ({ options: {}, aliases: new Map(), sets: new Map(), rules: [] });

const commented = (text: string, comment: string | undefined): string =>
  comment === undefined || comment === '' ? text : `${text} # ${comment}`;

/** Options of a line of a rule, in the order the file has them. */
const flags: readonly [string, string][] = [
  ['-i', 'iface'],
  ['-source', 'source'],
  ['-dest', 'dest'],
  ['-p', 'proto'],
  ['-dport', 'dport'],
  ['-sport', 'sport'],
  ['-log', 'log'],
  ['-icmp-type', 'icmp-type'],
];

function formatRule(rule: FirewallRule): string {
  const action = rule['macro'] === undefined ? rule['action']! : `${rule['macro']}(${rule['action']!})`;
  const words = flags.filter(([, key]) => rule[key] !== undefined).map(([flag, key]) => `${flag} ${rule[key]!}`);
  const text = [rule['type']!.toUpperCase(), action, ...words].join(' ');
  return commented(rule['enable'] === '0' ? `|${text}` : text, rule['comment']);
}

function parseRule(line: string): FirewallRule | undefined {
  const { text, comment } = splitComment(line);
  const [, off, type, called, rest] = /^(\|?)\s*(IN|OUT|FORWARD|GROUP)\s+(\S+)\s*(.*)$/i.exec(text) ?? [];
  if (type === undefined) return undefined;
  const [, macro, action] = /^([\w-]+)\((\w+)\)$/.exec(called!) ?? [];
  const rule: Record<string, string> = {
    type: type.toLowerCase(),
    action: action ?? called!,
    enable: off === '|' ? '0' : '1',
  };
  if (macro !== undefined) rule['macro'] = macro;
  for (const [, flag, value] of rest!.matchAll(/(-\S+)\s+(\S+)/g)) {
    const key = flags.find(([known]) => known === flag)?.[1];
    if (key !== undefined) rule[key] = value!;
  }
  if (comment !== undefined) rule['comment'] = comment;
  return rule;
}

function splitComment(line: string): { text: string; comment?: string } {
  const [, text, comment] = /^(.*?)(?:\s*#\s*(.*?))?\s*$/.exec(line) ?? [];
  return { text: (text ?? '').trim(), ...(comment ? { comment } : {}) };
}

/** The file of a firewall; empty when there is nothing to say. */
export function formatFirewall({ options, aliases, sets, rules }: Firewall): string {
  const sections: [string, string[]][] = [
    [
      '[OPTIONS]',
      Object.keys(options)
        .sort()
        .map((key) => `${key}: ${options[key]!}`),
    ],
    ['[ALIASES]', [...aliases].sort().map(([, { name, cidr, comment }]) => commented(`${name} ${cidr}`, comment))],
  ];
  for (const [name, { comment, addresses }] of [...sets].sort()) {
    const lines = addresses.map((one) => commented(`${one.nomatch ? '!' : ''}${one.cidr}`, one.comment));
    sections.push([commented(`[IPSET ${name}]`, comment), lines]);
  }
  sections.push(['[RULES]', rules.map(formatRule)]);
  return sections
    .filter(([head, lines]) => lines.length > 0 || head.startsWith('[IPSET'))
    .map(([head, lines]) => `${head}\n\n${lines.map((line) => `${line}\n`).join('')}\n`)
    .join('');
}

/** Reads a `.fw` file; what it does not understand it leaves out, as the firewall does. */
export function parseFirewall(text: string): Firewall {
  const firewall = emptyFirewall();
  let section = '';
  let set: FirewallSet | undefined;
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const { text: words, comment } = splitComment(line);
    const head = /^\[(\w+)(?:\s+(\S+))?\]$/.exec(words);
    if (head) {
      section = head[1]!.toUpperCase();
      if (section === 'IPSET') {
        set = { name: head[2]!, addresses: [], ...(comment === undefined ? {} : { comment }) };
        firewall.sets.set(head[2]!, set);
      }
    } else if (section === 'OPTIONS') {
      const [, key, value] = /^(\w+):\s*(.+)$/.exec(words) ?? [];
      if (key !== undefined) firewall.options[key] = value!;
    } else if (section === 'ALIASES') {
      const [name, cidr] = words.split(/\s+/);
      if (cidr !== undefined)
        firewall.aliases.set(name!.toLowerCase(), { name: name!, cidr, ...(comment === undefined ? {} : { comment }) });
    } else if (section === 'IPSET') {
      const [, not, cidr] = /^(!?)\s*(\S+)$/.exec(words) ?? [];
      if (cidr !== undefined)
        set!.addresses.push({ cidr, nomatch: not === '!', ...(comment === undefined ? {} : { comment }) });
    } else if (section === 'RULES') {
      const rule = parseRule(line);
      if (rule) firewall.rules.push(rule);
    }
  }
  return firewall;
}
