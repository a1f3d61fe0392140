import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { firewallFormats } from '../../../src/sim/api/firewall-words.ts';
import { Firewalls } from '../../../src/sim/cluster/firewall.ts';
import type { Machine } from '../../../src/sim/guests/machine.ts';
import { datacenterFirewall, emptyFirewall, formatFirewall, guestFirewall } from '../../../src/sim/world/firewall.ts';
import { parseFirewall } from '../../../src/sim/world/firewall.ts';
import type { Firewall, FirewallRule } from '../../../src/sim/world/firewall.ts';
import { emptyWorld } from '../../../src/sim/world/world.ts';

const word = fc.stringMatching(/^[a-z][a-z0-9]{1,8}$/);
const comment = fc.option(fc.stringMatching(/^[a-z][a-z0-9 ]{0,12}[a-z0-9]$/), { nil: undefined });
const cidr = fc.constantFrom('10.0.0.0/8', '192.0.2.7', '2001:db8::/32');
const rule = fc
  .record(
    {
      type: fc.constantFrom('in', 'out'),
      action: fc.constantFrom('ACCEPT', 'DROP', 'REJECT'),
      enable: fc.constantFrom('0', '1'),
      iface: fc.constantFrom('net0', 'net3'),
      source: fc.constantFrom('10.0.0.0/8', '+dc/web', 'office'),
      proto: fc.constantFrom('tcp', 'udp'),
      dport: fc.constantFrom('80', '80:90,443'),
      macro: fc.constantFrom('SSH', 'Web'),
      log: fc.constantFrom('nolog', 'info'),
    },
    { requiredKeys: ['type', 'action', 'enable'] },
  )
  .map((made): FirewallRule => ({ ...made }));
const said = (text: string | undefined): { comment?: string } => (text === undefined ? {} : { comment: text });

describe("a firewall's file", () => {
  test('reads back as it was written', () => {
    const parts = [
      fc.dictionary(word, fc.constantFrom('1', '0', 'DROP')),
      fc.uniqueArray(fc.tuple(word, cidr, comment), { selector: ([name]) => name, maxLength: 3 }),
      fc.uniqueArray(fc.tuple(word, fc.array(fc.tuple(cidr, fc.boolean(), comment), { maxLength: 3 }), comment), {
        selector: ([name]) => name,
        maxLength: 3,
      }),
      fc.array(fc.tuple(rule, comment), { maxLength: 4 }),
    ] as const;
    fc.assert(
      fc.property(...parts, (options, aliases, sets, rules) => {
        const firewall: Firewall = { ...emptyFirewall(), options: { ...options } };
        for (const [name, to, about] of aliases) firewall.aliases.set(name, { name, cidr: to, ...said(about) });
        for (const [name, addresses, about] of sets)
          firewall.sets.set(name, {
            name,
            addresses: addresses.map(([to, nomatch, why]) => ({ cidr: to, nomatch, ...said(why) })),
            ...said(about),
          });
        firewall.rules = rules.map(([made, about]) => ({ ...made, ...said(about) }));
        expect(parseFirewall(formatFirewall(firewall))).toEqual(firewall);
      }),
    );
  });
});

const card = (firewall: 0 | 1): string => `virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=${firewall}`;
const probe = { way: 'in', port: 8080, peer: '192.0.2.9' } as const;

/** What a packet to port 8080 meets, by what the datacenter, the guest and its card say. */
function fate(
  files: { datacenter?: string; guest?: string; card?: 0 | 1 },
  packet: Parameters<Firewalls['fateOf']>[1],
): string {
  const world = emptyWorld();
  if (files.datacenter !== undefined) world.firewalls.set(datacenterFirewall, parseFirewall(files.datacenter));
  if (files.guest !== undefined) world.firewalls.set(guestFirewall(101), parseFirewall(files.guest));
  const firewalls = new Firewalls(world);
  firewalls.apply();
  return firewalls.fateOf({ vmid: 101, options: { net0: card(files.card ?? 1) } } as unknown as Machine, packet);
}

const on = '[OPTIONS]\nenable: 1\n';
const rules = (...lines: string[]): string => `${on}[RULES]\n${lines.join('\n')}\n`;

describe('a packet to a guest', () => {
  test.each<[string, Parameters<typeof fate>[0], string]>([
    ['passes where nobody has a firewall', {}, 'accept'],
    ['passes where only the guest has one', { guest: on }, 'accept'],
    ['passes where only the datacenter has one', { datacenter: on }, 'accept'],
    ['passes where the card does not take part', { datacenter: on, guest: on, card: 0 }, 'accept'],
    ['passes where the guest turned its own off', { datacenter: on, guest: '[OPTIONS]\nenable: 0\n' }, 'accept'],
    ['passes where the datacenter turned all off', { datacenter: '[OPTIONS]\nenable: 0\n', guest: on }, 'accept'],
    ['is lost by default where all three want it', { datacenter: on, guest: on }, 'drop'],
    ['goes by the policy', { datacenter: on, guest: `${on}policy_in: ACCEPT\n` }, 'accept'],
    ['is refused by the policy', { datacenter: on, guest: `${on}policy_in: REJECT\n` }, 'reject'],
    ['is let in by a rule', { datacenter: on, guest: rules('IN ACCEPT -p tcp -dport 8080') }, 'accept'],
    [
      'is let in by a range of ports',
      { datacenter: on, guest: rules('IN ACCEPT -p tcp -dport 22,8000:9000') },
      'accept',
    ],
    ['is let in by a macro', { datacenter: on, guest: rules('IN Webcache(ACCEPT)') }, 'accept'],
    ['meets the first rule that fits', { datacenter: on, guest: rules('IN REJECT', 'IN ACCEPT') }, 'reject'],
    ['passes by a rule that is off', { datacenter: on, guest: rules('|IN REJECT', 'IN ACCEPT') }, 'accept'],
    ['passes by a rule for another port', { datacenter: on, guest: rules('IN ACCEPT -p tcp -dport 22') }, 'drop'],
    ['passes by a rule for another protocol', { datacenter: on, guest: rules('IN ACCEPT -p udp') }, 'drop'],
    ['passes by a rule for another card', { datacenter: on, guest: rules('IN ACCEPT -i net1') }, 'drop'],
    ['passes by a rule for the other way', { datacenter: on, guest: rules('OUT ACCEPT') }, 'drop'],
    ['is let in from a network', { datacenter: on, guest: rules('IN ACCEPT -source 192.0.2.0/24') }, 'accept'],
    ['is let in from a range', { datacenter: on, guest: rules('IN ACCEPT -source 192.0.2.1-192.0.2.20') }, 'accept'],
    ['is not let in from elsewhere', { datacenter: on, guest: rules('IN ACCEPT -source 198.51.100.0/24') }, 'drop'],
    [
      'is let in from a set of the datacenter',
      { datacenter: `${on}[IPSET web]\n192.0.2.0/24\n`, guest: rules('IN ACCEPT -source +dc/web') },
      'accept',
    ],
    [
      'is let in by an alias of its own',
      { datacenter: on, guest: `${on}[ALIASES]\noffice 192.0.2.9\n[RULES]\nIN ACCEPT -source office\n` },
      'accept',
    ],
  ])('%s', (_, files, expected) => {
    expect(fate(files, probe)).toBe(expected);
  });

  test('from a guest passes by default, and not past a policy that drops', () => {
    const out = { ...probe, way: 'out' } as const;
    expect(fate({ datacenter: on, guest: on }, out)).toBe('accept');
    expect(fate({ datacenter: on, guest: `${on}policy_out: DROP\n` }, out)).toBe('drop');
  });

  test('meets what was written before the last look of the nodes, not what was written since', () => {
    const world = emptyWorld();
    const firewalls = new Firewalls(world);
    const machine = { vmid: 101, options: { net0: card(1) } } as unknown as Machine;
    world.firewalls.set(datacenterFirewall, parseFirewall(on));
    world.firewalls.set(guestFirewall(101), parseFirewall(on));
    expect(firewalls.fateOf(machine, probe)).toBe('accept');
    firewalls.apply();
    world.firewalls.delete(guestFirewall(101));
    expect(firewalls.fateOf(machine, probe)).toBe('drop');
  });
});

test.each<[string, string, string | undefined]>([
  ['pve-fw-addr-spec', '10.0.0.0/8,192.0.2.1', undefined],
  ['pve-fw-addr-spec', '10.0.0.1-10.0.0.9', undefined],
  ['pve-fw-addr-spec', '10.0.0.1,', 'extraneous commas in list\n'],
  ['pve-fw-addr-spec', '10.0.0.999', 'invalid IP address: Cannot determine IP version for 10.0.0.999\n'],
  [
    'pve-fw-addr-spec',
    '10.0.0.1,2001:db8::1',
    "detected mixed ipv4/ipv6 addresses in address list '10.0.0.1,2001:db8::1'\n",
  ],
  ['pve-fw-addr-spec', '10.0.0.1-10.0.0.2,10.0.0.3', "you can't use a range in a list\n"],
  ['pve-fw-dport-spec', '80:85,https,echo-request', 'ICPM ports not allowed in port range\n'],
  ['pve-fw-dport-spec', 'echo-request', undefined],
  ['pve-fw-sport-spec', 'echo-request', "invalid port 'echo-request'\n"],
  ['pve-fw-dport-spec', '65536', "invalid port '65536'\n"],
  [
    'pve-fw-dport-spec',
    Array.from({ length: 16 }, (_, n) => n).join(),
    'too many entries in port list (> 15 numbers)\n',
  ],
  ['pve-fw-protocol-spec', 'nope', "unknown protocol 'nope'\n"],
  ['pve-iface', 'n', "invalid network interface name 'n'\n"],
  ['IPorCIDR', 'office', 'value does not look like a valid IP address or CIDR network\n'],
  ['IPorCIDRorAlias', 'office', undefined],
])('%s of %s', (format, value, refusal) => {
  expect(firewallFormats[format]!(value)).toBe(refusal);
});
