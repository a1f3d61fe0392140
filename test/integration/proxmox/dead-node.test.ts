import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { ClusterView, Hypervisor } from '../../../src/ports/hypervisor.ts';
import type { Lab } from './lab.ts';
import { marker, openLab, ref, shadow } from './lab.ts';

jest.setTimeout(60_000);

/*
 * pve2 has lost power. Whoever is asked for it waits for 12 s, then for 3 s; its guests and storages look well for five
 * minutes. Every method of the port is tried on it, at the moment of the loss and later.
 */

/** What a method must come to: a failure of this class, or a value. */
type End = { readonly failureClass: string } | { readonly value: unknown };

type Method = { readonly act: (hypervisor: Hypervisor) => Promise<unknown>; readonly end: End };

const lastKnown = { node: 'pve2', nodeOnline: false, power: 'unknown', marker: marker(1) };
const offline: End = { failureClass: 'offline' };

const methods: Readonly<Record<Exclude<keyof Hypervisor, 'close'>, Method>> = {
  observeCluster: {
    act: (hypervisor) => hypervisor.observeCluster(),
    end: { value: expect.objectContaining({ quorate: true }) },
  },
  observeGuest: {
    act: (hypervisor) => hypervisor.observeGuest(ref(9001)),
    end: { value: expect.objectContaining(lastKnown) },
  },
  // The clone was ours before; nothing shows that it still is.
  ensureShadow: { act: (hypervisor) => hypervisor.ensureShadow(shadow(1)), end: offline },
  ensurePower: { act: (hypervisor) => hypervisor.ensurePower(ref(9001), 'running'), end: offline },
  ensureFenced: {
    act: (hypervisor) => hypervisor.ensureFenced(ref(9001)),
    end: { value: expect.objectContaining({ fenced: false, proof: expect.stringContaining('pve2 is off') }) },
  },
  ensureMarked: {
    act: (hypervisor) => hypervisor.ensureMarked(ref(9001), marker(1, 'primary'), { protected: true }),
    end: offline,
  },
  ensureDeleted: { act: (hypervisor) => hypervisor.ensureDeleted(ref(9001), marker(1, 'retired')), end: offline },
  ensureFlat: { act: (hypervisor) => hypervisor.ensureFlat!(ref(9001)), end: offline },
  configDrift: { act: (hypervisor) => hypervisor.configDrift(ref(101), ref(9001)), end: offline },
  observeLeftOvers: { act: (hypervisor) => hypervisor.observeLeftOvers!(), end: { value: [] } },
  checkRights: {
    act: (hypervisor) => hypervisor.checkRights(undefined, { primaries: [102], templates: [9000] }),
    end: { value: expect.anything() },
  },
  observeFirewall: { act: (hypervisor) => hypervisor.observeFirewall!(), end: { value: undefined } },
  observePressure: { act: (hypervisor) => hypervisor.observePressure!(ref(9001)), end: offline },
  observeAgent: { act: (hypervisor) => hypervisor.observeAgent!(ref(9001)), end: offline },
};

/** An observation has 5 s in all; a call on its way when the node dies is given up as soon as the cluster says so. */
const deadlineMs = 5_000;

let lab: Lab;
let asked: string[];

/** @param membershipMs - until the others call a node off that has lost power: until then every call to it hangs */
async function open(membershipMs: number): Promise<void> {
  asked = [];
  lab = await openLab({
    endpoints: ({ endpoints }) => endpoints.map(({ url }) => url),
    sim: {
      timing: { unreachableMs: 3_000, firstUnreachableMs: 12_060, membershipMs },
      log: (line) => void asked.push(line),
    },
  });
  await lab.hypervisor.ensureShadow(shadow(1));
  asked.length = 0;
}
afterEach(() => lab.close());

async function endOf(method: Method): Promise<{ readonly tookMs: number; readonly end: End }> {
  const before = performance.now();
  const end = await method.act(lab.hypervisor).then(
    (value): End => ({ value }),
    (error: unknown): End => ({ failureClass: (error as { failureClass: string }).failureClass }),
  );
  return { tookMs: performance.now() - before, end };
}

describe.each(Object.entries(methods))('on a guest whose node is off, %s', (_name, method) => {
  beforeEach(() => open(1_500));

  test('answers in time, at the moment of the loss and after it, and asks the node for nothing once that is known', async () => {
    // The provider has seen the node well a moment ago.
    await lab.hypervisor.observeGuest(ref(9001));
    await lab.sim.fault('node pve2 off');
    const first = await endOf(method);
    expect(first).toEqual({ tookMs: expect.any(Number), end: method.end });
    expect(first.tookMs).toBeLessThan(deadlineMs);
    // By now it is off for the others as well, whether or not the method had to ask.
    while ((await lab.hypervisor.observeCluster()).nodes.some(({ node, online }) => node === 'pve2' && online))
      continue;
    asked.length = 0;
    const later = await endOf(method);
    expect(later).toEqual({ tookMs: expect.any(Number), end: method.end });
    expect(later.tookMs).toBeLessThan(1_500);
    expect(asked.filter((line) => line.includes('/nodes/pve2/'))).toEqual([]);
  });
});

describe('when a node has just died', () => {
  beforeEach(() => open(0));

  test('the cluster is seen within its deadline, with the others as they are and its guests as they were', async () => {
    await lab.hypervisor.observeCluster();
    await lab.sim.fault('node pve2 off');
    const view = (await endOf(methods.observeCluster)).end as { value: ClusterView };
    expect(view.value.nodes.map(({ node, online }) => [node, online])).toEqual([
      ['pve1', true],
      ['pve2', false],
      ['pve3', true],
    ]);
    expect(view.value.guests.find(({ ref: { vmid } }) => vmid === 9001)).toMatchObject(lastKnown);
  });

  test('nothing is cloned to it, though Proxmox would take the order', async () => {
    await lab.sim.fault('node pve2 off');
    await expect(lab.hypervisor.ensureShadow(shadow(2))).rejects.toMatchObject({ failureClass: 'offline' });
    expect(lab.sim.cluster.world.guests.has(9002)).toBe(false);
    expect(asked.filter((line) => line.includes('POST'))).toEqual([]);
  });

  test('work on the other nodes goes on as fast as before', async () => {
    await lab.hypervisor.ensureMarked(ref(9001), marker(1, 'retired'), { protected: false });
    await lab.sim.fault('node pve3 off');
    const before = performance.now();
    await lab.hypervisor.ensureFenced(ref(101));
    await lab.hypervisor.ensureDeleted(ref(9001), marker(1, 'retired'));
    expect(performance.now() - before).toBeLessThan(deadlineMs);
    expect(lab.sim.cluster.world.guests.has(9001)).toBe(false);
    expect(asked.filter((line) => line.includes('/nodes/pve3/'))).toEqual([]);
  });
});
