import type { Client } from '@temporalio/client';
import { taskQueues } from '../domain/cluster-messages.ts';
import type { ClusterSpec, Inventory } from '../domain/inventory.ts';
import { formatDuration, secondMs } from '../domain/time.ts';
import type { DemandStore } from '../ports/demand-store.ts';
import type { ClusterView, GuestsInUse, Hypervisor } from '../ports/hypervisor.ts';
import type { NameServer } from '../ports/name-server.ts';
import type { Prober } from '../ports/prober.ts';
import type { InventoryRevision, Registry } from '../ports/registry.ts';
import { examineHostedVm } from './doctor-hosted-vm.ts';
import { firewallFinding } from './firewall-finding.ts';
import { limitMs, looked } from './looked.ts';
import type { Finding, Looked } from './looked.ts';

export type { Finding } from './looked.ts';

export type DoctorDeps = {
  readonly client: Client;
  /** The inventory as this process holds it, also while the store is away. */
  readonly known: () => Inventory | undefined;
  readonly current: () => Promise<InventoryRevision | undefined>;
  readonly demand: Pick<DemandStore, 'edges' | 'readMany'>;
  readonly registry: Pick<Registry, 'views'>;
  /** Milliseconds since the epoch as the store has it. */
  readonly storeClock: () => Promise<number>;
  readonly nameServerOf: (zone: string) => NameServer | Promise<NameServer>;
  readonly hypervisorOf: (cluster: string) => Hypervisor | Promise<Hypervisor>;
  readonly prober: Prober;
  readonly now: () => number;
};

/** More than this between our clock and the store's makes ages and deadlines wrong. */
const mostSkewMs = 2 * secondMs;
const dnstapQuietMs = 60 * secondMs;

/**
 * Looks at everything once, side by side, each check within its own limit; nothing is changed anywhere (the DNS update is a
 * signed no-op). Takes one limit, and a second one only where the inventory must first be read from the store.
 */
export async function examine(deps: DoctorDeps): Promise<Finding[]> {
  const store = looked(installation('store', 'PostgreSQL'), () => deps.current());
  const about = [temporal(deps), workers(deps), store.then(storeFinding), clock(deps), dnstap(deps)];
  const inventory = deps.known() ?? (await store).value?.inventory;
  if (inventory === undefined) return (await Promise.all(about)).flat();

  const registered = looked(installation('registry', 'PostgreSQL'), () => deps.registry.views());
  const clusters = new Map(inventory.clusters.map((spec) => [spec.name, lookAtCluster(deps, spec)]));
  const hostedVmIds = inventory.hostedVms.map(({ id }) => id);
  const demand = looked(installation('demand', 'PostgreSQL'), () => demandOf(deps, hostedVmIds));
  const parts = [
    ...about,
    ...inventory.zones.map(({ zone }) => dns(deps, zone)),
    ...inventory.clusters.map((spec) => clusterFindings(spec, clusters.get(spec.name)!)),
    ...inventory.clusters.map((spec) => rights(deps, spec, inventory, clusters.get(spec.name)!)),
    ...inventory.clusters.map(({ name }) => firewall(deps, name, clusters.get(name)!)),
    ...inventory.hostedVms.map((spec) =>
      examineHostedVm(deps, spec, { cluster: clusters.get(spec.primary.cluster), registered, demand }),
    ),
  ];
  return (await Promise.all(parts)).flat();
}

function installation(check: string, subject: string) {
  return { check, subject, group: 'Umbra' };
}

async function temporal({ client }: DoctorDeps): Promise<Finding> {
  const about = installation('temporal', client.options.namespace);
  const mend = 'is temporal.address right, and is the namespace made? temporal operator namespace create';
  const { value, failed } = await looked(
    about,
    () =>
      withinLimit(client, async () => {
        await client.workflowService.describeNamespace({ namespace: client.options.namespace });
        return (await client.workflowService.getSystemInfo({})).serverVersion;
      }),
    mend,
  );
  return failed ?? { ...about, verdict: 'ok', text: `answers, version ${value}` };
}

/** Temporal's client retries by itself for minutes: the deadline ends that too. */
function withinLimit<T>(client: Client, work: () => Promise<T>): Promise<T> {
  return client.withDeadline(Date.now() + limitMs, work);
}

/** Hosted VMs decide nothing while nobody takes their work. */
async function workers({ client }: DoctorDeps): Promise<Finding> {
  const about = installation('worker', taskQueues.failover);
  const mend = 'start one: umbra worker';
  const { value, failed } = await looked(
    about,
    () =>
      withinLimit(client, async () => {
        const { pollers } = await client.workflowService.describeTaskQueue({
          namespace: client.options.namespace,
          taskQueue: { name: taskQueues.failover },
        });
        return new Set(pollers.map(({ identity }) => identity)).size;
      }),
    mend,
  );
  if (failed !== undefined) return failed;
  if (value === 0) return { ...about, verdict: 'fail', text: 'no worker takes work: hosted VMs decide nothing', mend };
  return { ...about, verdict: 'ok', text: `${value} ${value === 1 ? 'worker takes' : 'workers take'} work` };
}

function storeFinding({ value, failed }: Looked<InventoryRevision | undefined>): Finding {
  if (failed !== undefined) return { ...failed, mend: 'is postgres.url right, and does PostgreSQL run?' };
  const about = installation('store', 'PostgreSQL');
  if (value !== undefined) return { ...about, verdict: 'ok', text: `answers, inventory revision ${value.revision}` };
  return {
    ...about,
    verdict: 'warn',
    text: 'answers, but no inventory is applied',
    mend: 'umbra discover proposes one; umbra apply -f inventory.yaml',
  };
}

async function clock({ storeClock, now }: DoctorDeps): Promise<Finding> {
  const about = installation('clock', 'this process and PostgreSQL');
  const before = now();
  const { value, failed } = await looked(about, storeClock);
  if (failed !== undefined) return failed;
  const off = Math.max(0, before - value, value - now());
  if (off <= mostSkewMs)
    return { ...about, verdict: 'ok', text: off === 0 ? 'agree' : `differ by ${formatDuration(off)}` };
  const text = `differ by ${formatDuration(off)}`;
  return { ...about, verdict: 'fail', text, mend: 'timedatectl set-ntp true, on both' };
}

async function dnstap({ demand, now }: DoctorDeps): Promise<Finding[]> {
  const { value, failed } = await looked(installation('dnstap', 'edges'), () => demand.edges(now()));
  if (failed !== undefined) return [failed];
  const mend = 'see docs/name-servers.md: dnstap must be sent to the collector’s address, as responses';
  if (value.length === 0) {
    const text = 'no edge has ever delivered anything';
    return [{ ...installation('dnstap', 'edges'), verdict: 'fail', text, mend }];
  }
  return value.map(({ edge, lastBucketAt, senders, framesPerSecond, silent }) => {
    const about = installation('dnstap', `edge ${edge}`);
    const age = lastBucketAt === null ? Infinity : now() - lastBucketAt;
    if (silent || age > dnstapQuietMs) {
      const text = age === Infinity ? 'has delivered nothing' : `has been silent for ${formatDuration(age)}`;
      return { ...about, verdict: 'fail' as const, text, mend: 'is its collector running? umbra collector' };
    }
    if (senders === 0) return { ...about, verdict: 'fail' as const, text: 'no name server is connected', mend };
    const text = `${senders} ${senders === 1 ? 'sender' : 'senders'}, ${framesPerSecond.toFixed(1)} frames/s`;
    return { ...about, verdict: 'ok' as const, text };
  });
}

/** Queries per second in the last hour, by hosted VM. */
async function demandOf({ demand, now }: DoctorDeps, hostedVmIds: readonly string[]) {
  const stepMs = 60 * secondMs;
  return await demand.readMany({ hostedVmIds, from: now() - 60 * stepMs, to: now(), stepMs });
}

async function dns({ nameServerOf }: DoctorDeps, zone: string): Promise<Finding> {
  const mend = 'does the server allow updates with this key (update-policy or acl), and is its clock right?';
  const about = { check: 'dns', subject: zone, group: `zone ${zone}` };
  const { value, failed } = await looked(
    about,
    async (signal) => (await nameServerOf(zone)).checkRights(zone, signal),
    mend,
  );
  if (failed !== undefined) return failed;
  return { ...about, verdict: value.ok ? 'ok' : 'fail', text: value.detail, ...(value.ok ? {} : { mend }) };
}

function lookAtCluster({ hypervisorOf }: DoctorDeps, { name }: ClusterSpec): Promise<Looked<ClusterView>> {
  const mend = 'are endpoints, fingerprint and tokenFile of this cluster right? see docs/proxmox.md';
  const about = { check: 'proxmox', subject: name, group: `cluster ${name}` };
  return looked(about, async (signal) => (await hypervisorOf(name)).observeCluster(signal), mend);
}

async function clusterFindings(spec: ClusterSpec, look: Promise<Looked<ClusterView>>): Promise<Finding[]> {
  const { value: view, failed } = await look;
  if (failed !== undefined) return [failed];
  const about = { check: 'proxmox', subject: spec.name, group: `cluster ${spec.name}` };
  const online = view.nodes.filter((node) => node.online).length;
  const { from, to } = spec.vmids;
  const strangers = view.guests.filter(({ ref, marker }) => ref.vmid >= from && ref.vmid <= to && marker === undefined);
  return [
    {
      ...about,
      verdict: view.quorate ? (online === view.nodes.length ? 'ok' : 'warn') : 'fail',
      text: `${online} of ${view.nodes.length} nodes online${view.quorate ? '' : ', no quorum'}`,
      ...(view.quorate ? {} : { mend: 'pvecm status, on a node that is up' }),
    },
    ...view.nodes.flatMap(({ hidden }): Finding[] =>
      hidden === undefined ? [] : [{ ...about, verdict: 'fail', text: hidden }],
    ),
    strangers.length === 0
      ? { ...about, check: 'vmids', verdict: 'ok', text: `nobody else's guest stands in ${from}-${to}` }
      : {
          ...about,
          check: 'vmids',
          verdict: 'warn',
          text: `${strangers.map(({ ref }) => ref.vmid).join(', ')} in ${from}-${to} ${strangers.length === 1 ? 'is' : 'are'} not Umbra's`,
          mend: 'give vmids a range that nobody else uses',
        },
  ];
}

/** Guests outside the pool that the inventory names: each needs rights of its own. */
function guestsIn(cluster: string, hostedVms: Inventory['hostedVms']): GuestsInUse {
  const here = hostedVms.filter(({ primary }) => primary.cluster === cluster);
  const templates = here.flatMap(({ source }) => source?.vmid ?? []);
  return { primaries: here.map(({ primary }) => primary.vmid), templates: [...new Set(templates)] };
}

async function firewall(
  { hypervisorOf }: DoctorDeps,
  name: string,
  look: Promise<Looked<ClusterView>>,
): Promise<Finding[]> {
  const about = { check: 'firewall', subject: name, group: `cluster ${name}` };
  const { value, failed } = await looked(about, async () => firewallFinding(name, await hypervisorOf(name)));
  if (failed === undefined) return value;
  return (await look).failed === undefined ? [failed] : [];
}

async function rights(
  { hypervisorOf }: DoctorDeps,
  { name }: ClusterSpec,
  { hostedVms }: Inventory,
  look: Promise<Looked<ClusterView>>,
): Promise<Finding[]> {
  const about = { check: 'rights', subject: name, group: `cluster ${name}` };
  const guests = guestsIn(name, hostedVms);
  const { value, failed } = await looked(about, async (signal) =>
    (await hypervisorOf(name)).checkRights(signal, guests),
  );
  // Why the cluster gives no answer is told once, by the look at the cluster itself.
  if (failed !== undefined) return (await look).failed === undefined ? [failed] : [];
  const missing = value.filter(({ granted }) => !granted);
  if (missing.length === 0) return [{ ...about, verdict: 'ok', text: `all ${value.length} privileges granted` }];
  return missing.map(({ privilege, path, mend }) => ({
    ...about,
    verdict: 'fail' as const,
    text: `${privilege} is missing on ${path}`,
    mend,
  }));
}
