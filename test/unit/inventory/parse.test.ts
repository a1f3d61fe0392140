import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parseInventory } from '../../../src/inventory/parse.ts';
import { formatProblem } from '../../../src/inventory/problem.ts';

const clusters = `clusters:
  - name: lab
    endpoints: https://pve1.example.com:8006
    tokenFile: /etc/umbra/pve.token
    vmids: 9000-9019
    addresses: 10.0.0.100-10.0.0.119/24
`;
const dns = `dns:
  - { zone: example.com, server: 192.0.2.53, tsigKeyFile: /etc/umbra/tsig.key }
`;
const shop = `hostedVms:
  - id: shop
    names: [shop.example.com]
    primary: { vmid: 101 }
    capacity: 400
    storageClass: stateless
`;

function problemsOf(text: string): string[] {
  return (parseInventory(text, 'inventory.yaml').problems ?? []).map(formatProblem);
}

/** The shop with lines of its own below it. */
function withShop(lines: string): string {
  return clusters + dns + shop + lines;
}

describe('the least an operator must write', () => {
  test('is completed with the documented defaults', () => {
    const { inventory } = parseInventory(clusters + dns + shop);
    expect(inventory?.hostedVms[0]).toEqual({
      id: 'shop',
      names: ['shop.example.com'],
      zone: 'example.com',
      ttlSeconds: 10,
      primary: { cluster: 'lab', vmid: 101 },
      capacityQps: 400,
      storageClass: 'stateless',
      checks: [{ kind: 'http', port: 80, path: '/', intervalMs: 1000, timeoutMs: 1000, failures: 3 }],
      policy: {
        mode: 'observe',
        riskThreshold: 0.2,
        volumeThreshold: { share: 0.8, quantile: 0.9 },
        tiers: [0.5, 1, 2],
        warmth: 'hot',
        minShadows: 1,
        maxShadows: 3,
        probationMs: 86_400_000,
        keepDiskMs: 7 * 86_400_000,
        minDwellMs: 1_800_000,
        blockMs: 1_800_000,
      },
      events: [],
      timeZone: 'UTC',
    });
    expect(inventory?.clusters[0]?.budget).toEqual({ maxShadows: 20, maxMemoryMiB: 65_536 });
    const limited = clusters + '    budget: { memoryTime: { maxGiBHours: 12 } }\n' + dns + shop;
    expect(parseInventory(limited).inventory?.clusters[0]?.budget.memoryTime).toEqual({
      maxGiBHours: 12,
      windowMs: 86_400_000,
    });
    expect(inventory?.zones[0]).toEqual({
      zone: 'example.com',
      provider: 'rfc2136',
      servers: ['192.0.2.53:53'],
      tsigKeyFile: '/etc/umbra/tsig.key',
      ttlSeconds: 10,
    });
  });

  test('is what the shipped example shows', () => {
    const text = readFileSync(new URL('../../../examples/inventory.yaml', import.meta.url), 'utf8');
    expect(problemsOf(text)).toEqual([]);
  });
});

describe('what an operator may write', () => {
  test('durations, shares, sizes, tiers and instants in the forms people use', () => {
    const { inventory } = parseInventory(
      withShop(`    ttl: 30s
    resources: { cores: 2, memory: 4GiB }
    source: { vmid: 900, snapshot: golden }
    timeZone: Europe/Berlin
    events: [{ name: sale, from: "2026-11-27T08:00:00+01:00", to: "2026-11-27T20:00:00+01:00", factor: 3 }]
    holidays: [{ name: christmas, date: 2026-12-25, factor: 0.4 }]
    policy: { riskThreshold: 35%, volumeThreshold: { share: 0.7, quantile: p95 }, tiers: 2x 0.5x, probation: 1h30m, keepDiskDays: 0.5 }
`),
    );
    const vm = inventory?.hostedVms[0];
    expect(vm).toMatchObject({
      ttlSeconds: 30,
      resources: { cores: 2, memoryMiB: 4096 },
      source: { vmid: 900, snapshot: 'golden' },
      timeZone: 'Europe/Berlin',
      events: [
        { name: 'sale', from: Date.UTC(2026, 10, 27, 7), factor: 3 },
        { name: 'christmas', from: Date.UTC(2026, 11, 24, 23), to: Date.UTC(2026, 11, 25, 23), factor: 0.4 },
      ],
      policy: { riskThreshold: 0.35, tiers: [0.5, 2], probationMs: 5_400_000, keepDiskMs: 43_200_000 },
    });
    expect(vm?.policy.volumeThreshold).toEqual({ share: 0.7, quantile: 0.95 });
  });

  test('an identity to keep, where that can be kept and does not exist twice', () => {
    const { inventory } = parseInventory(
      withShop(`    source: { vmid: 900 }
    identity: { mac: same, hostname: same, sshHostKeys: same, vendorSnippet: "local:snippets/umbra.yaml" }
    policy: { maxShadows: 1 }
`),
    );
    expect(inventory?.hostedVms[0]?.identity).toEqual({
      mac: 'same',
      hostname: 'same',
      sshHostKeys: 'same',
      vendorSnippet: 'local:snippets/umbra.yaml',
    });
    const problems = (lines: string) => problemsOf(clusters + dns + shop + lines).join('\n');
    expect(problems('    identity: { sshHostKeys: same }\n')).toContain('same needs a vendorSnippet');
    expect(problems('    identity: { mac: same }\n')).toContain('twice in one network: name a source');
    expect(problems('    identity: { mac: same }\n    source: { vmid: 900 }\n')).toContain(
      'policy.maxShadows must be 1',
    );
    expect(problems('    identity: { vendorSnippet: "local:iso/x" }\n')).toContain('a snippet');
  });

  test('names in their own script, in capitals and with a final dot mean one thing', () => {
    const { inventory } = parseInventory(
      clusters + dns + shop.replace('[shop.example.com]', '["Bücher.Example.com.", "*.BÜCHER.example.com"]'),
    );
    expect(inventory?.hostedVms[0]?.names).toEqual(['xn--bcher-kva.example.com', '*.xn--bcher-kva.example.com']);
  });

  test('defaults hold for every hosted VM that does not say otherwise', () => {
    const { inventory } = parseInventory(
      withShop('    policy: { probation: 1h }\n') +
        'defaults:\n  policy: { probation: 48h, mode: act }\n  checks: [{ kind: tcp, port: 22 }]\n',
    );
    expect(inventory?.hostedVms[0]?.policy).toMatchObject({ probationMs: 3_600_000, mode: 'act' });
    expect(inventory?.hostedVms[0]?.checks).toEqual([
      { kind: 'tcp', port: 22, intervalMs: 1000, timeoutMs: 1000, failures: 3 },
    ]);
  });

  test('the most specific zone holds a name, and a pinned hosted VM has no shadows', () => {
    const { inventory } = parseInventory(
      clusters +
        dns +
        '  - { zone: eu.example.com, server: "[2001:db8::53]:5353", tsigKeyFile: /k, ttl: 5s }\n' +
        shop.replace('shop.example.com', 'db.eu.example.com').replace('stateless', 'pinned'),
    );
    expect(inventory?.zones[1]?.servers).toEqual(['[2001:db8::53]:5353']);
    expect(inventory?.hostedVms[0]).toMatchObject({
      zone: 'eu.example.com',
      ttlSeconds: 5,
      policy: { minShadows: 0, maxShadows: 0 },
    });
  });
});

describe('bad input is named with its place', () => {
  test('a duration that is none, exactly as an editor can jump to it', () => {
    const text = withShop('    policy:\n      probation: 24x\n');
    expect(problemsOf(text)).toEqual(['inventory.yaml:16:7 hostedVms[0].policy.probation: "24x" is not a duration']);
  });

  test('malformed YAML', () => {
    const [problem] = problemsOf(withShop('    policy: { probation: 24h\n'));
    expect(problem).toMatch(/^inventory\.yaml:\d+:\d+ is not valid YAML: /);
    expect(problemsOf('')).toEqual(['inventory.yaml:1:1 the file is empty']);
    expect(problemsOf('just words')).toEqual([
      'inventory.yaml:1:1 "just words" is not an inventory: write its keys below it',
    ]);
    expect(problemsOf(withShop('    id: again\n'))[0]).toMatch(/^inventory\.yaml:15:5 is not valid YAML: .*unique/);
  });

  test('unknown keys, with what was probably meant', () => {
    expect(problemsOf(withShop('    polcy: {}\n'))).toEqual([
      'inventory.yaml:15:5 hostedVms[0].polcy: is not a key of a hosted VM; did you mean policy?',
    ]);
    expect(problemsOf(withShop('    policy: { probaton: 1h, zzzz: 1 }\n'))).toEqual([
      'inventory.yaml:15:15 hostedVms[0].policy.probaton: is not a key of a policy; did you mean probation?',
      'inventory.yaml:15:29 hostedVms[0].policy.zzzz: is not a key of a policy',
    ]);
  });

  test('two hosted VMs with one name, whatever its capitals, and with one id', () => {
    const second = `  - id: shop
    names: [blog.example.com, SHOP.example.com.]
    primary: { vmid: 102 }
    capacity: 100
    storageClass: stateless
`;
    expect(problemsOf(withShop(second))).toEqual([
      'inventory.yaml:15:5 hostedVms[1].id: "shop" is the id of hostedVms[0] already',
      'inventory.yaml:16:31 hostedVms[1].names[1]: "shop.example.com" belongs to hostedVms[0] already: a name leads to one hosted VM',
    ]);
  });

  test('one guest under two hosted VMs', () => {
    const second = shop.replace('hostedVms:\n', '').replaceAll('shop', 'blog');
    expect(problemsOf(withShop(second))).toEqual([
      'inventory.yaml:17:16 hostedVms[1].primary.vmid: VM 101 is the primary of hostedVms[0] already',
    ]);
  });

  test.each([
    ['99', '99 is below 100'],
    ['1000000000', '1000000000 is above 999999999'],
    ['9004', '9004 lies in 9000-9019, the VMIDs cluster lab gives to shadows'],
    ['"101"', '"101" is not a VMID'],
    ['101.5', '101.5 is not a VMID'],
  ])('a VMID of %s outside its range', (vmid, message) => {
    expect(problemsOf(clusters + dns + shop.replace('101', vmid))).toEqual([
      `inventory.yaml:12:16 hostedVms[0].primary.vmid: ${message}`,
    ]);
  });

  test.each([
    ['9000-9019', '90-120', 'vmids: "90-120" is outside of Proxmox VE\'s VMIDs, 100 to 999999999'],
    ['9000-9019', '9019-9000', 'vmids: 9019-9000 ends before it begins'],
    ['10.0.0.100-10.0.0.119/24', '10.0.0.100-10.0.1.4/24', 'addresses: 10.0.0.100 and 10.0.1.4 are not in one /24'],
    ['10.0.0.100-10.0.0.119/24', '10.0.0.300-5/24', 'addresses: "10.0.0.300-5/24" is not a range of IPv4 addresses'],
  ])('ranges of a cluster: %s written as %s', (right, wrong, message) => {
    expect(problemsOf(clusters.replace(right, wrong) + dns + shop)[0]).toContain(`clusters[0].${message}`);
  });

  test('a name outside every zone, and names of two zones', () => {
    const twoZones = dns + '  - { zone: example.org, server: 192.0.2.53, tsigKeyFile: /k }\n';
    const names = (written: string) => clusters + twoZones + shop.replace('[shop.example.com]', written);
    expect(problemsOf(names('[shop.example.net]'))).toEqual([
      'inventory.yaml:12:13 hostedVms[0].names[0]: "shop.example.net" is in none of the zones example.com, example.org',
    ]);
    expect(problemsOf(names('[shop.example.com, shop.example.org]'))[0]).toContain('they share one zone');
    expect(problemsOf(names('[a.*.example.com]'))[0]).toContain('"a.*.example.com" is not a DNS name');
    expect(problemsOf(names('[127.0.0.1]'))[0]).toContain('"127.0.0.1" is not a DNS name');
  });

  test.each(['replicated', 'shared', 'appReplicated'])('storage class %s is refused by name', (name) => {
    expect(problemsOf(clusters + dns + shop.replace('stateless', name))).toEqual([
      `inventory.yaml:14:5 hostedVms[0].storageClass: "${name}" is not built yet: this version acts on stateless and pinned`,
    ]);
  });

  test('a missing storage class: there is no default', () => {
    expect(problemsOf(clusters + dns + shop.replace('    storageClass: stateless\n', ''))[0]).toContain(
      'hostedVms[0].storageClass: is required: stateless or pinned; there is no default',
    );
  });

  test('a token that would cross the network in clear, or a secret where a file should be named', () => {
    expect(problemsOf(clusters.replace('https://', 'http://') + dns + shop)[0]).toContain('only https leaves');
    expect(problemsOf(clusters.replace('/etc/umbra/pve.token', 'root@pam!x=secret') + dns + shop)[0]).toContain(
      'is not the absolute path of a file',
    );
  });

  test('every problem at once, in the order of the file', () => {
    const text = withShop('    policy: { minShadows: 4, maxShadows: 2, warmth: tepid, riskThreshold: 120% }\n');
    expect(problemsOf(text)).toEqual([
      'inventory.yaml:15:45 hostedVms[0].policy.warmth: "tepid" is not a warmth',
      'inventory.yaml:15:60 hostedVms[0].policy.riskThreshold: "120%" is not between 0 and 1, or 0% and 100%',
    ]);
    expect(problemsOf(withShop('    policy: { minShadows: 4, maxShadows: 2 }\n'))).toEqual([
      'inventory.yaml:15:15 hostedVms[0].policy.minShadows: 4 is more than maxShadows, 2',
    ]);
  });

  test('a text that unfolds without end costs no more than its lines', () => {
    const levels = Array.from({ length: 30 }, (_, i) => `l${i + 1}: &l${i + 1} [*l${i}, *l${i}, *l${i}, *l${i}]`);
    expect(problemsOf(['l0: &l0 [x]', ...levels, 'hostedVms: *l30'].join('\n')).length).toBeLessThan(200);
  });
});
