import { describe, expect, test } from '@jest/globals';
import { healthFactors } from '../../../src/composition/health-factors.ts';
import type { Parts } from '../../../src/composition/parts.ts';
import type { Instance } from '../../../src/domain/instance.ts';
import { minuteMs } from '../../../src/domain/time.ts';
import type { GuestPressure, GuestView, NodeView } from '../../../src/ports/hypervisor.ts';
import type { Heartbeat } from '../../../src/ports/registry.ts';

const primary = { id: 'shop/0', cluster: 'lab', vmid: 101 } as Instance;
const running = {
  ref: { cluster: 'lab', vmid: 101 },
  ...{ node: 'pve2', nodeOnline: true, power: 'running', cpu: 0.4, memoryUsed: 0.97, uptimeSeconds: 600 },
} as GuestView;
const well: NodeView = {
  ...{ node: 'pve2', online: true, maintenance: false, cpus: 8, memoryMiB: 1_000, memoryUsedMiB: 950, cpu: 0.2 },
};

/** Reads the health of `shop/0` twice; says how often the cluster was asked. */
async function read(guest: GuestView, node: NodeView) {
  let asked = 0;
  const observeCluster = () => {
    asked += 1;
    return Promise.resolve({ at: 0, quorate: true, nodes: [node], guests: [guest] });
  };
  const healthOf = healthFactors({
    providers: { hypervisorOf: () => Promise.resolve({ observeCluster }) },
    stores: { heartbeats: { newest: () => Promise.resolve(new Map()) } },
  } as unknown as Parts);
  await healthOf(primary);
  return { health: await healthOf(primary), asked };
}

describe('health of a primary', () => {
  test('is read from one view of the cluster for all evaluations', async () => {
    const { health, asked } = await read(running, well);
    expect(asked).toBe(1);
    expect(health).toEqual({
      ...{ cpu: 0.4, memoryUsed: 0.97, uptimeMs: 10 * minuteMs },
      ...{ node: 'pve2', nodeOnline: true, nodeMaintenance: false, nodeMemoryUsed: 0.95 },
    });
  });

  test('on a node that is off is not made of its last figures', async () => {
    const { health } = await read({ ...running, nodeOnline: false }, { ...well, online: false });
    expect(health).toEqual({ node: 'pve2', nodeOnline: false, nodeMaintenance: false });
  });

  test('of a guest that is stopped says nothing of its load', async () => {
    const { health } = await read({ ...running, power: 'stopped', uptimeSeconds: 0 }, well);
    expect(Object.keys(health!)).not.toContain('cpu');
    expect(Object.keys(health!)).not.toContain('uptimeMs');
  });

  test('has pressure where Proxmox tells it, one call for a guest that is judged and no more than the budget', async () => {
    let calls = 0;
    const { healthOf } = withPressure(() => {
      calls += 1;
      return Promise.resolve({ cpu: 0.3, memory: 0, io: 0.12 });
    });
    expect(await healthOf(primary)).toMatchObject({ cpuPressure: 0.3, memoryPressure: 0, ioPressure: 0.12 });
    const many = await Promise.all(Array.from({ length: 40 }, () => healthOf(primary)));
    expect(calls).toBe(20);
    // Those beyond the budget are judged by the rest.
    expect(many.filter((health) => health?.cpuPressure === undefined)).toHaveLength(21);
    expect(many.every((health) => health?.cpu === 0.4)).toBe(true);
  });

  test('does without pressure before Proxmox VE 9, and does not ask again and again', async () => {
    let calls = 0;
    const { healthOf } = withPressure(() => {
      calls += 1;
      return Promise.resolve(undefined);
    });
    for (let n = 0; n < 5; n += 1) expect((await healthOf(primary))!.cpuPressure).toBeUndefined();
    expect(calls).toBe(1);
  });

  test('does without pressure that does not come', async () => {
    const { healthOf } = withPressure(() => Promise.reject(new Error('read timed out')));
    expect(await healthOf(primary)).toMatchObject({ cpu: 0.4, node: 'pve2' });
  });

  test('has the disk latency that the guest itself tells, over its usual value', async () => {
    const beat = { instance: 'shop/0', at: Date.now(), diskLatencyRatio: 3.1 };
    const { healthOf } = withPressure(() => Promise.resolve(undefined), [beat]);
    expect(await healthOf(primary)).toMatchObject({ diskLatencyRatio: 3.1, silentMs: 0 });
  });
});

function withPressure(observePressure: () => Promise<GuestPressure | undefined>, beats: readonly Heartbeat[] = []) {
  const observeCluster = () => Promise.resolve({ at: 0, quorate: true, nodes: [well], guests: [running] });
  const healthOf = healthFactors({
    providers: { hypervisorOf: () => Promise.resolve({ observeCluster, observePressure }) },
    stores: { heartbeats: { newest: () => Promise.resolve(new Map(beats.map((beat) => [beat.instance, beat]))) } },
  } as unknown as Parts);
  return { healthOf };
}
