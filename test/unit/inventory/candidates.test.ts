import { describe, expect, test } from '@jest/globals';
import { inventoryOfCandidates } from '../../../src/inventory/candidate-text.ts';
import { candidatesOf, checksToTry } from '../../../src/inventory/candidates.ts';
import { contactText, parseContactFile } from '../../../src/inventory/contact-file.ts';
import { leadsOf } from '../../../src/inventory/leads.ts';
import { parseInventory } from '../../../src/inventory/parse.ts';
import type { Seen, SeenGuest, SeenName, TriedCheck } from '../../../src/inventory/seen.ts';

const base = contactText({
  cluster: 'lab',
  endpoints: ['https://pve1.example.com:8006'],
  tokenFile: '/etc/umbra/pve.token',
  vmids: '9000-9099',
  addresses: '10.0.0.100-10.0.0.149/24',
  zone: 'example.com',
  nameServers: ['192.0.2.53:53'],
  keyFile: '/etc/umbra/tsig.key',
});

const guest = (vmid: number, addresses: readonly string[], more: Partial<SeenGuest> = {}): SeenGuest => ({
  ...{ vmid, name: `vm-${vmid}`, node: 'pve1', template: false, running: true, cores: 2, memoryMiB: 2048 },
  managedByHa: false,
  addresses: addresses.map((address) => ({ address, from: 'cloud-init' as const })),
  ...more,
});

const name = (label: string, a: readonly string[], more: Partial<SeenName> = {}): SeenName => ({
  ...{ zone: 'example.com', name: `${label}.example.com`, a, aaaa: [] },
  ...more,
});

const seen = (more: Partial<Seen>): Seen => ({
  at: Date.UTC(2026, 11, 1),
  cluster: 'lab',
  vmids: { from: 9000, to: 9099 },
  addresses: { from: '10.0.0.100', to: '10.0.0.149' },
  nodes: [{ node: 'pve1', online: true }],
  storages: [{ storage: 'tank', shared: true }],
  guests: [],
  names: [],
  demand: [],
  known: [],
  unread: [],
  ...more,
});

const answered = (address: string, port: number, ok = true): TriedCheck => ({
  address,
  check: { kind: 'http', port, path: '/' },
  answered: ok,
  detail: ok ? `200 on ${address}:${port}/` : `connection refused on ${address}:${port}`,
});

function discovered(from: Seen, tried: readonly TriedCheck[] = [], text = base): string {
  const { leads, leftOut } = leadsOf(from);
  return inventoryOfCandidates(text, from, candidatesOf(from, leads, tried), leftOut);
}

/** As the operator would finish it. */
function chosen(text: string) {
  const parsed = parseInventory(text.replaceAll('storageClass: CHOOSE', 'storageClass: stateless'));
  if (parsed.inventory === undefined) throw new Error(JSON.stringify(parsed.problems));
  return parsed.inventory;
}

const shop = seen({
  guests: [guest(101, ['10.0.0.11']), guest(102, ['10.0.0.12'])],
  names: [name('shop', ['10.0.0.11']), name('*.shop', ['10.0.0.11']), name('api', ['10.0.0.12'])],
});

describe('an inventory of candidates', () => {
  test('is accepted as soon as the classes are chosen, and only then', () => {
    const text = discovered(shop, [answered('10.0.0.11', 443, false), answered('10.0.0.11', 8080)]);
    const { problems } = parseInventory(text);
    expect(problems?.map(({ path }) => path)).toEqual(['hostedVms[0].storageClass', 'hostedVms[1].storageClass']);
    expect(problems?.[0]?.message).toMatch(/umbra discover leaves to you: write stateless or pinned/);
    expect(chosen(text).hostedVms).toMatchObject([
      {
        id: 'shop',
        names: ['shop.example.com', '*.shop.example.com'],
        primary: { cluster: 'lab', vmid: 101, address: '10.0.0.11' },
        checks: [{ kind: 'http', port: 8080, path: '/' }],
        policy: { mode: 'observe' },
      },
      { id: 'api', primary: { vmid: 102 } },
    ]);
  });

  test('only watches what is new, whatever the defaults of the inventory say', () => {
    const acting = `${base}\ndefaults: { policy: { mode: act } }\n`;
    expect(chosen(discovered(shop, [], acting)).hostedVms.map(({ policy }) => policy.mode)).toEqual([
      'observe',
      'observe',
    ]);
  });

  test('says which checks were tried in vain', () => {
    expect(discovered(shop, [answered('10.0.0.12', 443, false)])).toMatch(
      /# no check answered on 10\.0\.0\.12 \(connection refused on 10\.0\.0\.12:443\)/,
    );
  });

  test('is added to what an inventory has, with its comments, and proposes nothing of it again', () => {
    const first = chosen(discovered(shop)).hostedVms;
    const written = discovered(shop).replaceAll('CHOOSE', 'pinned').replace('hostedVms:', '# mine\nhostedVms:');
    const more = seen({
      ...shop,
      guests: [...shop.guests, guest(103, ['10.0.0.13'])],
      names: [...shop.names, name('wiki', ['10.0.0.13']), name('shop2', ['10.0.0.11'])],
      known: first.map(({ id, names, primary }) => ({ id, names, vmid: primary.vmid })),
    });
    const text = discovered(more, [], written);
    expect(chosen(text).hostedVms.map(({ id, storageClass }) => [id, storageClass])).toEqual([
      ['shop', 'pinned'],
      ['api', 'pinned'],
      ['wiki', 'stateless'],
    ]);
    expect(text).toContain('# mine');
    expect(text).toContain('# VM 103 vm-103 on pve1');
    expect(text).toContain('VM 101 vm-101: is the primary of shop in this inventory already');
  });

  test('holds what could not be read, and no guest can write a line of it', () => {
    const text = discovered(
      seen({
        ...shop,
        guests: [guest(101, ['10.0.0.11'], { name: 'x\n  - id: evil\u2028clusters: []' })],
        unread: ['the zone example.com: the server says REFUSED\nhostedVms: []'],
      }),
    );
    expect(chosen(text).hostedVms.map(({ id }) => id)).toEqual(['shop']);
    expect(text).toContain('the server says REFUSED');
  });

  test('without a candidate is an inventory too', () => {
    expect(chosen(discovered(seen({}))).hostedVms).toEqual([]);
  });
});

describe('a name is proposed only when it leads to one guest', () => {
  const noteOf = (guests: readonly SeenGuest[], names: readonly SeenName[]) => {
    const { leads, leftOut } = leadsOf(seen({ guests, names }));
    return [...leads.flatMap(({ notes }) => notes), ...leftOut.map(({ why }) => why)].join('\n');
  };
  const main = name('shop', ['10.0.0.11']);

  test.each<[string, readonly SeenName[], RegExp]>([
    ['and to another one', [name('both', ['10.0.0.11', '10.0.0.12'])], /both.*10\.0\.0\.12 too, which is VM 102/],
    ['and to nobody seen', [name('cdn', ['10.0.0.11', '203.0.113.9'])], /cdn.*203\.0\.113\.9 too, which no guest/],
    ['and is a name server', [name('ns1', ['10.0.0.11'], { nameServer: true })], /ns1.*a name server does not move/],
    ['and an Umbra has claimed it', [name('own', ['10.0.0.11'], { owner: 'api' })], /own.*hosted VM api of an Umbra/],
    ['by its second address', [main, name('mgmt', ['10.9.0.11'])], /mgmt.*another address of this guest/],
    ['as an alias', [main, name('www', [], { aliasOf: 'shop.example.com' })], /www.*\(CNAME\) and follows/],
    ['with AAAA', [name('six', ['10.0.0.11'], { aaaa: ['2001:db8::11'] })], /six.*AAAA goes away/],
    ['by IPv6 only', [name('six', [], { aaaa: ['2001:db8::11'] })], /only IPv6 leads to it/],
    ['or none does', [], /no name that was read leads to 10\.0\.0\.11/],
  ])('%s', (_what, names, said) => {
    const guests = [guest(101, ['10.0.0.11', '10.9.0.11', '2001:db8::11']), guest(102, ['10.0.0.12'])];
    expect(noteOf(guests, names)).toMatch(said);
  });

  test.each<[string, SeenGuest, RegExp]>([
    ['without an address', guest(101, []), /its address is not known/],
    ['among the VMIDs for shadows', guest(9003, ['10.0.0.11']), /not Umbra's: choose other VMIDs/],
    ['that is a shadow', guest(9003, ['10.0.0.11'], { hostedVmId: 'api' }), /is Umbra's, of hosted VM api/],
    ['among the addresses for shadows', guest(101, ['10.0.0.120']), /choose another range/],
  ])('a guest %s is no candidate', (_what, one, said) => {
    expect(noteOf([one], [main, name('in', ['10.0.0.120'])])).toMatch(said);
  });

  test('templates are no candidates, and are listed', () => {
    const text = discovered(seen({ guests: [guest(8000, [], { template: true, name: 'golden' })] }));
    expect(text).toContain('template 8000 golden on pve1');
  });
});

describe('capacity', () => {
  const one = (cpu: number | undefined, demand: Seen['demand']) => {
    const from = seen({ ...shop, guests: [guest(101, ['10.0.0.11'], cpu === undefined ? {} : { cpu })], demand });
    return candidatesOf(from, leadsOf(from).leads, [])[0]?.capacity;
  };
  const counted = { hostedVmId: 'shop', names: ['shop.example.com'], peakQps: 130, since: '24h' };

  test.each([
    [
      'by what is counted against the CPU at that time',
      0.25,
      [{ ...counted, nowQps: 40 }],
      160,
      /estimate: 40 q\/s.*25 %/,
    ],
    [
      'not by an idle CPU, but above the highest that was counted',
      0.01,
      [{ ...counted, nowQps: 40 }],
      130,
      /has carried 130/,
    ],
    ['by the cores, as a guess, when nothing is counted', 0.25, [], 100, /guess to be replaced: 2 cores/],
  ])('is told %s', (_how, cpu, demand, qps, said) => {
    expect(one(cpu, demand)?.qps).toBe(qps);
    expect(one(cpu, demand)?.how).toMatch(said);
  });
});

test('ports of the operator are tried before the usual ones', () => {
  expect(checksToTry([8080]).map(({ kind, port }) => `${kind} ${port}`)).toEqual([
    ...['http 8080', 'http 8080', 'tcp 8080'],
    ...['http 443', 'http 80', 'tcp 443', 'tcp 80', 'tcp 22'],
  ]);
});

test('two services of one label get ids of their own', () => {
  const from = seen({
    guests: [guest(101, ['10.0.0.11']), guest(102, ['10.0.0.12'])],
    names: [name('web', ['10.0.0.11']), { ...name('x', ['10.0.0.12']), name: 'web.eu.example.com' }],
  });
  expect(candidatesOf(from, leadsOf(from).leads, []).map(({ id }) => id)).toEqual(['web', 'web-102']);
});

test('a contact file needs clusters and zones only, and is checked as an inventory is', () => {
  expect(parseContactFile(base, 'x.yaml').inventory?.hostedVms).toEqual([]);
  const wrong = parseContactFile(base.replace('9000-9099', '9099-9000'), 'x.yaml');
  expect(wrong.problems?.[0]?.message).toMatch(/ends before it begins/);
  expect(parseContactFile('', 'x.yaml').problems?.[0]?.message).toBe('the file is empty');
});
