import { storageClassRules } from '../domain/storage-class.ts';
import { addressNumber, isInRange, isOneNetwork } from './addresses.ts';
import { zoneOf } from './names.ts';
import type { WrittenCluster, WrittenHostedVm, WrittenInventory } from './schema.ts';
import type { Source } from './source.ts';

type Path = readonly (string | number)[];
type Report = (path: Path, message: string, hint?: string) => void;

/** What single values cannot show: two of one name, ranges that overlap, references to nothing. Reports into the source. */
export function checkConsistency(inventory: WrittenInventory, source: Source): void {
  const report: Report = (path, message, hint) => {
    source.report(source.placeOf(path), message, hint);
  };
  const line = (path: Path): string => `${path[0] as string}[${path[1] as number}]`;

  reportTwins(inventory.clusters, (cluster) => cluster.name, 'clusters', 'name', report);
  reportTwins(inventory.dns, (zone) => zone.zone, 'dns', 'zone', report);
  reportTwins(inventory.hostedVms, (vm) => vm.id, 'hostedVms', 'id', report);

  inventory.clusters.forEach((cluster, index) => {
    checkCluster(cluster, ['clusters', index], report);
  });
  reportOverlaps(inventory.clusters, report);
  inventory.dns.forEach((zone, index) => {
    if (zone.server === undefined && zone.servers === undefined) {
      report(['dns', index, 'server'], 'is required: the server that takes updates, 192.0.2.53:53');
    }
  });

  const nameOwners = new Map<string, Path>();
  const vmidOwners = new Map<string, Path>();
  inventory.hostedVms.forEach((vm, index) => {
    const path: Path = ['hostedVms', index];
    checkNames(vm, path, inventory, report);
    checkPrimary(vm, path, inventory, report);
    checkIdentity(vm, path, inventory, report);
    checkPolicy(vm, path, inventory, report);
    vm.names.forEach((name, at) => {
      const owner = nameOwners.get(name);
      if (owner !== undefined) {
        const whose = owner[1] === index ? 'is written twice' : `belongs to ${line(owner)} already`;
        report([...path, 'names', at], `${JSON.stringify(name)} ${whose}: a name leads to one hosted VM`);
      }
      nameOwners.set(name, owner ?? path);
    });
    const machine = `${vm.primary.cluster ?? ''}/${vm.primary.vmid}`;
    const owner = vmidOwners.get(machine);
    if (owner !== undefined) {
      report(
        [...path, 'primary', 'vmid'],
        `VM ${vm.primary.vmid} is the primary of ${line(owner)} already`,
        'write all names of one guest under one hosted VM',
      );
    }
    vmidOwners.set(machine, owner ?? path);
  });
}

function reportTwins<T>(items: readonly T[], nameOf: (item: T) => string, what: string, key: string, report: Report) {
  const seen = new Map<string, number>();
  items.forEach((item, index) => {
    const name = nameOf(item);
    const first = seen.get(name);
    if (first === undefined) seen.set(name, index);
    else report([what, index, key], `${JSON.stringify(name)} is the ${key} of ${what}[${first}] already`);
  });
}

function checkCluster(cluster: WrittenCluster, path: Path, report: Report): void {
  const { vmids, addresses } = cluster;
  if (vmids.from > vmids.to) report([...path, 'vmids'], `${vmids.from}-${vmids.to} ends before it begins`);
  const first = addressNumber(addresses.from);
  const last = addressNumber(addresses.to);
  if (first > last) report([...path, 'addresses'], `${addresses.from}-${addresses.to} ends before it begins`);
  else if (!isOneNetwork(addresses.from, addresses.to, addresses.prefix)) {
    report([...path, 'addresses'], `${addresses.from} and ${addresses.to} are not in one /${addresses.prefix}`);
  }
  const gateway = cluster.gateway ?? addresses.gateway;
  if (gateway !== undefined && !isOneNetwork(addresses.from, gateway, addresses.prefix)) {
    report([...path, 'gateway'], `${gateway} is not in the network of ${addresses.from}/${addresses.prefix}`);
  }
  if (gateway !== undefined && isInRange(gateway, addresses)) {
    report([...path, 'addresses'], `the gateway ${gateway} lies in the range that Umbra gives out`);
  }
  const room = Math.min(vmids.to - vmids.from, last - first) + 1;
  const wanted = cluster.budget?.maxShadows;
  if (wanted !== undefined && room > 0 && wanted > room) {
    report(
      [...path, 'budget', 'maxShadows'],
      `${wanted} shadows do not fit: there are ${vmids.to - vmids.from + 1} VMIDs and ${last - first + 1} addresses`,
    );
  }
  if (cluster.fingerprint !== undefined && cluster.caFile !== undefined) {
    report([...path, 'caFile'], 'cannot stand beside fingerprint: one of them says whom to trust');
  }
  if (cluster.endpoints.some((endpoint) => endpoint.startsWith('http:') && !isLoopback(endpoint))) {
    report([...path, 'endpoints'], 'http would show the API token to the network: only https leaves this machine');
  }
}

function isLoopback(endpoint: string): boolean {
  const host = new URL(endpoint).hostname;
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.');
}

function reportOverlaps(clusters: readonly WrittenCluster[], report: Report): void {
  clusters.forEach((cluster, index) => {
    clusters.slice(0, index).forEach((other) => {
      const apart =
        addressNumber(cluster.addresses.to) < addressNumber(other.addresses.from) ||
        addressNumber(cluster.addresses.from) > addressNumber(other.addresses.to);
      if (!apart) report(['clusters', index, 'addresses'], `overlap the addresses of cluster ${other.name}`);
      const sameMachines = cluster.endpoints.some((endpoint) => other.endpoints.includes(endpoint));
      const apartVmids = cluster.vmids.to < other.vmids.from || cluster.vmids.from > other.vmids.to;
      if (sameMachines && !apartVmids)
        report(['clusters', index, 'vmids'], `overlap the VMIDs of cluster ${other.name}`);
    });
  });
}

function checkNames(vm: WrittenHostedVm, path: Path, inventory: WrittenInventory, report: Report): void {
  const zones = inventory.dns.map(({ zone }) => zone);
  const first = zoneOf(vm.names[0] ?? '', zones);
  vm.names.forEach((name, index) => {
    const zone = zoneOf(name, zones);
    if (zone === undefined) {
      report([...path, 'names', index], `${JSON.stringify(name)} is in none of the zones ${zones.join(', ')}`);
    } else if (first !== undefined && zone !== first) {
      report(
        [...path, 'names', index],
        `${JSON.stringify(name)} is in zone ${zone} and ${JSON.stringify(vm.names[0])} in ${first}: ` +
          'the names of a hosted VM change in one update, so they share one zone',
      );
    }
    if (name.split('.').includes('_umbra')) {
      report([...path, 'names', index], `${JSON.stringify(name)} is where Umbra keeps its own records`);
    }
  });
}

function checkPrimary(vm: WrittenHostedVm, path: Path, inventory: WrittenInventory, report: Report): void {
  const { cluster: named, vmid, address } = vm.primary;
  if (named === undefined && inventory.clusters.length > 1) {
    const names = inventory.clusters.map(({ name }) => name).join(', ');
    report([...path, 'primary', 'cluster'], `is required: there are several clusters, ${names}`);
  }
  const cluster = inventory.clusters.find(({ name }) => named === undefined || name === named);
  if (cluster === undefined) {
    const names = inventory.clusters.map(({ name }) => name).join(', ');
    report([...path, 'primary', 'cluster'], `${JSON.stringify(named)} is not one of the clusters ${names}`);
    return;
  }
  if (vmid >= cluster.vmids.from && vmid <= cluster.vmids.to) {
    const range = `${cluster.vmids.from}-${cluster.vmids.to}`;
    report(
      [...path, 'primary', 'vmid'],
      `${vmid} lies in ${range}, the VMIDs cluster ${cluster.name} gives to shadows`,
    );
  }
  if (address !== undefined && isInRange(address, cluster.addresses)) {
    report(
      [...path, 'primary', 'address'],
      `${JSON.stringify(address)} lies in the addresses cluster ${cluster.name} gives to shadows`,
    );
  }
  if (vm.source?.snapshot === undefined && vm.source?.vmid === vmid) {
    report([...path, 'source'], 'is the primary itself: leave it out, or name a snapshot of it');
  }
}

/** What may not exist twice in a network, and what Proxmox cannot keep by itself. */
function checkIdentity(vm: WrittenHostedVm, path: Path, inventory: WrittenInventory, report: Report): void {
  const { mac, machineId, sshHostKeys, vendorSnippet } = vm.identity ?? {};
  for (const [key, value] of Object.entries({ machineId, sshHostKeys })) {
    if (value === 'same' && vendorSnippet === undefined) {
      report([...path, 'identity', key], 'same needs a vendorSnippet: only cloud-init in the guest can keep it');
    }
  }
  if (mac !== 'same') return;
  const most = vm.policy?.maxShadows ?? inventory.defaults?.policy?.maxShadows;
  if (vm.source === undefined) {
    report([...path, 'identity', 'mac'], "would be the running primary's, twice in one network: name a source");
  } else if (most !== 1) {
    report([...path, 'identity', 'mac'], 'would be that of every shadow at once: policy.maxShadows must be 1');
  }
}

function checkPolicy(vm: WrittenHostedVm, path: Path, inventory: WrittenInventory, report: Report): void {
  const own = vm.policy;
  const shared = inventory.defaults?.policy;
  const least = own?.minShadows ?? shared?.minShadows;
  const most = own?.maxShadows ?? shared?.maxShadows;
  if (least !== undefined && most !== undefined && least > most) {
    report([...path, 'policy', 'minShadows'], `${least} is more than maxShadows, ${most}`);
  }
  if (!storageClassRules[vm.storageClass].hasShadows && ((own?.minShadows ?? 0) > 0 || (own?.maxShadows ?? 0) > 0)) {
    const key = (own?.minShadows ?? 0) > 0 ? 'minShadows' : 'maxShadows';
    report([...path, 'policy', key], `a ${vm.storageClass} hosted VM has no shadows: its disk is the only one`);
  }
  (vm.events ?? []).forEach((event, index) => {
    if (event.to <= event.from) report([...path, 'events', index, 'to'], 'the event ends before it begins');
  });
  (vm.checks ?? []).forEach((check, index) => {
    const http = check.path ?? check.host ?? check.tls;
    if (check.kind === 'tcp' && http !== undefined) {
      report([...path, 'checks', index], 'a tcp check only connects: path, host and tls belong to http');
    }
  });
}
