import { dayMs, hourMs, minuteMs, secondMs } from '../domain/time.ts';
import type { ClusterSpec, Inventory, ZoneSpec } from '../domain/inventory.ts';
import type { HealthCheck, HostedVmSpec, Policy } from '../domain/policy.ts';
import { storageClassRules } from '../domain/storage-class.ts';
import type { StorageClass } from '../domain/storage-class.ts';
import { addressNumber } from './addresses.ts';
import { holidayEvents } from './holidays.ts';
import { zoneOf } from './names.ts';
import type {
  WrittenCheck,
  WrittenCluster,
  WrittenHostedVm,
  WrittenInventory,
  WrittenPolicy,
  WrittenZone,
} from './schema.ts';

/** What an operator who writes nothing gets. A newly applied hosted VM is only watched until its owner says more. */
const defaultPolicy: Policy = {
  mode: 'observe',
  riskThreshold: 0.2,
  volumeThreshold: { share: 0.8, quantile: 0.9 },
  tiers: [0.5, 1, 2],
  warmth: 'hot',
  minShadows: 1,
  maxShadows: 3,
  probationMs: 24 * hourMs,
  keepDiskMs: 7 * dayMs,
  minDwellMs: 30 * minuteMs,
  blockMs: 30 * minuteMs,
};

/** The inventory as the rest of Umbra holds it: nothing is left out, units are milliseconds and MiB. */
export function completeInventory(written: WrittenInventory): Inventory {
  const zones = written.dns.map(completeZone);
  const clusters = written.clusters.map(completeCluster);
  return { clusters, zones, hostedVms: written.hostedVms.map((vm) => completeHostedVm(vm, written, zones)) };
}

function completeCluster(written: WrittenCluster): ClusterSpec {
  const { from, to, prefix } = written.addresses;
  const gateway = written.gateway ?? written.addresses.gateway;
  const room = Math.min(written.vmids.to - written.vmids.from, addressNumber(to) - addressNumber(from)) + 1;
  return {
    name: written.name,
    provider: written.provider,
    endpoints: written.endpoints,
    tokenFile: written.tokenFile,
    ...present({
      fingerprint: written.fingerprint,
      caFile: written.caFile,
      pool: written.pool,
      storage: written.storage,
      fenceFirewall: written.fenceFirewall,
    }),
    vmids: written.vmids,
    addresses: { from, to, prefix, ...present({ gateway }) },
    budget: {
      maxShadows: written.budget?.maxShadows ?? Math.max(0, room),
      maxMemoryMiB: written.budget?.maxMemory ?? 65_536,
      ...present({ memoryTime: memoryTimeOf(written) }),
    },
    clonesPerStorage: written.clonesPerStorage,
    quarantineMs: written.quarantine,
    failovers: { limit: written.failovers?.limit ?? 10, windowMs: written.failovers?.window ?? minuteMs },
  };
}

function memoryTimeOf({ budget }: WrittenCluster): ClusterSpec['budget']['memoryTime'] {
  if (budget?.memoryTime === undefined) return undefined;
  return { maxGiBHours: budget.memoryTime.maxGiBHours, windowMs: budget.memoryTime.window };
}

function completeZone(written: WrittenZone): ZoneSpec {
  const first = written.server === undefined ? [] : [written.server];
  const servers = [...new Set([...first, ...(written.servers ?? [])])];
  return {
    zone: written.zone,
    provider: written.provider,
    servers,
    tsigKeyFile: written.tsigKeyFile,
    ttlSeconds: Math.max(1, Math.round(written.ttl / secondMs)),
  };
}

function completeHostedVm(
  written: WrittenHostedVm,
  { clusters, defaults }: WrittenInventory,
  zones: readonly ZoneSpec[],
): HostedVmSpec {
  const zoneName = zoneOf(
    written.names[0] ?? '',
    zones.map(({ zone }) => zone),
  );
  const zone = zones.find((candidate) => candidate.zone === zoneName);
  const checks = written.checks ?? defaults?.checks;
  const timeZone = written.timeZone ?? defaults?.timeZone ?? 'UTC';
  return {
    id: written.id,
    names: written.names,
    zone: zoneName ?? '',
    ttlSeconds: written.ttl === undefined ? (zone?.ttlSeconds ?? 10) : Math.max(1, Math.round(written.ttl / secondMs)),
    primary: {
      cluster: written.primary.cluster ?? clusters[0]?.name ?? '',
      vmid: written.primary.vmid,
      ...present({ address: written.primary.address }),
    },
    ...(written.source === undefined
      ? {}
      : { source: { vmid: written.source.vmid, ...present({ snapshot: written.source.snapshot }) } }),
    ...(written.identity === undefined ? {} : { identity: present(written.identity) }),
    ...(written.resources === undefined
      ? {}
      : { resources: { cores: written.resources.cores, memoryMiB: written.resources.memory } }),
    capacityQps: written.capacity,
    storageClass: written.storageClass,
    checks: checks === undefined ? [defaultCheck] : checks.map(completeCheck),
    policy: completePolicy(written.policy, defaults?.policy, written.storageClass),
    events: [...(written.events ?? []), ...holidayEvents(written.holidays ?? defaults?.holidays ?? [], timeZone)],
    timeZone,
  };
}

/** A page that answers is the most that can be assumed of a hosted VM nobody has described. */
const defaultCheck: HealthCheck = {
  kind: 'http',
  port: 80,
  path: '/',
  intervalMs: secondMs,
  timeoutMs: secondMs,
  failures: 3,
};

function completeCheck(written: WrittenCheck): HealthCheck {
  return {
    kind: written.kind,
    port: written.port,
    ...(written.kind === 'http' ? { path: written.path ?? '/' } : {}),
    ...present({ host: written.host, tls: written.tls, slowMs: written.slow }),
    intervalMs: written.interval,
    timeoutMs: written.timeout ?? Math.min(written.interval, 5 * secondMs),
    failures: written.failures,
  };
}

function completePolicy(
  own: WrittenPolicy | undefined,
  shared: WrittenPolicy | undefined,
  storageClass: StorageClass,
): Policy {
  const said = { ...present({ ...shared }), ...present({ ...own }) } as Partial<WrittenPolicy>;
  const shadows = storageClassRules[storageClass].hasShadows ? undefined : 0;
  const maxShadows = shadows ?? said.maxShadows ?? Math.max(defaultPolicy.maxShadows, said.minShadows ?? 0);
  return {
    mode: said.mode ?? defaultPolicy.mode,
    riskThreshold: said.riskThreshold ?? defaultPolicy.riskThreshold,
    volumeThreshold: said.volumeThreshold ?? defaultPolicy.volumeThreshold,
    tiers: [...new Set(said.tiers ?? defaultPolicy.tiers)].sort((a, b) => a - b),
    warmth: said.warmth ?? defaultPolicy.warmth,
    minShadows: shadows ?? said.minShadows ?? Math.min(defaultPolicy.minShadows, maxShadows),
    maxShadows,
    probationMs: said.probation ?? defaultPolicy.probationMs,
    keepDiskMs: said.keepDiskDays === undefined ? defaultPolicy.keepDiskMs : Math.round(said.keepDiskDays * dayMs),
    minDwellMs: said.minDwell ?? defaultPolicy.minDwellMs,
    blockMs: said.block ?? defaultPolicy.blockMs,
  };
}

/** Without the keys that are undefined: the domain leaves absent things out. */
function present<T extends object>(value: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
}
