import { describe, expect, test } from '@jest/globals';
import { healthFactors } from '../../../src/composition/health-factors.ts';
import type { Parts } from '../../../src/composition/parts.ts';
import type { Instance } from '../../../src/domain/instance.ts';
import { minuteMs } from '../../../src/domain/time.ts';
import type { GuestView, NodeView } from '../../../src/ports/hypervisor.ts';

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
});
