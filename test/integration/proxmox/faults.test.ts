import { describe, expect, jest, test } from '@jest/globals';
import { grant } from '../../../src/sim/world/demo.ts';
import type { Lab } from './lab.ts';
import { marker, openLab, ref, shadow, tasksOf } from './lab.ts';

jest.setTimeout(60_000);

/** One write: what is so before, the call that is disturbed, what must be so after it, whatever happened to it. */
type Write = {
  readonly call: string;
  /** HA manages a primary here. */
  readonly usesHa?: boolean;
  readonly prepare?: (lab: Lab) => Promise<unknown>;
  readonly act: (lab: Lab) => Promise<unknown>;
  readonly holds: (lab: Lab) => Promise<void> | void;
};

const { guests, machines } = {
  guests: (lab: Lab) => lab.sim.cluster.world.guests,
  machines: (lab: Lab) => lab.sim.cluster.machines,
};
const made = (lab: Lab) => lab.hypervisor.ensureShadow(shadow(1));
const bring = (lab: Lab, to: 'running' | 'paused' | 'stopped' | 'suspended') =>
  lab.hypervisor.ensurePower(ref(9001), to);
const running = async (lab: Lab) => {
  await made(lab);
  await bring(lab, 'running');
};

const writes: Readonly<Record<string, Write>> = {
  clone: {
    call: 'POST /clone',
    act: made,
    holds: async (lab) => {
      expect([...guests(lab).keys()].filter((vmid) => vmid > 9000)).toEqual([9001]);
      expect(guests(lab).get(9001)!.config.current['lock']).toBeUndefined();
      const disks = lab.sim.cluster.world.volumes.filter((one) => one.name.includes('vm-9001-'));
      expect(disks.map((one) => one.name.split('/').at(-1)).sort()).toEqual(['vm-9001-cloudinit', 'vm-9001-disk-0']);
      // A clone that is sent again after one that was carried out late is refused, and only one ever ends well.
      expect(await tasksOf(lab, 'qmclone')).toBeLessThanOrEqual(2);
      expect([...lab.sim.cluster.world.pools.get('umbra')!.vms]).toEqual([9001]);
    },
  },
  configure: {
    call: 'PUT /config',
    act: made,
    holds: (lab) => {
      expect(guests(lab).get(9001)!.config.current).toMatchObject({
        name: 'shop-shadow-1',
        memory: '4096',
        cores: '4',
        ipconfig0: 'ip=10.0.0.11/24,gw=10.0.0.1',
        onboot: '0',
      });
    },
  },
  resize: {
    call: 'PUT /resize',
    act: (lab) => lab.hypervisor.ensureShadow(shadow(1, { disk: { drive: 'scsi0', sizeGiB: 8 } })),
    holds: (lab) => {
      expect(guests(lab).get(9001)!.config.current['scsi0']).toContain('size=8G');
    },
  },
  flatten: {
    call: 'POST /move_disk',
    prepare: made,
    act: (lab) => lab.hypervisor.ensureFlat!(ref(9001)),
    holds: (lab) => {
      expect(guests(lab).get(9001)!.config.current['scsi0']).toMatch(/^vault:vm-9001-disk-0,/);
      const disks = lab.sim.cluster.world.volumes.filter((one) => one.name.includes('vm-9001-disk'));
      expect(disks.map((one) => `${one.storage}:${one.name}`)).toEqual(['vault:vm-9001-disk-0']);
    },
  },
  start: {
    call: 'POST /status/start',
    prepare: made,
    act: (lab) => bring(lab, 'running'),
    holds: (lab) => {
      expect(machines(lab).get(9001)?.qmp).toBe('running');
    },
  },
  pause: {
    call: 'POST /status/suspend',
    prepare: running,
    act: (lab) => bring(lab, 'paused'),
    holds: (lab) => {
      expect(machines(lab).get(9001)?.qmp).toBe('paused');
    },
  },
  resume: {
    call: 'POST /status/resume',
    prepare: async (lab) => {
      await running(lab);
      await bring(lab, 'paused');
    },
    act: (lab) => bring(lab, 'running'),
    holds: (lab) => {
      expect(machines(lab).get(9001)?.qmp).toBe('running');
    },
  },
  hibernate: {
    call: 'POST /status/suspend',
    prepare: running,
    act: (lab) => bring(lab, 'suspended'),
    holds: (lab) => {
      expect(machines(lab).get(9001)).toBeUndefined();
      expect(guests(lab).get(9001)!.config.current['lock']).toBe('suspended');
    },
  },
  shutdown: {
    call: 'POST /status/shutdown',
    prepare: running,
    act: (lab) => bring(lab, 'stopped'),
    holds: (lab) => {
      expect(machines(lab).get(9001)).toBeUndefined();
    },
  },
  fence: {
    call: 'POST /status/stop',
    prepare: running,
    act: async (lab) => {
      expect(await lab.hypervisor.ensureFenced(ref(9001))).toMatchObject({ fenced: true });
    },
    holds: (lab) => {
      expect(machines(lab).get(9001)).toBeUndefined();
    },
  },
  mark: {
    call: 'PUT /config',
    prepare: made,
    act: (lab) => lab.hypervisor.ensureMarked(ref(9001), marker(1, 'primary'), { protected: true }),
    holds: (lab) => {
      expect(guests(lab).get(9001)!.config.current).toMatchObject({
        protection: '1',
        tags: 'golden;umbra;umbra-primary;umbra-vm-shop',
      });
    },
  },
  pool: {
    call: 'PUT /pools',
    prepare: async (lab) => {
      await made(lab);
      const { world } = lab.sim.cluster;
      // With the manual's rights a guest outside its pool is not even seen: here somebody granted more.
      grant(
        world,
        ['umbra@pve', 'umbra@pve!umbra'],
        [
          { path: '/vms/9001', role: 'Umbra', privileges: [], propagates: false },
          { path: '/pool/umbra', role: 'UmbraPool', privileges: ['Pool.Allocate'], propagates: false },
        ],
      );
      world.pools.get('umbra')!.vms.delete(9001);
    },
    act: made,
    holds: (lab) => {
      expect([...lab.sim.cluster.world.pools.get('umbra')!.vms]).toEqual([9001]);
    },
  },
  'leave to us what HA manages': {
    call: 'PUT /ha/resources',
    usesHa: true,
    prepare: (lab) => Promise.resolve(lab.sim.cluster.world.ha.set('vm:101', { state: 'started' })),
    act: async (lab) => {
      expect(await lab.hypervisor.ensureFenced(ref(101))).toMatchObject({ fenced: true });
    },
    holds: (lab) => {
      expect(lab.sim.cluster.world.ha.get('vm:101')!.state).toBe('ignored');
      expect(machines(lab).get(101)).toBeUndefined();
    },
  },
  delete: {
    call: 'DELETE /qemu/9001',
    prepare: async (lab) => {
      await made(lab);
      await lab.hypervisor.ensureMarked(ref(9001), marker(1, 'retired'), { protected: true });
    },
    act: (lab) => lab.hypervisor.ensureDeleted(ref(9001), marker(1, 'retired')),
    holds: (lab) => {
      expect(guests(lab).has(9001)).toBe(false);
      expect(lab.sim.cluster.world.volumes.filter((one) => one.name.includes('vm-9001-'))).toEqual([]);
      expect(guests(lab).has(9000)).toBe(true);
    },
  },
};

/** What happens to the call; `afterMs` is when the daemon goes on and carries out what it was holding. */
type Fault = { readonly command: string; readonly afterMs?: number };

const faults: Readonly<Record<string, Fault>> = {
  'reset before it was carried out': { command: 'reset-before 1' },
  'reset after it was carried out': { command: 'reset-after 1' },
  'answered 596 and carried out': { command: '596 1' },
  'answered with half a body': { command: 'truncate 1' },
  'held, answered 596, carried out before we ask again': { command: 'stall 1', afterMs: 600 },
  'held, answered 596, carried out after we asked again': { command: 'stall 1', afterMs: 1_900 },
};

describe('a write that is disturbed ends in the same state', () => {
  test.each(Object.keys(writes))('%s, whatever happens to it', async (name) => {
    const { call, usesHa = false, prepare, act, holds } = writes[name]!;
    const outcomes = await Promise.all(
      Object.entries(faults).map(async ([what, { command, afterMs }]) => {
        const lab = await openLab({ usesHa });
        try {
          await prepare?.(lab);
          await lab.sim.fault(`api pve1 ${command} ${call}`);
          const release =
            afterMs === undefined ? undefined : setTimeout(() => void lab.sim.fault('api pve1 ok'), afterMs);
          await act(lab);
          clearTimeout(release);
          await lab.sim.fault('api pve1 ok');
          // Whatever was still held is carried out now; a second act must find nothing left to do.
          await new Promise((resolve) => setTimeout(resolve, 150));
          if (afterMs === undefined) await holds(lab);
          await act(lab);
          await holds(lab);
          return `${what}: as it should be`;
        } catch (error) {
          return `${what}: ${error instanceof Error ? error.message : String(error)}`;
        } finally {
          await lab.close();
        }
      }),
    );
    expect(outcomes).toEqual(Object.keys(faults).map((what) => `${what}: as it should be`));
  });
});

describe('a daemon that stands still', () => {
  test('lets unprotected reads through, and our work goes on when it does', async () => {
    const lab = await openLab();
    try {
      await lab.sim.fault('api pve1 stall');
      const token = lab.sim.tokens[0]!;
      const version = await fetch(`${lab.sim.url}/api2/json/version`, {
        headers: { authorization: `PVEAPIToken=${token.id}=${token.secret}` },
      });
      expect(version.status).toBe(200);
      const making = made(lab);
      setTimeout(() => void lab.sim.fault('api pve1 ok'), 1_000);
      await making.catch(async (error: unknown) => {
        // Protected reads gave up meanwhile: that is for the caller's schedule to repeat.
        expect(error).toMatchObject({ failureClass: 'transient' });
        await made(lab);
      });
      expect([...guests(lab).keys()].filter((vmid) => vmid > 9000)).toEqual([9001]);
    } finally {
      await lab.close();
    }
  });
});
