import { dayMs, hourMs, minuteMs, secondMs } from '../domain/time.ts';
import type { Quantile } from '../domain/quantile.ts';
import { builtStorageClasses, storageClasses, storageClassRules } from '../domain/storage-class.ts';
import type { StorageClass } from '../domain/storage-class.ts';
import { parseAddressRange } from './addresses.ts';
import * as read from './scalars.ts';
import { byDefault, list, mapping, optional, required, scalar, shortOrLong } from './shape.ts';
import type { Shape } from './shape.ts';

/*
 * How an operator writes the inventory. Each line below is the parser, the default, and the editor's help in one.
 */

/** Proxmox VE accepts these VMIDs. */
const leastVmid = 100;
const mostVmid = 999_999_999;

const vmid = read.whole(leastVmid, mostVmid, 'a VMID');

const vmidRange: Shape<{ from: number; to: number }> = shortOrLong(
  scalar(
    'a range of VMIDs',
    { type: 'string', pattern: '^\\d+\\s*-\\s*\\d+$' },
    (value) => {
      const match = typeof value === 'string' ? /^(\d+)\s*-\s*(\d+)$/.exec(value) : null;
      if (match === null) return undefined;
      const range = { from: Number(match[1]), to: Number(match[2]) };
      const outside = range.from < leastVmid || range.to > mostVmid;
      return outside ? { refused: `is outside of Proxmox VE's VMIDs, ${leastVmid} to ${mostVmid}` } : range;
    },
    'write 9000-9099',
  ),
  mapping({ from: required(vmid, 'the first VMID'), to: required(vmid, 'the last VMID') }, 'a range of VMIDs'),
);

type AddressPool = { from: string; to: string; prefix: number; gateway: string | undefined };

const addressPool: Shape<AddressPool> = shortOrLong<AddressPool>(
  scalar(
    'a range of IPv4 addresses',
    { type: 'string', pattern: '^[\\d.]+\\s*-\\s*[\\d.]+/\\d+$' },
    (value) => {
      const range = typeof value === 'string' ? parseAddressRange(value) : undefined;
      if (range === undefined) return undefined;
      return range.prefix > 32 ? { refused: 'has a prefix above 32' } : { ...range, gateway: undefined };
    },
    'write 10.0.0.100-10.0.0.149/24',
  ),
  mapping(
    {
      from: required(read.ipv4, 'the first address'),
      to: required(read.ipv4, 'the last address'),
      prefix: required(read.whole(1, 32, 'a prefix length'), 'the length of the network prefix, 24'),
      gateway: optional(read.ipv4, 'the default gateway'),
    },
    'a range of addresses',
  ),
);

const fingerprint = scalar(
  'a SHA-256 fingerprint',
  { type: 'string', pattern: '^([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}$' },
  (value) =>
    typeof value === 'string' && /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/i.test(value) ? value.toUpperCase() : undefined,
  'as `pvenode cert info` shows it: 32 pairs, AA:BB:...',
);

const clusterShape = mapping(
  {
    name: required(read.identifier('a name'), 'what this cluster is called here'),
    provider: byDefault(read.oneOf('a provider', ['proxmox']), 'proxmox', 'proxmox', 'what runs there'),
    endpoints: required(
      list(read.webAddress('https', 'http'), 'addresses', { least: 1, orOne: true }),
      'https://pve1.example:8006; name several nodes, any of them may be down',
    ),
    tokenFile: required(read.secretFile, 'file that holds user@realm!name=secret'),
    fingerprint: optional(fingerprint, 'SHA-256 fingerprint of the certificate; a publicly trusted one needs none'),
    caFile: optional(read.secretFile, 'CA certificate instead of a fingerprint'),
    vmids: required(vmidRange, 'VMIDs that only Umbra gives out: 9000-9099'),
    addresses: required(addressPool, 'addresses that only Umbra gives out: 10.0.0.100-10.0.0.149/24'),
    gateway: optional(read.ipv4, 'default gateway of these addresses'),
    pool: optional(read.text('a resource pool', 64), 'Proxmox resource pool that shadows are put in'),
    storage: optional(read.text('a storage', 64), "storage for shadows' disks; the source's own unless told"),
    budget: optional(
      mapping(
        {
          maxShadows: optional(read.whole(0, 100_000), 'shadows at once; as many as VMIDs and addresses allow'),
          maxMemory: byDefault(read.memory, 65_536, '64GiB', 'memory of all shadows together'),
          memoryTime: optional(
            mapping(
              {
                maxGiBHours: required(read.number(0.1, 1e9, 'a number of GiB-hours'), 'GiB-hours that shadows may use'),
                window: byDefault(read.duration(hourMs, 366 * dayMs), dayMs, '1d', 'in each such time'),
              },
              'a budget over time',
            ),
            'memory of all shadows over time; no limit unless told',
          ),
        },
        'a budget',
      ),
      'hard limits on what shadows may use',
    ),
    fenceFirewall: optional(
      read.truth,
      "shadows get a guest firewall that drops everything, switched on as a fence's last rung; off unless told",
    ),
    clonesPerStorage: byDefault(read.whole(1, 64), 2, 2, 'clones running at once on one storage'),
    quarantine: byDefault(read.duration(0, 30 * dayMs), hourMs, '1h', 'a freed VMID or address rests this long'),
    failovers: optional(
      mapping(
        {
          limit: byDefault(read.whole(1, 10_000), 10, 10, 'failovers per window; explained node deaths do not count'),
          window: byDefault(read.duration(secondMs, dayMs), minuteMs, '1m', 'the window'),
        },
        'a limit on failovers',
      ),
      'how many failovers may happen in a short time',
    ),
  },
  'a cluster',
);

const zoneShape = mapping(
  {
    zone: required(read.dnsName, 'the zone: example.com'),
    provider: byDefault(read.oneOf('a provider', ['rfc2136']), 'rfc2136', 'rfc2136', 'how it is updated'),
    server: optional(read.hostPort(53), 'the server that takes updates: 192.0.2.53:53'),
    servers: optional(
      list(read.hostPort(53), 'servers', { least: 1, orOne: true }),
      'several: the first takes updates, all are read back',
    ),
    tsigKeyFile: required(read.secretFile, 'file with the key, as tsig-keygen writes it or algorithm:name:secret'),
    ttl: byDefault(read.duration(secondMs, hourMs), 10 * secondMs, '10s', 'time to live of the names Umbra answers'),
  },
  'a zone',
);

const vendorSnippet = scalar(
  'a snippet',
  { type: 'string', pattern: '^[A-Za-z][A-Za-z0-9_.-]*:snippets/[^/\\s,]+$' },
  (value) =>
    typeof value === 'string' && /^[A-Za-z][A-Za-z0-9_.-]*:snippets\/[^/\s,]+$/.test(value) ? value : undefined,
  'local:snippets/umbra-vendor.yaml',
);

/** What `umbra discover` writes for the class: which one is right cannot be seen from outside. */
export const storageClassPlaceholder = 'CHOOSE';

const storageClass: Shape<StorageClass> = scalar(
  'a storage class',
  { enum: builtStorageClasses },
  (value) => {
    if (value === storageClassPlaceholder) {
      return { refused: `is what umbra discover leaves to you: write ${builtStorageClasses.join(' or ')}` };
    }
    const found = storageClasses.find((name) => name === value);
    if (found === undefined || builtStorageClasses.includes(found)) return found;
    return { refused: `is not built yet: this version acts on ${builtStorageClasses.join(' and ')}` };
  },
  builtStorageClasses.map((name) => `${name}: ${storageClassRules[name].means}`).join('; '),
);

const tiers: Shape<number[]> = (() => {
  const tier = (value: string | number | boolean): number | undefined => {
    const factor = typeof value === 'string' ? Number(/^(\d+(?:\.\d+)?)x$/.exec(value)?.[1] ?? NaN) : value;
    return typeof factor === 'number' && factor >= 0.1 && factor <= 32 ? factor : undefined;
  };
  const one = scalar(
    'a tier',
    {
      anyOf: [
        { type: 'string', pattern: '^\\d+(\\.\\d+)?x$' },
        { type: 'number', minimum: 0.1, maximum: 32 },
      ],
    },
    tier,
    'write 0.5x, 1x, 2x: multiples of the capacity, from 0.1x to 32x',
  );
  const words = scalar<number[]>(
    'tiers',
    { type: 'string', pattern: '^\\d+(\\.\\d+)?x(\\s+\\d+(\\.\\d+)?x)*$' },
    (value) => {
      const parts =
        typeof value === 'string'
          ? value
              .trim()
              .split(/[\s,]+/)
              .map(tier)
          : [];
      return parts.length > 0 && !parts.includes(undefined) ? (parts as number[]) : undefined;
    },
    'write 0.5x 1x 2x: multiples of the capacity, from 0.1x to 32x',
  );
  const many = list(one, 'tiers', { least: 1 });
  return {
    schema: { anyOf: [many.schema, words.schema] },
    read: (node, place, source) => {
      const written = source.resolve(node);
      return (written !== undefined && 'items' in written ? many : words).read(node, place, source);
    },
  };
})();

const quantiles: Readonly<Record<string, Quantile>> = { p10: 0.1, p50: 0.5, p90: 0.9, p95: 0.95, p99: 0.99 };

const quantile: Shape<Quantile> = scalar(
  'a quantile',
  { enum: [...Object.keys(quantiles), ...Object.values(quantiles)] },
  (value) => (typeof value === 'string' ? quantiles[value] : Object.values(quantiles).find((known) => known === value)),
  'write p10, p50, p90, p95 or p99',
);

type VolumeThreshold = { share: number; quantile: Quantile };

const volumeThreshold: Shape<VolumeThreshold> = shortOrLong<VolumeThreshold>(
  {
    schema: read.share.schema,
    read: (node, place, source) => {
      const part = read.share.read(node, place, source);
      return typeof part === 'symbol' ? part : { share: part, quantile: 0.9 };
    },
  },
  mapping(
    {
      share: required(read.share, 'share of the capacity'),
      quantile: byDefault<Quantile>(quantile, 0.9, 'p90', 'which quantile of the forecast must pass it'),
    },
    'a volume threshold',
  ),
);

const policyShape = mapping(
  {
    mode: optional(
      read.oneOf('a mode', ['observe', 'approve', 'act']),
      'observe (default) records what it would do, approve asks first, act acts',
    ),
    riskThreshold: optional(read.share, 'a shadow is wanted at this risk; 20% unless told'),
    volumeThreshold: optional(
      volumeThreshold,
      'a shadow is wanted when predicted demand passes this share of capacity; 80% at p90 unless told',
    ),
    tiers: optional(tiers, 'sizes of shadows; 0.5x 1x 2x unless told'),
    warmth: optional(
      read.oneOf('a warmth', ['hot', 'paused', 'stopped']),
      'hot (default) runs, paused holds its memory, stopped holds only its disk',
    ),
    minShadows: optional(read.whole(0, 100), 'kept ready whatever the forecast says; 1 unless told, 0 for pinned'),
    maxShadows: optional(read.whole(0, 100), 'never more than this; 3 unless told, 0 for pinned'),
    probation: optional(
      read.duration(secondMs, 90 * dayMs),
      'how long a shadow must serve well before it is promoted; 24h unless told',
    ),
    keepDiskDays: optional(
      read.number(0, 3650, 'a number of days'),
      'the disk of a retired primary is kept this long; 7 unless told',
    ),
    minDwell: optional(read.duration(0, 30 * dayMs), 'a shadow stays at least this long once warm; 30m unless told'),
    block: optional(
      read.duration(0, 30 * dayMs),
      'no second automatic failover of one hosted VM within this time; 30m unless told',
    ),
  },
  'a policy',
);

const path = scalar('a path', { type: 'string', pattern: '^/' }, (value) =>
  typeof value === 'string' && /^\/[\x21-\x7e]*$/.test(value) ? value : undefined,
);

const checkShape = mapping(
  {
    kind: byDefault(read.oneOf('a kind of check', ['http', 'tcp']), 'http', 'http', 'what is asked'),
    port: required(read.whole(1, 65_535, 'a port'), 'the port'),
    path: optional(path, 'http: the path; / unless told'),
    host: optional(read.dnsName, "http: the Host header; the hosted VM's first name unless told"),
    tls: optional(read.truth, 'http: over TLS; the certificate is not judged'),
    interval: byDefault(read.duration(100, hourMs), secondMs, '1s', 'how often'),
    timeout: optional(
      read.duration(10, minuteMs),
      'an answer later than this is none; the interval, 5s at most, unless told',
    ),
    failures: byDefault(read.whole(1, 100), 3, 3, 'failures in a row until it counts as failed'),
    slow: optional(read.duration(1, minuteMs), 'answers slower than this count as overload'),
  },
  'a check',
);

const plannedEvent = mapping(
  {
    name: required(read.text('a name', 80), 'what it is: black-friday'),
    from: required(read.instant, 'when it begins'),
    to: required(read.instant, 'when it ends'),
    factor: required(read.number(0, 1000), 'demand is multiplied by this'),
  },
  'a planned event',
);

const source = shortOrLong<{ vmid: number; snapshot: string | undefined }>(
  {
    schema: vmid.schema,
    read: (node, place, from) => {
      const id = vmid.read(node, place, from);
      return typeof id === 'symbol' ? id : { vmid: id, snapshot: undefined };
    },
  },
  mapping(
    {
      vmid: required(vmid, 'a template or another guest'),
      snapshot: optional(read.text('a snapshot', 40), 'the snapshot to clone'),
    },
    'a source',
  ),
);

const date = scalar(
  'a date',
  { type: 'string', format: 'date' },
  (value) =>
    typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value))
      ? value
      : undefined,
  'write year, month and day: 2026-12-25',
);

const holiday = mapping(
  {
    name: required(read.text('a name', 80), 'what it is: christmas'),
    date: required(date, "the day, from midnight to midnight in the hosted VM's time zone"),
    factor: required(read.number(0, 1000), 'demand is multiplied by this'),
  },
  'a holiday',
);

const common = {
  checks: optional(
    list(checkShape, 'checks', { least: 1 }),
    'how it is known to be well; HTTP GET / on port 80 unless told',
  ),
  policy: optional(policyShape, 'when to act, and how far'),
  timeZone: optional(read.timeZoneName, 'for weekends and holidays: Europe/Berlin; UTC unless told'),
  holidays: optional(list(holiday, 'holidays'), 'whole days on which demand differs'),
};

const identity = mapping(
  {
    hostname: optional(read.oneOf('a hostname', ['own', 'same']), 'own: id-shadow-n; same: that of the source'),
    mac: optional(
      read.oneOf('a MAC address', ['new', 'same']),
      'same only for a source that never runs beside its one shadow',
    ),
    machineId: optional(read.oneOf('a machine id', ['new', 'same']), 'same needs a vendor snippet'),
    sshHostKeys: optional(read.oneOf('SSH host keys', ['new', 'same']), 'same needs a vendor snippet'),
    vendorSnippet: optional(
      vendorSnippet,
      "cloud-init's vendor data on a storage of the cluster: local:snippets/umbra-vendor.yaml",
    ),
  },
  'an identity',
);

const hostedVmShape = mapping(
  {
    id: required(read.identifier('an id'), 'what this hosted VM is called in commands and pages'),
    names: required(
      list(read.dnsName, 'names', { least: 1, orOne: true }),
      'the DNS names that lead to it; *.shop.example.com stands for everything below',
    ),
    primary: required(
      mapping(
        {
          cluster: optional(read.identifier('the name of a cluster'), 'where it runs; the only cluster unless told'),
          vmid: required(vmid, 'its VMID'),
          address: optional(read.ipv4, 'its address; what DNS answers now unless told'),
        },
        'a primary',
      ),
      'the guest that serves it today',
    ),
    source: optional(source, 'what shadows are cloned from; the primary itself unless told'),
    identity: optional(identity, "what shadows keep of their source's identity; all of it is their own unless told"),
    resources: optional(
      mapping(
        {
          cores: required(read.whole(1, 1024), 'cores of a 1x shadow'),
          memory: required(read.memory, 'memory of a 1x shadow'),
        },
        'resources',
      ),
      "cores and memory of a 1x shadow; the primary's unless told",
    ),
    capacity: required(
      read.number(0.001, 1e9, 'a capacity in queries per second'),
      'queries per second at which one 1x instance is full',
    ),
    storageClass: required(
      storageClass,
      `${builtStorageClasses.join(' or ')}; there is no default, because a database taken for stateless would run twice`,
    ),
    ttl: optional(read.duration(secondMs, hourMs), "time to live of its answers; the zone's unless told"),
    events: optional(list(plannedEvent, 'planned events'), 'planned changes of demand: a sale, a maintenance window'),
    ...common,
  },
  'a hosted VM',
);

const sections = {
  clusters: required(list(clusterShape, 'clusters', { least: 1 }), 'Proxmox VE clusters'),
  dns: required(list(zoneShape, 'zones', { least: 1, orOne: true }), 'zones whose names Umbra answers'),
  defaults: optional(mapping(common, 'defaults'), 'for all hosted VMs that do not say otherwise'),
};
const hostedVms = list(hostedVmShape, 'hosted VMs');

export const inventoryShape = mapping(
  { ...sections, hostedVms: required(hostedVms, 'the services to keep alive') },
  'an inventory',
);

/** Before the first look there are no hosted VMs to write. */
export const contactShape = mapping(
  { ...sections, hostedVms: optional(hostedVms, 'the services that are known already') },
  'an inventory',
);

type ValueOf<S> = S extends Shape<infer T> ? T : never;
export type WrittenInventory = ValueOf<typeof inventoryShape>;
export type WrittenCluster = ValueOf<typeof clusterShape>;
export type WrittenZone = ValueOf<typeof zoneShape>;
export type WrittenHostedVm = ValueOf<typeof hostedVmShape>;
export type WrittenPolicy = ValueOf<typeof policyShape>;
export type WrittenCheck = ValueOf<typeof checkShape>;
