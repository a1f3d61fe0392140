import { describe, expect, jest, test } from '@jest/globals';
import { clusterWorkflowId, taskQueues } from '../../../src/domain/cluster-messages.ts';
import type { FakeGuest } from '../../support/fake-hypervisor.ts';
import { eventually, quietly } from '../../support/stage.ts';
import type { Stage } from '../../support/stage.ts';
import { specOf } from '../../support/spec-of.ts';
import { Theatre } from '../../support/theatre.ts';

jest.setTimeout(90_000);
quietly();

const standing = (
  n: number,
  role: 'primary' | 'shadow' | 'retired',
  guest: Partial<FakeGuest> = {},
): FakeGuest & { address: string } => ({
  ...{ vmid: 9000 + n, name: `shop-shadow-${n}`, node: 'pve2', power: 'running', protected: false, cores: 2 },
  ...{ memoryMiB: 1024, address: `10.0.1.${n}` },
  marker: { hostedVmId: 'shop', n, role, operation: `shop/${n}`, ...(role === 'retired' ? { retiredAt: 1 } : {}) },
  ...guest,
});

describe('a hosted VM whose workflow is lost with Temporal', () => {
  const theatre = new Theatre();
  let stage: Stage;

  /** The cluster's own bookkeeping would see what is there; the one that stands for it here is told. */
  async function beginBesideWhatIsThere(): Promise<void> {
    await theatre.env.client.workflow.start('cluster', {
      workflowId: clusterWorkflowId('main'),
      taskQueue: taskQueues.workflows,
      args: [{ leases: {}, next: 9010, prefix: '10.0.1.' }],
    });
    await stage.begin();
  }

  test('is taken up where it was: the shadow that serves, its probation, the standby and the fenced primary', async () => {
    stage = await theatre.open(specOf('shop'));
    await stage.protected();
    const { hypervisor, dns } = stage.world;
    hypervisor.guests.get(101)!.crashed = true;
    await stage.report('shop/0', 'failed');
    await stage.until('another shadow', ({ instances }) => instances[2]?.state.kind === 'warm');
    await stage.until('the fence', ({ instances }) => instances[0]?.state.kind === 'fenced');
    await eventually('it is protected', () => hypervisor.guests.get(9001)?.protected === true);
    await stage.end();
    const before = { calls: [...hypervisor.calls], answers: dns.answers.length };

    await stage.work();
    await beginBesideWhatIsThere();
    const found = await stage.until('it is taken up', ({ phase }) => phase.kind === 'probation');
    expect(found.serving).toEqual(['shop/1']);
    expect(found.generation).toBe(2);
    expect(found.phase).toMatchObject({ kind: 'probation', former: 'shop/0' });
    expect(found.instances.map(({ id, role, state }) => `${id} ${role} ${state.kind}`).sort()).toEqual([
      'shop/0 primary fenced',
      'shop/1 shadow serving',
      'shop/2 shadow warm',
    ]);
    await eventually('it is told', () => stage.world.kinds().includes('found-again'));
    expect(dns.answers).toHaveLength(before.answers);

    hypervisor.guests.get(9001)!.crashed = true;
    await stage.report('shop/1', 'failed');
    await eventually('the next shadow serves', () => stage.answers().join() === '10.0.1.2');
    expect(dns.answers.at(-1)).toMatchObject({ generation: 3 });
    const clones = (calls: readonly string[]) => calls.filter((call) => call.startsWith('clone 101 -> 900'));
    expect(clones(hypervisor.calls)).toEqual(clones(before.calls));
  });

  test('is guarded by the shadow that was promoted, and the old primary stays retired', async () => {
    stage = theatre.stage(specOf('shop'));
    const { hypervisor, dns } = stage.world;
    const retired = { hostedVmId: 'shop', n: 0, role: 'retired', operation: 'shop/0', retiredAt: Date.now() } as const;
    hypervisor.add({ ...standing(0, 'retired'), vmid: 101, address: '10.0.0.11', power: 'stopped', marker: retired });
    hypervisor.add(standing(1, 'primary', { protected: true }));
    hypervisor.add(standing(3, 'shadow', { power: 'paused' }));
    dns.names.set('shop.example.test', {
      a: ['10.0.1.1'],
      aaaa: [],
      owner: 'shop',
      installation: dns.installation,
      generation: 7,
    });
    await stage.work();
    await beginBesideWhatIsThere();
    const found = await stage.until('it is taken up', ({ phase }) => phase.kind === 'guarded');
    expect(found.serving).toEqual(['shop/1']);
    expect(found.generation).toBe(7);
    expect(found.nextN).toBe(4);
    expect(found.instances.map(({ id, role, state }) => `${id} ${role} ${state.kind}`).sort()).toEqual([
      'shop/0 retired retired',
      'shop/1 primary serving',
      'shop/3 shadow warm',
    ]);
    expect(dns.answers).toEqual([]);
  });

  test('is left alone, with the command to type, when DNS names a guest that another hosted VM made', async () => {
    stage = theatre.stage(specOf('shop'));
    const { hypervisor, dns } = stage.world;
    const stranger = standing(1, 'shadow');
    hypervisor.add({ ...stranger, marker: { ...stranger.marker!, hostedVmId: 'blog' } });
    dns.names.set('shop.example.test', {
      a: ['10.0.1.1'],
      aaaa: [],
      owner: 'shop',
      installation: dns.installation,
      generation: 7,
    });
    await stage.work();
    await beginBesideWhatIsThere();
    const held = await stage.until('it is held', ({ trouble }) => trouble?.code === 'answers-elsewhere');
    expect(held.phase.kind).toBe('adopting');
    expect(held.trouble?.text).toContain('primary: { cluster: main, vmid: VMID, address: 10.0.1.1 }');
    expect(held.trouble?.text).toContain('umbra retire shop');
    expect(hypervisor.calls).toEqual([]);
    expect(dns.answers).toEqual([]);
  });
});
