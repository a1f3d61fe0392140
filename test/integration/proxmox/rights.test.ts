import { describe, expect, jest, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createClusterActivities } from '../../../src/activities/cluster.ts';
import type { LeaseRequest } from '../../../src/domain/cluster-messages.ts';
import type { ClusterSpec } from '../../../src/domain/inventory.ts';
import { placeOf, privileges } from '../../../src/providers/proxmox/privileges.ts';
import type { Release } from '../../../src/sim/world/world.ts';
import { runPveum } from '../../support/pveum.ts';
import type { Lab } from './lab.ts';
import { marker, openLab, ref, shadow, vmids } from './lab.ts';

jest.setTimeout(30_000);

const guests = { primaries: [101], templates: [9000] };
const make = (lab: Lab) => lab.hypervisor.ensureShadow(shadow(1, { disk: { drive: 'scsi0', sizeGiB: 8 } }));

/** What is done with a right; where its absence is not an error, the words in which it is said. */
type Use = {
  readonly prepare?: (lab: Lab) => Promise<unknown>;
  readonly act: (lab: Lab) => Promise<unknown>;
};

const running = async (lab: Lab): Promise<void> => {
  await make(lab);
  await lab.hypervisor.ensurePower(ref(9001), 'running');
};

/** A place for a shadow; refused, it says why. */
async function place(lab: Lab): Promise<void> {
  const { placeShadows } = createClusterActivities({ hypervisorOf: () => Promise.resolve(lab.hypervisor) });
  const request: LeaseRequest = {
    ...{ requestId: 'r', replyTo: 'shadow-vm/shop/1', instance: 'shop/1', hostedVmId: 'shop', tier: 1, warmth: 'hot' },
    ...{ cores: 2, memoryMiB: 2_048, source: { vmid: 9000 }, awayFrom: [{ vmid: 101, node: 'pve1', strict: true }] },
  };
  const addresses = { from: '10.0.0.11', to: '10.0.0.99', prefix: 24 };
  const spec = { name: 'lab', vmids, addresses } as unknown as ClusterSpec;
  const asked = { spec, leases: [], interest: [101], requests: [request] };
  type Answer = Awaited<ReturnType<typeof placeShadows>>;
  const answer: Answer = await new MockActivityEnvironment().run(placeShadows, asked);
  const [found] = answer.placements;
  if (found?.kind !== 'placed') throw new Error(found?.reason.text ?? 'no answer');
}

const fence = async (lab: Lab): Promise<void> => {
  const { fenced, proof } = await lab.hypervisor.ensureFenced(ref(101));
  if (!fenced) throw new Error(proof);
};

const uses: Readonly<Record<string, Use>> = {
  'shadows VM.Allocate': { act: make },
  'shadows VM.Audit': { act: make },
  'shadows VM.Clone': {
    prepare: make,
    act: (lab) => lab.hypervisor.ensureShadow(shadow(2, { source: ref(9001), full: true })),
  },
  'shadows VM.Config.CPU': { act: make },
  'shadows VM.Config.Disk': { act: make },
  'shadows VM.Config.HWType': { act: make },
  'shadows VM.Config.Memory': { act: make },
  'shadows VM.Config.Network': { act: make },
  'shadows VM.Config.Options': { act: make },
  'shadows VM.PowerMgmt': { prepare: make, act: (lab) => lab.hypervisor.ensurePower(ref(9001), 'running') },
  'shadows VM.GuestAgent.Audit': { prepare: running, act: (lab) => lab.hypervisor.observeAgent!(ref(9001)) },
  'shadows VM.Monitor': { prepare: running, act: (lab) => lab.hypervisor.observeAgent!(ref(9001)) },
  'primaries VM.Audit': { act: (lab) => lab.hypervisor.observeGuest(ref(101)) },
  'primaries VM.Clone': {
    prepare: (lab) => lab.hypervisor.ensurePower(ref(101), 'stopped'),
    act: (lab) => lab.hypervisor.ensureShadow(shadow(1, { source: ref(101), full: true })),
  },
  'primaries VM.Config.Options': {
    act: (lab) => lab.hypervisor.ensureMarked(ref(101), marker(0, 'primary'), { protected: true }),
  },
  'primaries VM.PowerMgmt': { act: fence },
  'primaries VM.Allocate': {
    prepare: async (lab) => {
      await lab.hypervisor.ensurePower(ref(101), 'stopped');
      await lab.hypervisor.ensureMarked(ref(101), marker(0, 'retired'), { protected: false });
    },
    act: (lab) => lab.hypervisor.ensureDeleted(ref(101), marker(0, 'retired')),
  },
  'primaries VM.GuestAgent.Audit': { act: (lab) => lab.hypervisor.observeAgent!(ref(101)) },
  'primaries VM.Monitor': { act: (lab) => lab.hypervisor.observeAgent!(ref(101)) },
  'templates VM.Audit': { act: make },
  'templates VM.Clone': { act: make },
  'storages Datastore.AllocateSpace': { act: make },
  'storages Datastore.Audit': { act: place },
  'network SDN.Use': { act: make },
  'cluster Sys.Audit': { act: (lab) => lab.hypervisor.observeCluster() },
  // Its node is off: whether HA will start it elsewhere cannot be told it any more.
  'cluster Sys.Console': {
    prepare: (lab) => {
      lab.sim.cluster.world.ha.set('vm:101', { state: 'started' });
      return lab.sim.fault('node pve1 off');
    },
    act: fence,
  },
  'nodes Sys.Audit': { act: place },
};

/** Used by a rung of the fence that says so in its log: the check of rights alone refuses. */
const onlyChecked = ['primaries VM.Config.Network'];

describe('with the rights of the manual', () => {
  test.each(['8.4', '9.1', '9.2'] as const)('nothing is missing on Proxmox VE %s', async (release: Release) => {
    const lab = await openLab({ release });
    try {
      expect((await lab.hypervisor.checkRights(undefined, guests)).filter(({ granted }) => !granted)).toEqual([]);
      await running(lab);
      await place(lab);
    } finally {
      await lab.close();
    }
  });

  test('each privilege of the table is put to use here', () => {
    const named = privileges.map(({ at, name }) => `${at} ${name}`);
    expect([...Object.keys(uses), ...onlyChecked].sort()).toEqual(named.sort());
  });

  test.each(privileges)(
    'without $name for $at it is said what is missing, and the command that is named mends it',
    async ({ at, name, before, withHa }) => {
      const lab = await openLab({
        release: before === undefined ? '9.2' : '8.4',
        usesHa: withHa === true,
        endpoints: (sim) => sim.endpoints.map(({ url }) => url),
      });
      try {
        const { world } = lab.sim.cluster;
        const use = uses[`${at} ${name}`];
        await use?.prepare?.(lab);
        world.roles.get(placeOf(at).role)!.delete(name);

        const missing = (await lab.hypervisor.checkRights(undefined, guests)).filter(({ granted }) => !granted);
        expect(new Set(missing.map(({ privilege }) => privilege))).toEqual(new Set([name]));
        for (const { mend } of missing) expect(mend).toContain(`--privs ${name} `);
        if (use === undefined) return;

        const refusal = await use.act(lab).then(
          () => 'nothing was refused',
          (error: unknown) => String(error),
        );
        expect(refusal).toContain(name);
        const command = /grant it with: (.*?)(?:\.$|\. The same|$)/.exec(refusal)?.[1];
        expect(command).toContain('pveum acl modify');
        runPveum(world, command!);
        const again = await use.act(lab).then(
          () => 'done',
          (error: unknown) => String(error),
        );
        if (withHa === undefined) expect(again).toBe('done');
        else expect(again).not.toContain(name);
      } finally {
        await lab.close();
      }
    },
  );
});
