import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createAdoptionActivities } from '../../../src/activities/adoption.ts';
import { createProvisioningActivities } from '../../../src/activities/provisioning.ts';
import { createSweepActivities } from '../../../src/activities/sweep.ts';
import type { LedgerView } from '../../../src/domain/cluster/ledger.ts';
import type { SweepReport } from '../../../src/domain/cluster/sweep.ts';
import { adoptingState } from '../../../src/domain/hosted-vm/begin.ts';
import { withFoundAgain } from '../../../src/domain/hosted-vm/finding-again.ts';
import type { ClusterSpec } from '../../../src/domain/inventory.ts';
import type { HostedVmView } from '../../../src/domain/view.ts';
import { judgeViews } from '../../../src/monitor/cluster-views.ts';
import { FakeNameServer } from '../../support/fake-name-server.ts';
import { specOf } from '../../support/spec-of.ts';
import { quietly } from '../../support/stage.ts';
import type { Lab } from './lab.ts';
import { marker, openLab, ref, shadow, tasksOf, vmids } from './lab.ts';

jest.setTimeout(30_000);
quietly();

const spec = specOf('shop', { primary: { cluster: 'lab', vmid: 101, address: '10.0.0.101' } });
let lab: Lab;
let dns: FakeNameServer;

beforeEach(async () => {
  lab = await openLab();
  dns = new FakeNameServer();
  await lab.hypervisor.ensureShadow(shadow(1));
  await lab.hypervisor.ensurePower(ref(9001), 'running');
});
afterEach(() => lab.close());

/** The ways in which a guest that was seen a moment ago stops being seen, while it goes on running. */
const ways: Readonly<Record<string, () => unknown>> = {
  'VM.Audit is taken from the pool': () => lab.sim.cluster.world.roles.get('Umbra')!.delete('VM.Audit'),
  'the guest leaves the pool': () => lab.sim.cluster.world.pools.get('umbra')!.vms.delete(9001),
};
const deps = {
  hypervisorOf: () => Promise.resolve(lab.hypervisor),
  nameServerOf: () => Promise.resolve(dns),
};
const config = () => ({ ...lab.sim.cluster.world.guests.get(9001)!.config.current });

async function sweep(known: readonly string[]): Promise<SweepReport> {
  for (const name of spec.names) dns.add(name, '10.0.0.101');
  const lease = { instance: 'shop/1', hostedVmId: 'shop', vmid: 9001, expiresAt: null };
  const { compareCluster } = createSweepActivities({
    ...deps,
    inventory: () =>
      Promise.resolve({ clusters: [{ name: 'lab', vmids } as ClusterSpec], zones: [], hostedVms: [spec] }),
    ledgerOf: () => Promise.resolve({ leases: [lease] } as unknown as LedgerView),
    hostedVmOf: () =>
      Promise.resolve({
        instances: known.map((id) => ({ id, vmid: 9001, state: { kind: 'warm', since: 0, warmth: 'hot' } })),
        serving: [],
        generation: 1,
      } as unknown as HostedVmView),
    report: () => Promise.resolve(),
  });
  return await new MockActivityEnvironment().run(compareCluster, { cluster: 'lab' });
}

describe.each(Object.keys(ways))('when %s', (way) => {
  beforeEach(() => {
    ways[way]!();
  });

  test('nobody says that the guest is gone, and nothing is done to it', async () => {
    const before = config();
    const unseen = { failureClass: 'permission', message: expect.stringContaining('not visible to this token') };
    const { hypervisor } = lab;
    await expect(hypervisor.observeGuest(ref(9001))).rejects.toMatchObject(unseen);
    await expect(hypervisor.ensureDeleted(ref(9001), marker(1, 'retired'))).rejects.toMatchObject(unseen);
    await expect(hypervisor.ensureFenced(ref(9001))).rejects.toMatchObject(unseen);
    await expect(hypervisor.ensurePower(ref(9001), 'stopped')).rejects.toMatchObject(unseen);
    await expect(hypervisor.ensureMarked(ref(9001), marker(1), { protected: true })).rejects.toMatchObject(unseen);
    expect(config()).toEqual(before);
    expect(lab.sim.cluster.machines.get(9001)?.qmp).toBe('running');
  });

  test('it is not made a second time, nor another one in its place', async () => {
    await expect(lab.hypervisor.ensureShadow(shadow(1))).rejects.toMatchObject({
      failureClass: 'exists',
      message: expect.stringContaining('pveum pool modify umbra --vms 9001'),
    });
    expect(await tasksOf(lab, 'qmclone')).toBe(1);
    expect([...lab.sim.cluster.world.guests.keys()].filter((vmid) => vmid > 9000)).toEqual([9001]);
  });

  test('retiring it is an error, not a success', async () => {
    const { ensureRetired } = createProvisioningActivities(deps as never);
    const instance = { id: 'shop/1', n: 1, cluster: 'lab', vmid: 9001 } as never;
    await expect(
      new MockActivityEnvironment().run(ensureRetired, { hostedVmId: 'shop', instance, now: 1 }),
    ).rejects.toThrow('not visible to this token');
  });

  test.each([
    ['its hosted VM has it', ['shop/1']],
    ['its hosted VM does not have it', []],
  ])('the sweep says so and ends no lease, when %s', async (_, known) => {
    const { release, adopt, orphans, findings } = await sweep(known);
    expect({ release, adopt, orphans }).toEqual({ release: [], adopt: [], orphans: [] });
    const said = findings.map(({ reason }) => reason).filter(({ code }) => code !== 'answers-differ');
    expect(said.map(({ code }) => code)).toEqual(['guest-hidden']);
    expect(said[0]!.text).toContain('shop/1 is VM 9001, which exists and is not visible to this token');
    expect(said[0]!.text).toContain('pveum pool modify umbra --vms 9001');
  });

  test('Proxmox is no witness of its failure', async () => {
    const view = await lab.hypervisor.observeCluster();
    expect(view.guests.map(({ ref: { vmid } }) => vmid)).not.toContain(9001);
    const monitored = { instance: 'shop/1', guest: ref(9001) } as never;
    expect(judgeViews([monitored], [view], new Map(), 1_000)).toEqual(new Map());
  });

  test('a new Temporal does not begin anew while it serves', async () => {
    dns.names.set(spec.names[0]!, { a: ['10.0.0.11'], aaaa: [], owner: 'shop', generation: 5 });
    const { ensureAdopted } = createAdoptionActivities(deps);
    type Answer = Awaited<ReturnType<typeof ensureAdopted>>;
    const found: Answer = await new MockActivityEnvironment().run(ensureAdopted, spec);
    const said = found.kind === 'found-again' ? withFoundAgain(adoptingState(spec, 1, 2, 1_000), found, 2_000) : found;
    expect(said).toMatchObject({ kind: 'refused' });
    expect(dns.answers).toEqual([]);
  });
});

test('a clone that could not be seen afterwards is not made', async () => {
  ways['VM.Audit is taken from the pool']!();
  await expect(lab.hypervisor.ensureShadow(shadow(2))).rejects.toMatchObject({
    failureClass: 'permission',
    message: expect.stringContaining('VM.Audit on /pool/umbra; grant it with: pveum'),
  });
  expect(lab.sim.cluster.world.guests.has(9002)).toBe(false);
});

test('a primary whose right is taken away is not missing', async () => {
  lab.sim.cluster.world.roles.get('UmbraPrimary')!.delete('VM.Audit');
  const { observePrimary, ensureAdopted } = createAdoptionActivities(deps);
  await expect(new MockActivityEnvironment().run(observePrimary, spec)).rejects.toThrow(
    /not visible to this token.*VM\.Audit.*pveum acl modify \/vms\/101/,
  );
  await expect(new MockActivityEnvironment().run(ensureAdopted, spec)).rejects.toThrow('not visible to this token');
});

test('what came back is seen as it was', async () => {
  ways['the guest leaves the pool']!();
  await expect(lab.hypervisor.observeGuest(ref(9001))).rejects.toMatchObject({ failureClass: 'permission' });
  lab.sim.cluster.world.pools.get('umbra')!.vms.add(9001);
  await expect(lab.hypervisor.observeGuest(ref(9001))).resolves.toMatchObject({ marker: marker(1), power: 'running' });
});
