import type { HostedVmView } from '../../src/domain/view.ts';

/** A hosted VM that is served by its primary and has one hot shadow. */
export function exampleView(id: string): HostedVmView {
  const instance = { tier: 1, capacityQps: 400, cluster: 'lab', node: 'pve1', owned: true } as const;
  return {
    id,
    names: [`${id}.example.com`],
    storageClass: 'stateless',
    mode: 'act',
    state: 'protected',
    sentence: `${id} is served by its primary 101; one shadow is ready`,
    phase: { kind: 'guarded', since: 0 },
    paused: null,
    instances: [
      {
        ...instance,
        id: `${id}/0`,
        n: 0,
        role: 'primary',
        vmid: 101,
        address: '10.0.0.11',
        state: { kind: 'serving', since: 0 },
      },
      {
        ...instance,
        id: `${id}/1`,
        n: 1,
        role: 'shadow',
        vmid: 9001,
        address: '10.0.0.101',
        state: { kind: 'warm', since: 0, warmth: 'hot' },
      },
    ],
    serving: [`${id}/0`],
    capacityQps: 400,
    evaluation: null,
    generation: 1,
    probationEndsAt: null,
    revision: 1,
    at: 1_000,
  };
}
