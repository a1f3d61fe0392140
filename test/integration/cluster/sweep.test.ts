import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { createSweepActivities } from '../../../src/activities/sweep.ts';
import type { SweepDeps } from '../../../src/activities/sweep.ts';
import { keepSweeps } from '../../../src/composition/sweeps.ts';
import type { LedgerView } from '../../../src/domain/cluster/ledger.ts';
import type { Orphan } from '../../../src/domain/cluster/sweep.ts';
import type { ClusterSpec } from '../../../src/domain/inventory.ts';
import type { HostedVmView } from '../../../src/domain/view.ts';
import { markerLine } from '../../../src/providers/proxmox/marker.ts';
import { FakeNameServer } from '../../support/fake-name-server.ts';
import { specOf } from '../../support/spec-of.ts';
import { quietly } from '../../support/stage.ts';
import { devServer } from '../../support/temporal.ts';
import type { Lab } from '../proxmox/lab.ts';
import { marker, openLab, ref, shadow, vmids } from '../proxmox/lab.ts';
import { Fleet } from './fleet.ts';

jest.setTimeout(60_000);
quietly();

let lab: Lab;
beforeEach(async () => {
  lab = await openLab();
});
afterEach(() => lab.close());

describe('the schedule of the sweep', () => {
  let env: TestWorkflowEnvironment;
  beforeAll(async () => {
    env = await devServer();
  });
  afterAll(() => env.teardown());

  test('is there for every cluster of the inventory, adopts what is ours, reports what is not, and goes with its cluster', async () => {
    const fleet = new Fleet(env);
    let clusters = [{ name: 'lab' }];
    let changed = (): void => undefined;
    const sweeps = keepSweeps(
      {
        inventory: {
          current: () => ({
            revision: 1,
            inventory: { clusters: clusters as ClusterSpec[], zones: [], hostedVms: [] },
          }),
          onChange: (listener) => {
            changed = listener;
            return () => undefined;
          },
          close: () => Promise.resolve(),
        },
        log: { warn: () => undefined } as never,
      },
      env.client,
    );
    const schedule = env.client.schedule.getHandle('sweep/lab');
    try {
      await fleet.work();
      await fleet.open('lab', lab);
      await lab.hypervisor.ensureShadow(shadow(51));
      const { guests } = lab.sim.cluster.world;
      const ours = guests.get(9051)!;
      lab.sim.cluster.world.pools.get('umbra')!.vms.add(9052);
      guests.set(9052, { ...ours, vmid: 9052, config: { ...ours.config, current: { name: 'stranger' } } });

      await fleet.until('the schedule', () =>
        schedule.describe().then(
          () => true,
          () => false,
        ),
      );
      await schedule.trigger();
      await fleet.until('a report', () => Promise.resolve(fleet.sweeps.length > 0));
      const report = fleet.sweeps[0]!;
      expect(report.findings.map(({ reason }) => reason.code)).toEqual(['stranger-in-range']);
      await fleet.until('the lease that was adopted', async () => {
        const { leases } = await fleet.ledger('lab');
        return leases.some(({ instance, vmid }) => instance === 'shop/51' && vmid === 9051);
      });
      expect(guests.has(9052)).toBe(true);

      clusters = [];
      changed();
      await fleet.until('the schedule to go', () =>
        schedule.describe().then(
          () => false,
          () => true,
        ),
      );
    } finally {
      await sweeps.stop();
      await fleet.stop();
    }
  });
});

describe('an orphan', () => {
  const dayMs = 86_400_000;
  const now = Date.UTC(2026, 10, 28);
  const spec = specOf('shop', { primary: { cluster: 'lab', vmid: 101 } });
  const orphan: Orphan = {
    instance: 'shop/7',
    hostedVmId: 'shop',
    n: 7,
    vmid: 9007,
    operation: 'op-shop-7',
    expired: false,
  };
  const known: string[] = [];

  const settle = async (at: number): Promise<string> => {
    const dns = new FakeNameServer();
    for (const name of spec.names) dns.add(name, '10.0.0.1');
    const deps: SweepDeps = {
      hypervisorOf: () =>
        Promise.resolve({
          ...lab.hypervisor,
          // Evidence of that day; Proxmox itself has no say in it.
          observeCluster: async () => ({ ...(await lab.hypervisor.observeCluster()), at }),
        }),
      nameServerOf: () => Promise.resolve(dns),
      inventory: () =>
        Promise.resolve({ clusters: [{ name: 'lab', vmids } as ClusterSpec], zones: [], hostedVms: [spec] }),
      ledgerOf: () => Promise.resolve({ leases: [] } as unknown as LedgerView),
      hostedVmOf: () =>
        Promise.resolve({
          instances: known.map((id) => ({ id, state: { kind: 'warm', since: 0, warmth: 'hot' } })),
          serving: [],
          generation: 1,
        } as unknown as HostedVmView),
      report: () => Promise.resolve(),
    };
    const { ensureOrphanSettled } = createSweepActivities(deps);
    return await new MockActivityEnvironment().run(ensureOrphanSettled, { cluster: 'lab', orphan, now: at });
  };
  beforeEach(async () => {
    known.length = 0;
    await lab.hypervisor.ensureShadow(shadow(7));
    await lab.hypervisor.ensurePower(ref(9007), 'running');
  });
  const guest = () => lab.sim.cluster.world.guests.get(9007);

  test('is stopped and marked, kept for its keep time, and only then deleted', async () => {
    expect(await settle(now)).toBe('retired');
    expect(lab.sim.cluster.machines.get(9007)).toBeUndefined();
    expect(guest()!.config.current['description']).toContain(markerLine({ ...marker(7, 'retired'), retiredAt: now }));
    expect(await settle(now + spec.policy.keepDiskMs - dayMs / 2)).toBe('retired');
    expect(guest()).toBeDefined();
    expect(await settle(now + spec.policy.keepDiskMs)).toBe('deleted');
    expect(guest()).toBeUndefined();
  });

  test('that its hosted VM turns out to have is left alone', async () => {
    known.push('shop/7');
    expect(await settle(now)).toBe('left');
    expect(lab.sim.cluster.machines.get(9007)?.qmp).toBe('running');
  });
});
