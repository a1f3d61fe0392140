import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { LedgerView } from '../../src/domain/cluster/ledger.ts';
import type { Instance } from '../../src/domain/instance.ts';
import type { InstanceGoal } from '../../src/domain/instance-messages.ts';
import { searchAttributesOf } from './search-attributes.ts';
import type { Lab } from '../integration/proxmox/lab.ts';
import { marker, openLab } from '../integration/proxmox/lab.ts';
import { Fleet } from '../integration/cluster/fleet.ts';
import { FakeNameServer } from '../support/fake-name-server.ts';
import { Mischief, pause } from './mischief.ts';
import { Dice } from './random.ts';

/*
 * Random fault schedules over the life of shadows: provision, fail over, delete. Real workflows, real workers, the real
 * provider on a simulated cluster whose API, storage, quorum and tasks misbehave meanwhile. Afterwards everything is
 * well again, and then the registry, Proxmox and DNS must say the same and nothing may be left over.
 */

const atOnce = 8;
const zone = 'example.test';
const serving: InstanceGoal = { kind: 'serving', role: 'primary' };

export type ScheduleOutcome = { readonly seed: number; readonly pranks: number; readonly problems: readonly string[] };

/** `npm run soak -- schedules [count] [first seed]`. @returns counts, with the seeds of schedules that failed */
export async function soak(args: readonly string[] = []): Promise<Record<string, unknown>> {
  const count = Number(args[0] ?? 200);
  const first = Number(args[1] ?? 1);
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const path = process.env['TEMPORAL_CLI'];
  if (path === undefined) throw new Error('TEMPORAL_CLI must name the Temporal CLI: start this by npm run soak');
  const env = await TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path },
      searchAttributes: searchAttributesOf(),
      log: { format: 'pretty', level: 'error' },
    },
  });
  try {
    const outcomes = await runSchedules(env, count, first);
    const bad = outcomes.filter((one) => one.problems.length > 0);
    const counts = {
      schedules: outcomes.length,
      settled: outcomes.length - bad.length,
      pranks: outcomes.reduce((sum, one) => sum + one.pranks, 0),
      failedSeeds: bad.map((one) => one.seed),
    };
    if (bad.length > 0) throw new Error(JSON.stringify({ ...counts, problems: bad.slice(0, 5) }, null, 2));
    return counts;
  } finally {
    await env.teardown();
  }
}

/** Some schedules side by side, each on a cluster of its own. */
export async function runSchedules(
  env: TestWorkflowEnvironment,
  count: number,
  firstSeed: number,
): Promise<ScheduleOutcome[]> {
  const fleet = new Fleet(env);
  await fleet.work();
  const outcomes: ScheduleOutcome[] = [];
  const seeds = Array.from({ length: count }, (_, n) => firstSeed + n);
  const next = async (): Promise<void> => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift())
      outcomes.push(await runSchedule(fleet, seed));
  };
  try {
    await Promise.all(Array.from({ length: Math.min(atOnce, count) }, next));
  } finally {
    await fleet.stop();
  }
  return outcomes.sort((a, b) => a.seed - b.seed);
}

async function runSchedule(fleet: Fleet, seed: number): Promise<ScheduleOutcome> {
  // Of equal length, so that none is the beginning of another one's name.
  const cluster = `soak-${String(seed).padStart(6, '0')}`;
  const lab = await openLab({
    name: cluster,
    names: ['svc'],
    endpoints: (sim) => sim.endpoints.map((one) => one.url),
    provider: {
      // Longer than any call is held: what Proxmox's own 30 s are to our 36.
      timing: { settleMs: 1_500, lookMs: 50, lockedMs: 8_000, powerMs: 4_000, haMs: 4_000, shutdownSeconds: 1 },
    },
  });
  const dice = new Dice(seed);
  const mischief: Mischief[] = [];
  const beginMischief = (): void => void mischief.push(new Mischief(lab, dice, dice.between(6, 14)));
  const problems: string[] = [];
  const dns = new FakeNameServer();
  try {
    await fleet.open(cluster, lab);
    beginMischief();
    const warm = await provision(fleet, lab, cluster, dns, dice);
    beginMischief();
    const chosen = await failOverAndDelete(fleet, lab, cluster, dns, dice, warm);
    await Promise.all(mischief.map((one) => one.stop()));
    problems.push(...(await settled(fleet, lab, cluster, dns, chosen)));
  } catch (error) {
    problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await Promise.allSettled(mischief.map((one) => one.stop()));
    await fleet.close(cluster);
    await lab.close();
  }
  return { seed, pranks: mischief.reduce((sum, one) => sum + one.played.length, 0), problems };
}

const hostedVmOf = (cluster: string): string => `svc-${cluster}`;

/** The part of a hosted VM, played without mercy: whatever fails is wished again or replaced by the next one. */
async function provision(
  fleet: Fleet,
  lab: Lab,
  cluster: string,
  dns: FakeNameServer,
  dice: Dice,
): Promise<Instance[]> {
  const hostedVm = hostedVmOf(cluster);
  const ref = { cluster, vmid: 101 };
  dns.add(`${hostedVm}.${zone}`, '10.9.9.9');
  await persistently('adopt the primary', () =>
    lab.hypervisor.ensureMarked(ref, marker(0, 'primary', hostedVm), { protected: true }),
  );

  const warm: Instance[] = [];
  for (let n = 1; warm.length < 2; n += 1) {
    if (n > 12) throw new Error('twelve shadows were asked for and no two became warm');
    await fleet.shadow(cluster, hostedVm, n, dice.pick(['hot', 'paused', 'stopped'] as const));
    const made = await fleet.until(`${hostedVm}/${n} is warm or has failed`, async () => {
      const instance = await fleet.instance(`${hostedVm}/${n}`);
      return (instance.state.kind === 'warm' || instance.state.kind === 'failed') && instance;
    });
    if (made.state.kind === 'warm') warm.push(made);
    else {
      await fleet.wish(made.id, { kind: 'deleted' });
      await pause(dice.between(200, 1_200));
    }
  }
  return warm;
}

async function failOverAndDelete(
  fleet: Fleet,
  lab: Lab,
  cluster: string,
  dns: FakeNameServer,
  dice: Dice,
  warm: readonly Instance[],
): Promise<string> {
  const hostedVm = hostedVmOf(cluster);
  const ref = { cluster, vmid: 101 };
  const [chosen, other] = dice.next() < 0.5 ? [warm[0]!, warm[1]!] : [warm[1]!, warm[0]!];
  const nodeDies = dice.next() < 0.3;
  await lab.sim.fault(
    nodeDies ? `node ${lab.sim.cluster.world.guests.get(101)!.node} off` : `vm 101 ${dice.pick(['crash', 'hang'])}`,
  );
  const chosenRef = { cluster, vmid: chosen.vmid! };
  await persistently('wake the shadow', () => lab.hypervisor.ensurePower(chosenRef, 'running'));
  const records = { zone, names: [`${hostedVm}.${zone}`], ttlSeconds: 5, a: [chosen.address!], aaaa: [] };
  const claim = { owner: hostedVm, from: undefined, to: 1, records, takingOver: { only: ['10.9.9.9'] } } as const;
  await persistently('name the shadow', () => dns.ensureAnswers(claim));
  if (nodeDies) {
    await pause(dice.between(100, 600));
    await lab.sim.fault(`node ${lab.sim.cluster.world.guests.get(101)!.node} on`);
  }
  await persistently('fence the primary', async () => {
    const fence = await lab.hypervisor.ensureFenced(ref);
    if (!fence.fenced) throw new Error(fence.proof);
  });
  await fleet.wish(chosen.id, serving);
  await fleet.wish(other.id, { kind: 'deleted' });
  await pause(dice.between(0, 800));
  return chosen.id;
}

/** The problems that are left once everything works again and everybody has had time. */
async function settled(
  fleet: Fleet,
  lab: Lab,
  cluster: string,
  dns: FakeNameServer,
  chosen: string,
): Promise<string[]> {
  const hostedVm = hostedVmOf(cluster);
  let problems = ['never compared'];
  const until = Date.now() + 60_000;
  while (problems.length > 0 && Date.now() < until) {
    const instances = await fleet.instances(hostedVm);
    problems = differences(lab, hostedVm, instances, await fleet.ledger(cluster), dns);
    if (problems.length === 0) break;
    // A hosted VM's own reconciliation tells its instances again what it wants.
    for (const { id, state } of instances) {
      if (state.kind === 'warm' && id === chosen) await fleet.wish(id, serving);
      if ((state.kind === 'warm' || state.kind === 'failed') && id !== chosen)
        await fleet.wish(id, { kind: 'deleted' });
    }
    await pause(500);
  }
  return problems;
}

function differences(
  lab: Lab,
  hostedVm: string,
  instances: readonly Instance[],
  ledger: LedgerView,
  dns: FakeNameServer,
): string[] {
  const { guests, volumes } = lab.sim.cluster.world;
  const serves = instances.filter((one) => one.state.kind === 'serving');
  const unsettled = instances.filter((one) => one.state.kind !== 'serving' && one.state.kind !== 'deleted');
  const vmid = serves[0]?.vmid ?? 0;
  const ours = [...guests.values()].filter((one) => one.vmid > 9_000).map((one) => one.vmid);
  const disks = volumes.flatMap((one) => /vm-(9\d{3})-/.exec(one.name)?.[1] ?? []).filter((one) => one !== '9000');
  const { current = {} } = guests.get(vmid)?.config ?? {};
  const answers = dns.names.get(`${hostedVm}.${zone}`)?.a ?? [];
  const checks: readonly (readonly [string, boolean])[] = [
    [
      `unsettled instances: ${unsettled.map((one) => `${one.id} ${one.state.kind}`).join(', ')}`,
      unsettled.length === 0,
    ],
    [`one instance serves, not ${serves.length}`, serves.length === 1],
    [`guests ${ours.join(', ')} instead of ${vmid}`, ours.length === 1 && ours[0] === vmid],
    [`disks of ${disks.join(', ')}`, disks.length === 2 && disks.every((one) => Number(one) === vmid)],
    [
      `leases ${ledger.leases.map((one) => `${one.instance} ${one.vmid}`).join(', ')}`,
      ledger.leases.length === 1 && ledger.leases[0]!.vmid === vmid && ledger.leases[0]!.expiresAt === null,
    ],
    [`clones: ${JSON.stringify(ledger.clones)}`, ledger.clones.running === 0 && ledger.clones.waiting === 0],
    [`DNS answers ${answers.join(', ')}`, answers.length === 1 && answers[0] === serves[0]?.address],
    [`ipconfig0 ${current['ipconfig0'] ?? ''}`, (current['ipconfig0'] ?? '').includes(serves[0]?.address ?? 'none')],
    [`description ${current['description'] ?? ''}`, (current['description'] ?? '').includes('role=primary')],
    ['the serving guest is protected', current['protection'] === '1'],
    ['the serving guest runs', lab.sim.cluster.machines.get(vmid)?.qmp === 'running'],
    ['the former primary is stopped', lab.sim.cluster.machines.get(101) === undefined],
    [`the former primary is there`, guests.has(101)],
  ];
  return checks.filter(([, holds]) => !holds).map(([what]) => what);
}

/** What an activity's retries do for a workflow. */
async function persistently<T>(what: string, attempt: () => Promise<T>): Promise<T> {
  const until = Date.now() + 45_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > until) throw new Error(`could not ${what}`, { cause: error });
      await pause(200);
    }
  }
}
