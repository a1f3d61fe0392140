import type { DemandSeries } from '../domain/demand.ts';
import type { HealthCheck, HostedVmSpec } from '../domain/policy.ts';
import type { HostedVmView } from '../domain/view.ts';
import type { ClusterView } from '../ports/hypervisor.ts';
import type { DnsServerView } from '../ports/name-server.ts';
import type { DoctorDeps } from './doctor.ts';
import { looked } from './looked.ts';
import type { Finding, Looked } from './looked.ts';

type Shared = {
  readonly cluster: Promise<Looked<ClusterView>> | undefined;
  readonly registered: Promise<Looked<HostedVmView[]>>;
  readonly demand: Promise<Looked<Map<string, DemandSeries>>>;
};

/** What stands between one hosted VM and `mode: act`. Where a whole cluster or the store is away, that is said once, there. */
export async function examineHostedVm(deps: DoctorDeps, spec: HostedVmSpec, shared: Shared): Promise<Finding[]> {
  const view = shared.registered.then(({ value }) => value?.find(({ id }) => id === spec.id));
  const parts = await Promise.all([
    primary(spec, shared.cluster, view),
    names(deps, spec),
    ...spec.checks.map((check) => health(deps, spec, check, view)),
    counted(spec, shared.demand),
    state(spec, view),
  ]);
  return parts.flat();
}

function about({ id }: HostedVmSpec, check: string) {
  return { check, subject: id, group: id };
}

async function primary(
  spec: HostedVmSpec,
  cluster: Shared['cluster'],
  view: Promise<HostedVmView | undefined>,
): Promise<Finding[]> {
  const { value } = (await cluster) ?? {};
  if (value === undefined) return [];
  // After a promotion another guest is the primary than the one the inventory names.
  const vmid = (await view)?.instances.find(({ role }) => role === 'primary')?.vmid ?? spec.primary.vmid;
  const own = about(spec, 'primary');
  const guest = value.guests.find(({ ref }) => ref.vmid === vmid);
  if (guest === undefined) {
    const text = `VM ${vmid} is not visible to this token on ${spec.primary.cluster}`;
    const mend = `is the VMID right? else grant VM.Audit on /vms/${vmid} (docs/proxmox.md)`;
    return [{ ...own, verdict: 'fail', text, mend }];
  }
  const where = `VM ${vmid} on ${guest.node}`;
  if (guest.power !== 'running') {
    return [{ ...own, verdict: 'warn', text: `${where} is ${guest.power}`, mend: `qm start ${vmid}` }];
  }
  if (guest.ha === undefined) return [{ ...own, verdict: 'ok', text: `${where} runs` }];
  const mend = `ha-manager remove vm:${vmid}; see docs/proxmox.md, Fencing`;
  return [
    { ...own, verdict: 'warn', text: `${where} is managed by Proxmox HA: better leave primaries out of it`, mend },
  ];
}

async function names({ nameServerOf }: DoctorDeps, spec: HostedVmSpec): Promise<Finding> {
  const own = about(spec, 'names');
  const { value, failed } = await looked(own, async (signal) =>
    (await nameServerOf(spec.zone)).observe(spec.zone, spec.names, signal),
  );
  return failed ?? { ...own, ...judgeNames(spec, value.servers) };
}

function judgeNames(
  { id, names: [name = ''] }: HostedVmSpec,
  servers: readonly DnsServerView[],
): Pick<Finding, 'verdict' | 'text' | 'mend'> {
  const silent = servers.find(({ error }) => error !== undefined);
  if (silent !== undefined) {
    return { verdict: 'fail', text: `${name}: ${silent.error ?? ''}`, mend: 'does this server answer for the zone?' };
  }
  const foreign = servers.find(({ owner }) => owner !== undefined && owner !== id);
  if (foreign !== undefined) {
    const mend = `dig TXT _umbra.${name}: let the other Umbra release it, or use another name`;
    return { verdict: 'fail', text: `${name} is claimed by hosted VM ${foreign.owner ?? ''}`, mend };
  }
  const answers = servers.map(({ a, aaaa }) => [...a, ...aaaa].sort().join(', '));
  if (answers.some((answer) => answer === '')) {
    return { verdict: 'warn', text: `${name} has no address`, mend: 'umbra explain says whether Umbra may write it' };
  }
  if (new Set(answers).size > 1) {
    const text = `${name}: the servers differ, ${servers.map(({ server }, i) => `${server} says ${answers[i] ?? ''}`).join('; ')}`;
    return { verdict: 'warn', text, mend: 'is the zone transferred to all of them?' };
  }
  return { verdict: 'ok', text: `${name} answers ${answers[0] ?? ''}` };
}

/** Asked of whoever serves: of a hosted VM on its shadow the primary may rightly be dead. */
async function health(
  { prober, nameServerOf }: DoctorDeps,
  spec: HostedVmSpec,
  check: HealthCheck,
  view: Promise<HostedVmView | undefined>,
): Promise<Finding[]> {
  const own = about(spec, 'check');
  const { value, failed } = await looked(own, async (signal) => {
    const known = await view;
    const serving = known?.instances.find(({ id }) => known.serving.includes(id))?.address ?? spec.primary.address;
    const address =
      serving ?? (await (await nameServerOf(spec.zone)).observe(spec.zone, spec.names, signal)).servers[0]?.a[0];
    if (address === undefined) return undefined;
    return await prober.probe({ address, check, host: spec.names[0] ?? spec.id }, check.timeoutMs, signal);
  });
  if (failed !== undefined) return [failed];
  // Without an address there is nothing to ask, and the names say so.
  if (value === undefined) return [];
  if (value.outcome === 'ok') return [{ ...own, verdict: 'ok', text: value.detail }];
  const mend = `does the service run there? else write a check that answers under checks of ${spec.id}`;
  return [{ ...own, verdict: 'fail', text: `the health check fails from here: ${value.detail}`, mend }];
}

async function counted({ id }: HostedVmSpec, demand: Shared['demand']): Promise<Finding[]> {
  const { value } = await demand;
  if (value === undefined) return [];
  const own = { check: 'demand', subject: id, group: id };
  const known = (value.get(id)?.qps ?? []).filter((qps) => Number.isFinite(qps));
  if (known.some((qps) => qps > 0)) {
    return [{ ...own, verdict: 'ok', text: `${Math.max(...known).toPrecision(2)} q/s at most in the last hour` }];
  }
  const text = known.length === 0 ? 'demand was not seen in the last hour' : 'nobody asked for it in the last hour';
  return [{ ...own, verdict: 'warn', text, mend: 'do its name servers send dnstap? docs/name-servers.md' }];
}

/** The mode is a choice and no fault; what the workflow waits for from a human is one. */
async function state(spec: HostedVmSpec, view: Promise<HostedVmView | undefined>): Promise<Finding[]> {
  const own = about(spec, 'mode');
  const mode: Finding = { ...own, verdict: 'ok', text: `mode is ${spec.policy.mode}` };
  const known = await view;
  if (known?.state === 'needs-human') {
    return [mode, { ...own, check: 'state', verdict: 'fail', text: known.sentence, mend: `umbra explain ${spec.id}` }];
  }
  if (known !== undefined && known.paused !== null) {
    return [mode, { ...own, check: 'state', verdict: 'warn', text: 'is paused', mend: `umbra resume ${spec.id}` }];
  }
  return [mode];
}
