import { describe, expect, jest, test } from '@jest/globals';
import type { ShadowSpec } from '../../../src/ports/hypervisor.ts';
import { Calls } from '../../../src/providers/proxmox/calls.ts';
import { ensureShadow } from '../../../src/providers/proxmox/clone.ts';
import { ProxmoxEngine } from '../../../src/providers/proxmox/engine.ts';
import { ProxmoxError } from '../../../src/providers/proxmox/errors.ts';
import { readMarker } from '../../../src/providers/proxmox/marker.ts';
import { defaultTiming, work } from '../../../src/providers/proxmox/site.ts';
import { grant } from '../../../src/sim/world/demo.ts';
import { done, eventually } from '../sim/client.ts';
import type { Lab } from './lab.ts';
import { marker, openLab, ref, shadow, vmids } from './lab.ts';

jest.setTimeout(90_000);

/** A template with everything that must not come up twice: start at boot, protection, two cards, static addresses. */
const dangerous = {
  onboot: '1',
  protection: '1',
  tags: 'golden;umbra-primary',
  ipconfig0: 'ip=10.0.0.101/24,gw=10.0.0.1',
  ipconfig1: 'ip=192.168.7.101/24',
  net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1',
  net1: 'virtio=BC:24:11:00:00:02,bridge=vmbr0,link_down=1',
};
const spec: ShadowSpec = shadow(1, { pool: 'umbra', disk: { drive: 'scsi0', sizeGiB: 8 } });

type Disturbance = 'killed before' | 'killed after' | 'unanswered before' | 'unanswered after';
const disturbances: readonly Disturbance[] = ['killed before', 'killed after', 'unanswered before', 'unanswered after'];

/** As kill -9: nothing catches it. */
class Killed extends Error {}

const unanswered = (name: string) =>
  new ProxmoxError({
    operation: name,
    target: 'VM 9001',
    failureClass: 'ambiguous',
    message: '596 Connection timed out',
  });

const writes = ['clone', 'changeConfig', 'resize', 'addToPool'];

/**
 * Our provider in a process of its own, disturbed at its n-th write.
 * @returns the writes it came to
 */
async function make(lab: Lab, disturbed?: { at: number; how: Disturbance }, each?: () => void): Promise<string[]> {
  const token = lab.sim.tokens[0]!;
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  const engine = new ProxmoxEngine({
    endpoints: [lab.sim.url],
    trust: {},
    token: () => Promise.resolve(`${token.id}=${token.secret}`),
    log,
    deadlines: { connectMs: 500, readMs: 2_000, writeMs: 1_500, bodyMs: 500 },
  });
  const sent: string[] = [];
  const site = {
    spec: { name: 'lab', vmids, pool: 'umbra' },
    calls: new Calls(engine),
    log,
    timing: { ...defaultTiming, settleMs: 300, lookMs: 30, lockedMs: 10_000 },
    lastNode: new Map(),
    lastView: new Map(),
    doubts: new Map(),
    refusedTags: new Set<string>(),
    mendOf: () => Promise.resolve(undefined),
  };
  const ours = work(site, undefined);
  const calls = new Proxy(ours.calls, {
    get(target, name) {
      const call = Reflect.get(target, name, target) as (...args: unknown[]) => Promise<unknown>;
      if (typeof name !== 'string' || !writes.includes(name)) return call.bind(target);
      return async (...args: unknown[]) => {
        const how = sent.push(name) === disturbed?.at ? disturbed.how : undefined;
        each?.();
        if (how === 'killed before') throw new Killed();
        if (how === 'unanswered before') throw unanswered(name);
        const answer = await call.apply(target, args);
        each?.();
        if (how === 'killed after') throw new Killed();
        if (how === 'unanswered after') throw unanswered(name);
        return answer;
      };
    },
  });
  try {
    await ensureShadow({ ...ours, calls }, spec);
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  } finally {
    await engine.close();
  }
  return sent;
}

const open = () =>
  openLab({
    change: (world) => {
      Object.assign(world.guests.get(9000)!.config.current, dangerous);
      // Where the token may change the template as well, its start at boot is taken off.
      const options = { path: '/vms/9000', role: 'Options', privileges: ['VM.Config.Options'], propagates: true };
      grant(world, ['umbra@pve', 'umbra@pve!umbra'], [options]);
    },
  });
const configOf = (lab: Lab) => lab.sim.cluster.world.guests.get(9001)?.config.current;
const cards = (config: Readonly<Record<string, string>>) =>
  Object.entries(config).flatMap(([key, text]) => (/^net\d+$/.test(key) ? [text] : []));

/** What must be so of the guest at any moment, whoever has died. */
function isHarmless(lab: Lab): void {
  const config = configOf(lab);
  expect(lab.sim.cluster.machines.get(9001)).toBeUndefined();
  if (config === undefined) return;
  expect(config['onboot'] ?? '0').toBe('0');
  // Nothing starts it while Proxmox works on it.
  if (config['lock'] === 'clone') return;
  const found = readMarker(config['description'])!;
  if (found.unconfigured !== true) {
    isWhole(lab);
    return;
  }
  // Until the first write it is as Proxmox has cloned it, stopped; there is no clone with its links down.
  if (config['name'] === spec.name && config['ipconfig0'] === dangerous.ipconfig0) return;
  expect(cards(config).filter((card) => !card.includes('link_down=1'))).toEqual([]);
}

function isWhole(lab: Lab): void {
  const config = configOf(lab)!;
  expect(config).toMatchObject({
    name: 'shop-shadow-1',
    onboot: '0',
    protection: '0',
    ipconfig0: 'ip=10.0.0.11/24,gw=10.0.0.1',
    memory: '4096',
    cores: '4',
    tags: 'golden;umbra;umbra-shadow;umbra-vm-shop',
    description: expect.stringMatching(/^umbra:v1 vm=shop n=1 role=shadow op=op-shop-1$/),
  });
  expect(config).not.toHaveProperty('ipconfig1');
  expect(config['scsi0']).toContain('size=8G');
  expect(cards(config).map((card) => card.replace(/=[0-9A-F:]{17}/, ''))).toEqual([
    'virtio,bridge=vmbr0,firewall=1',
    'virtio,bridge=vmbr0,link_down=1',
  ]);
  expect([...lab.sim.cluster.world.pools.get('umbra')!.vms]).toEqual([9001]);
}

/** The node goes off and comes back: what starts with it, starts. */
async function cycle(lab: Lab, node: string): Promise<void> {
  lab.sim.cluster.powerOff(node, 'test');
  lab.sim.cluster.powerOn(node);
  await eventually(
    () => lab.sim.cluster.machines.get(102),
    (machine) => machine !== undefined,
  );
}

describe('a clone that is not configured yet', () => {
  test('neither starts nor is reached, wherever its maker died or was left without an answer, and the next one completes it', async () => {
    const whole = await open();
    let all: readonly string[];
    try {
      all = await make(whole, undefined, () => isHarmless(whole));
      isWhole(whole);
    } finally {
      await whole.close();
    }
    expect(all).toEqual(['changeConfig', 'clone', 'changeConfig', 'changeConfig', 'resize', 'changeConfig']);
    const points = all.flatMap((name, at) => disturbances.map((how) => ({ at: at + 1, how, name })));
    const outcomes: string[] = [];
    for (const { at, how, name } of points) {
      const lab = await open();
      try {
        await make(lab, { at, how }, () => isHarmless(lab));
        // The clone's worker outlives whoever asked for it.
        await eventually(
          () => configOf(lab)?.['lock'],
          (lock) => lock === undefined,
        );
        isHarmless(lab);
        const config = configOf(lab);
        if (config !== undefined && readMarker(config['description'])?.unconfigured === true) {
          await expect(lab.hypervisor.ensurePower(ref(9001), 'running')).rejects.toMatchObject({
            failureClass: 'invalid',
            message: expect.stringContaining('never configured'),
          });
          expect((await lab.hypervisor.observeGuest(ref(9001)))!.addresses).toEqual([]);
        }
        await cycle(lab, 'pve2');
        isHarmless(lab);
        await make(lab);
        isWhole(lab);
        expect(await make(lab)).toEqual([]);
        await lab.hypervisor.ensurePower(ref(9001), 'running');
        outcomes.push(`${how} ${name} (${at}): as it should be`);
      } catch (error) {
        outcomes.push(`${how} ${name} (${at}): ${error instanceof Error ? error.message : String(error)}`);
      } finally {
        await lab.close();
      }
    }
    expect(outcomes).toEqual(points.map(({ at, how, name }) => `${how} ${name} (${at}): as it should be`));
  });

  test('that somebody has started by hand is not completed: it runs with its source’s address', async () => {
    const lab = await open();
    try {
      await make(lab, { at: 3, how: 'killed before' });
      await eventually(
        () => configOf(lab)?.['lock'],
        (lock) => lock === undefined,
      );
      expect(await done(lab.sim, 'POST', '/nodes/pve2/qemu/9001/status/start')).toBe('OK');
      await expect(lab.hypervisor.ensureShadow(spec)).rejects.toMatchObject({
        failureClass: 'permanent',
        message: expect.stringContaining('it is running, and it was not started by Umbra'),
      });
      await expect(lab.hypervisor.ensurePower(ref(9001), 'paused')).rejects.toMatchObject({ failureClass: 'invalid' });
      // Retiring it stops it.
      expect(await lab.hypervisor.ensurePower(ref(9001), 'stopped')).toMatchObject({ power: 'stopped' });
    } finally {
      await lab.close();
    }
  });

  test('keeps saying so when it is marked as retired, and is deleted like any other', async () => {
    const lab = await open();
    try {
      await make(lab, { at: 3, how: 'killed before' });
      await eventually(
        () => configOf(lab)?.['lock'],
        (lock) => lock === undefined,
      );
      const marked = await lab.hypervisor.ensureMarked(ref(9001), marker(1, 'retired'), { protected: false });
      expect(marked.marker).toEqual({ ...marker(1, 'retired'), unconfigured: true });
      await lab.hypervisor.ensureDeleted(ref(9001), marker(1, 'retired'));
      expect(configOf(lab)).toBeUndefined();
    } finally {
      await lab.close();
    }
  });

  test('that is not what it was made from stays so: provisioning says in what, and it can be deleted', async () => {
    const lab = await open();
    try {
      await make(lab, { at: 4, how: 'killed before' });
      Object.assign(configOf(lab)!, { cpu: 'host', net2: 'virtio=BC:24:11:00:00:09,bridge=vmbr9' });
      await expect(lab.hypervisor.ensureShadow(spec)).rejects.toMatchObject({
        failureClass: 'permanent',
        message: expect.stringContaining('cpu: kvm64 there, host here; net2: absent there, virtio,bridge=vmbr9 here'),
      });
      expect(readMarker(configOf(lab)!['description'])!.unconfigured).toBe(true);
      await expect(lab.hypervisor.ensurePower(ref(9001), 'running')).rejects.toMatchObject({ failureClass: 'invalid' });
      await lab.hypervisor.ensureMarked(ref(9001), marker(1, 'retired'), { protected: false });
      await lab.hypervisor.ensureDeleted(ref(9001), marker(1, 'retired'));
      expect(configOf(lab)).toBeUndefined();
    } finally {
      await lab.close();
    }
  });

  test('is not made of a template that would start it and that this token may not change', async () => {
    const lab = await open();
    try {
      lab.sim.cluster.world.roles.get('Options')!.delete('VM.Config.Options');
      await expect(lab.hypervisor.ensureShadow(spec)).rejects.toMatchObject({
        failureClass: 'invalid',
        message: expect.stringContaining('qm set 9000 --onboot 0'),
      });
      expect(configOf(lab)).toBeUndefined();
    } finally {
      await lab.close();
    }
  });
});
