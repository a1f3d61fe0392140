import { storageClassRules } from '../domain/storage-class.ts';
import type { ShapeName } from './shapes.ts';

/** One hosted VM of the demonstration: what the inventory says of it and how demand on it behaves. */
export type DemoVm = {
  readonly id: string;
  readonly vmid: number;
  readonly node: string;
  readonly address: string;
  readonly names: readonly string[];
  readonly capacityQps: number;
  readonly shape: ShapeName;
  /** The weekly high of its demand as a share of capacity. */
  readonly peakShare: number;
  readonly storageClass: 'stateless' | 'pinned';
  readonly minShadows: number;
};

export const demoZone = 'umbra.example';
export const demoCluster = 'lab';

const vm = (
  id: string,
  n: number,
  node: string,
  capacityQps: number,
  shape: ShapeName,
  peakShare: number,
  rest: Partial<DemoVm> = {},
): DemoVm => ({
  id,
  vmid: 100 + n,
  node,
  address: `127.10.0.${100 + n}`,
  names: [`${id}.${demoZone}`],
  capacityQps,
  shape,
  peakShare,
  storageClass: 'stateless',
  minShadows: 1,
  ...rest,
});

/** Six services on three nodes: a busy shop, a calm wiki, one that only a human may move. Together they stay under 300 q/s. */
export const demoFleet: readonly DemoVm[] = [
  vm('shop', 1, 'pve1', 120, 'shop', 0.85, { names: [`shop.${demoZone}`, `*.shop.${demoZone}`] }),
  vm('blog', 2, 'pve2', 60, 'news', 0.5),
  vm('api', 3, 'pve2', 100, 'office', 0.7),
  vm('mail', 4, 'pve3', 40, 'science', 0.4, { minShadows: 0 }),
  vm('wiki', 5, 'pve3', 40, 'sports', 0.3, { minShadows: 0 }),
  vm('auth', 6, 'pve1', 30, 'bursty', 0.4, { storageClass: 'pinned', minShadows: 0 }),
];

export type DemoPlaces = {
  /** One per node: any of them may be down. */
  readonly endpoints: readonly string[];
  readonly fingerprint?: string;
  readonly tokenFile: string;
  readonly dns: string;
  readonly tsigKeyFile: string;
  /** `24h`, `10m`. */
  readonly probation: string;
};

/** The inventory of the demonstration as an operator would have written it. */
export function demoInventory(places: DemoPlaces, fleet: readonly DemoVm[] = demoFleet): string {
  const lines = [
    '# The inventory of the demonstration, applied at its start. Change it and apply it again:',
    '#   bin/umbra apply -f THIS_FILE',
    'clusters:',
    `  - name: ${demoCluster}`,
    `    endpoints: [${places.endpoints.join(', ')}]`,
    `    tokenFile: ${places.tokenFile}`,
    ...(places.fingerprint === undefined ? [] : [`    fingerprint: "${places.fingerprint}"`]),
    // The token's rights hold in this pool, as docs/proxmox.md grants them.
    '    pool: umbra',
    '    vmids: 9001-9099',
    '    addresses: 127.10.1.1-127.10.1.99/8',
    '    quarantine: 10m',
    '    budget: { maxShadows: 20, maxMemory: 64GiB }',
    '    failovers: { limit: 10, window: 1m }',
    '',
    'dns:',
    `  - zone: ${demoZone}`,
    `    server: ${places.dns}`,
    `    tsigKeyFile: ${places.tsigKeyFile}`,
    '    ttl: 5s',
    '',
    'defaults:',
    '  checks:',
    '    - { port: 8080, path: /healthz, interval: 1s, timeout: 900ms, failures: 3, slow: 600ms }',
    `  policy: { mode: act, probation: ${places.probation}, keepDiskDays: 7, minDwell: 5m, block: 2m, maxShadows: 3 }`,
    '',
    'hostedVms:',
    ...fleet.flatMap((each) => [
      `  - id: ${each.id}`,
      `    names: [${each.names.map((name) => `'${name}'`).join(', ')}]`,
      `    primary: { vmid: ${each.vmid}, address: ${each.address} }`,
      `    capacity: ${each.capacityQps}`,
      `    storageClass: ${each.storageClass}`,
      ...(!storageClassRules[each.storageClass].hasShadows ? [] : [`    policy: { minShadows: ${each.minShadows} }`]),
    ]),
  ];
  return `${lines.join('\n')}\n`;
}
