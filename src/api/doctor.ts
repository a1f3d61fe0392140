import type { Client } from '@temporalio/client';
import type { HostedVmSpec } from '../domain/policy.ts';
import { formatDuration, secondMs } from '../domain/time.ts';
import type { DemandStore } from '../ports/demand-store.ts';
import type { GuestsInUse, Hypervisor } from '../ports/hypervisor.ts';
import type { NameServer } from '../ports/name-server.ts';
import type { InventoryStore } from '../ports/registry.ts';
import { firewallFinding } from './firewall-finding.ts';

/** One line of `umbra doctor`. */
export type Finding = {
  readonly check: string;
  readonly subject: string;
  readonly verdict: 'ok' | 'warn' | 'fail';
  readonly text: string;
  /** The command or the change that mends it. */
  readonly mend?: string;
};

export type DoctorDeps = {
  readonly client: Client;
  readonly inventory: InventoryStore;
  readonly demand: DemandStore;
  /** Milliseconds since the epoch as the store has it. */
  readonly storeClock: () => Promise<number>;
  readonly nameServerOf: (zone: string) => NameServer | Promise<NameServer>;
  readonly hypervisorOf: (cluster: string) => Hypervisor | Promise<Hypervisor>;
  readonly now: () => number;
};

const patienceMs = 8 * secondMs;
/** More than this between our clock and the store's makes ages and deadlines wrong. */
const mostSkewMs = 2 * secondMs;
const dnstapQuietMs = 60 * secondMs;

/** Looks at everything once, all at the same time; nothing is changed anywhere (the DNS update is a signed no-op). */
export async function examine(deps: DoctorDeps): Promise<Finding[]> {
  const inventory = await look('store', 'PostgreSQL', () => deps.inventory.current());
  const parts = [
    temporal(deps),
    Promise.resolve(storeFinding(inventory)),
    clock(deps),
    dnstap(deps),
    ...(inventory.value?.inventory.zones ?? []).map(({ zone }) => dns(deps, zone)),
    ...(inventory.value?.inventory.clusters ?? []).map(({ name }) =>
      proxmox(deps, name, guestsIn(name, inventory.value?.inventory.hostedVms ?? [])),
    ),
  ];
  return (await Promise.all(parts)).flat();
}

type Looked<T> = { readonly value?: T; readonly failed?: Finding };

async function look<T>(check: string, subject: string, work: () => Promise<T>, mend?: string): Promise<Looked<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${formatDuration(patienceMs)}`)), patienceMs);
  });
  try {
    return { value: await Promise.race([work(), late]) };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { failed: { check, subject, verdict: 'fail', text, ...(mend === undefined ? {} : { mend }) } };
  } finally {
    clearTimeout(timer);
  }
}

async function temporal({ client }: DoctorDeps): Promise<Finding> {
  const check = { check: 'temporal', subject: client.options.namespace };
  const looked = await look(
    check.check,
    check.subject,
    async () => {
      await client.workflowService.describeNamespace({ namespace: client.options.namespace });
      return (await client.workflowService.getSystemInfo({})).serverVersion;
    },
    'is temporal.address right, and is the namespace made? temporal operator namespace create',
  );
  return looked.failed ?? { ...check, verdict: 'ok', text: `answers, version ${looked.value ?? ''}` };
}

function storeFinding(looked: Looked<Awaited<ReturnType<InventoryStore['current']>>>): Finding {
  if (looked.failed !== undefined) return { ...looked.failed, mend: 'is postgres.url right, and does PostgreSQL run?' };
  const revision = looked.value?.revision;
  const finding = { check: 'store', subject: 'PostgreSQL' };
  if (revision !== undefined) return { ...finding, verdict: 'ok', text: `answers, inventory revision ${revision}` };
  return {
    ...finding,
    verdict: 'warn',
    text: 'answers, but no inventory is applied',
    mend: 'umbra apply -f inventory.yaml',
  };
}

async function clock({ storeClock, now }: DoctorDeps): Promise<Finding> {
  const finding = { check: 'clock', subject: 'this process and PostgreSQL' };
  const before = now();
  const looked = await look(finding.check, finding.subject, storeClock);
  if (looked.value === undefined) return looked.failed ?? { ...finding, verdict: 'fail', text: 'no time' };
  const off = Math.max(0, before - looked.value, looked.value - now());
  if (off <= mostSkewMs)
    return { ...finding, verdict: 'ok', text: off === 0 ? 'agree' : `differ by ${formatDuration(off)}` };
  return {
    ...finding,
    verdict: 'fail',
    text: `differ by ${formatDuration(off)}`,
    mend: 'timedatectl set-ntp true, on both',
  };
}

async function dnstap({ demand, now }: DoctorDeps): Promise<Finding[]> {
  const looked = await look('dnstap', 'edges', () => demand.edges(now()));
  if (looked.value === undefined) return looked.failed === undefined ? [] : [looked.failed];
  const mend = 'see docs/name-servers.md: dnstap must be sent to the collector’s address, as responses';
  if (looked.value.length === 0) {
    return [{ check: 'dnstap', subject: 'edges', verdict: 'fail', text: 'no edge has ever delivered anything', mend }];
  }
  return looked.value.map(({ edge, lastBucketAt, senders, framesPerSecond, silent }) => {
    const finding = { check: 'dnstap', subject: `edge ${edge}` };
    const age = lastBucketAt === null ? Infinity : now() - lastBucketAt;
    if (silent || age > dnstapQuietMs) {
      const text = age === Infinity ? 'has delivered nothing' : `has been silent for ${formatDuration(age)}`;
      return { ...finding, verdict: 'fail' as const, text, mend: 'is its collector running? umbra collector' };
    }
    if (senders === 0) return { ...finding, verdict: 'fail' as const, text: 'no name server is connected', mend };
    const text = `${senders} ${senders === 1 ? 'sender' : 'senders'}, ${framesPerSecond.toFixed(1)} frames/s`;
    return { ...finding, verdict: 'ok' as const, text };
  });
}

async function dns({ nameServerOf }: DoctorDeps, zone: string): Promise<Finding> {
  const mend = 'does the server allow updates with this key (update-policy or acl), and is its clock right?';
  const looked = await look('dns', zone, async () => (await nameServerOf(zone)).checkRights(zone), mend);
  if (looked.value === undefined)
    return looked.failed ?? { check: 'dns', subject: zone, verdict: 'fail', text: 'no answer' };
  const { ok, detail } = looked.value;
  return { check: 'dns', subject: zone, verdict: ok ? 'ok' : 'fail', text: detail, ...(ok ? {} : { mend }) };
}

/** Guests outside the pool that the inventory names: each needs rights of its own. */
function guestsIn(cluster: string, hostedVms: readonly HostedVmSpec[]): GuestsInUse {
  const here = hostedVms.filter(({ primary }) => primary.cluster === cluster);
  const templates = here.flatMap(({ source }) => source?.vmid ?? []);
  return { primaries: here.map(({ primary }) => primary.vmid), templates: [...new Set(templates)] };
}

async function proxmox({ hypervisorOf }: DoctorDeps, cluster: string, guests: GuestsInUse): Promise<Finding[]> {
  const mend = 'are endpoints, fingerprint and tokenFile of this cluster right? see docs/proxmox.md';
  const looked = await look(
    'proxmox',
    cluster,
    async () => {
      const hypervisor = await hypervisorOf(cluster);
      const [rights, view, firewall] = await Promise.all([
        hypervisor.checkRights(undefined, guests),
        hypervisor.observeCluster(),
        firewallFinding(cluster, hypervisor),
      ]);
      return { rights, view, firewall };
    },
    mend,
  );
  if (looked.value === undefined) return looked.failed === undefined ? [] : [looked.failed];
  const { rights, view, firewall } = looked.value;
  const online = view.nodes.filter((node) => node.online).length;
  const quorum: Finding = {
    check: 'proxmox',
    subject: cluster,
    verdict: view.quorate ? (online === view.nodes.length ? 'ok' : 'warn') : 'fail',
    text: `${online} of ${view.nodes.length} nodes online${view.quorate ? '' : ', no quorum'}`,
  };
  const hidden = view.nodes.flatMap((node): Finding[] =>
    node.hidden === undefined ? [] : [{ check: 'proxmox', subject: node.node, verdict: 'fail', text: node.hidden }],
  );
  const missing = rights.filter(({ granted }) => !granted);
  if (missing.length === 0) {
    return [
      quorum,
      ...hidden,
      ...firewall,
      { check: 'rights', subject: cluster, verdict: 'ok', text: `all ${rights.length} privileges granted` },
    ];
  }
  return [
    quorum,
    ...hidden,
    ...firewall,
    ...missing.map(({ privilege, path, mend: command }) => ({
      check: 'rights',
      subject: cluster,
      verdict: 'fail' as const,
      text: `${privilege} is missing on ${path}`,
      mend: command,
    })),
  ];
}
