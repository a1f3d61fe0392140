import { expect, jest, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createFailoverActivities } from '../../../src/activities/failover.ts';
import type { LookAgainResult } from '../../../src/domain/hosted-vm/decision.ts';
import type { Instance } from '../../../src/domain/instance.ts';
import type { Situation } from '../../../src/planning/failover.ts';
import type { AgentView } from '../../../src/ports/hypervisor.ts';
import { FakeHypervisor } from '../../support/fake-hypervisor.ts';
import { FakeNameServer } from '../../support/fake-name-server.ts';
import { specOf } from '../../support/spec-of.ts';
import { quietly } from '../../support/stage.ts';

jest.setTimeout(30_000);
quietly();

const address = '10.0.0.11';
const primary: Instance = {
  id: 'shop/0',
  n: 0,
  role: 'primary',
  tier: 1,
  capacityQps: 100,
  cluster: 'main',
  vmid: 101,
  address,
  owned: true,
  state: { kind: 'serving', since: 0 },
};
const shadow: Instance = {
  ...primary,
  id: 'shop/1',
  n: 1,
  role: 'shadow',
  vmid: 9001,
  address: '10.0.1.1',
  state: { kind: 'warm', since: 0, warmth: 'hot' },
};

type World = { readonly lock?: string; readonly agent: () => Promise<AgentView>; readonly silentMs: number };

/** The look again at a primary that is silent, or refuses at once, while its guest may be in somebody's backup. */
async function lookAgain({ lock, agent, silentMs }: World) {
  const hypervisor = new FakeHypervisor('main');
  hypervisor.add({ vmid: 101, address });
  const asked: number[] = [];
  const seen = hypervisor.observeGuest.bind(hypervisor);
  Object.assign(hypervisor, {
    observeGuest: async (ref: { cluster: string; vmid: number }) => ({ ...(await seen(ref)), lock }),
    observeAgent: ({ vmid }: { vmid: number }) => {
      asked.push(vmid);
      return agent();
    },
  });
  const activities = createFailoverActivities({
    hypervisorOf: () => Promise.resolve(hypervisor),
    nameServerOf: () => Promise.resolve(new FakeNameServer()),
    probe: async (target) => {
      if (target.address !== address) return { ok: true, latencyMs: 1, detail: '200 OK' };
      await new Promise((resolve) => setTimeout(resolve, silentMs));
      return { ok: false, latencyMs: silentMs, detail: 'no answer' };
    },
  });
  const now = Date.now();
  const situation: Omit<Situation, 'looks' | 'frozen'> = {
    spec: specOf('shop'),
    finding: 'failed',
    troubled: ['shop/0'],
    verdict: { finding: 'failed', agree: 3, reporting: 3, sinceMs: now - 3_000, evidence: [] },
    ...{ quorum: 2, explained: false, serving: [primary], candidates: [shadow], evaluation: null, breaker: null },
    ...{ failoversAt: [], blockedUntil: 0, failoverTokens: 1, now },
  };
  const startedAt = performance.now();
  const looked: Promise<LookAgainResult> = new MockActivityEnvironment().run(activities.lookAgain, situation);
  return { decision: (await looked).decision, asked, tookMs: performance.now() - startedAt };
}

const frozen = (): Promise<AgentView> => Promise.resolve({ kind: 'ready', frozen: true, addresses: [] });
const thawed = (): Promise<AgentView> => Promise.resolve({ kind: 'ready', frozen: false, addresses: [] });

test('a guest that is silent because a backup holds its file systems is waited for', async () => {
  const { decision } = await lookAgain({ lock: 'backup', agent: frozen, silentMs: 400 });
  expect(decision).toMatchObject({ kind: 'hold', reason: { code: 'frozen' } });
});

test('one that is silent in a backup that holds nothing fails over, and so does one whose agent is silent too', async () => {
  expect((await lookAgain({ lock: 'backup', agent: thawed, silentMs: 400 })).decision.kind).toBe('move');
  const hung = await lookAgain({ lock: 'backup', agent: () => new Promise(() => undefined), silentMs: 400 });
  expect(hung.decision.kind).toBe('move');
  expect(hung.tookMs).toBeLessThan(2_000);
});

test('the agent of a guest that nobody backs up is not asked, and one that refuses is not waited for', async () => {
  const plain = await lookAgain({ agent: frozen, silentMs: 400 });
  expect(plain).toMatchObject({ decision: { kind: 'move' }, asked: [] });
  const refusing = await lookAgain({ lock: 'backup', agent: () => new Promise(() => undefined), silentMs: 1 });
  expect(refusing.decision.kind).toBe('move');
  expect(refusing.tookMs).toBeLessThan(350);
});
