import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createAdoptionActivities } from '../../../src/activities/adoption.ts';
import { adoptingState } from '../../../src/domain/hosted-vm/begin.ts';
import { withFoundAgain } from '../../../src/domain/hosted-vm/finding-again.ts';
import { FakeNameServer } from '../../support/fake-name-server.ts';
import { specOf } from '../../support/spec-of.ts';
import { quietly } from '../../support/stage.ts';
import type { Lab } from './lab.ts';
import { marker, openLab, ref, shadow } from './lab.ts';

jest.setTimeout(30_000);
quietly();

const spec = specOf('shop', { primary: { cluster: 'lab', vmid: 101, address: '10.0.0.101' } });
let lab: Lab;
let dns: FakeNameServer;

beforeEach(async () => {
  lab = await openLab();
  dns = new FakeNameServer();
  await lab.hypervisor.ensureMarked(ref(101), marker(0, 'primary'), { protected: true });
  for (const n of [1, 2]) await lab.hypervisor.ensureShadow(shadow(n));
  await lab.hypervisor.ensureShadow(shadow(3, { marker: marker(1, 'shadow', 'blog') }));
  await lab.hypervisor.ensurePower(ref(9001), 'running');
  await lab.hypervisor.ensureFenced(ref(101));
});
afterEach(() => lab.close());

type Adoption = ReturnType<typeof createAdoptionActivities>;

const adopt = (of = spec): ReturnType<Adoption['ensureAdopted']> => {
  const { ensureAdopted } = createAdoptionActivities({
    hypervisorOf: () => Promise.resolve(lab.hypervisor),
    nameServerOf: () => Promise.resolve(dns),
  });
  return new MockActivityEnvironment().run(ensureAdopted, of);
};
const answers = (address: string): void => {
  dns.names.set(spec.names[0]!, {
    a: [address],
    aaaa: [],
    owner: 'shop',
    installation: dns.installation,
    generation: 5,
  });
};

test('what the markers on Proxmox and the answers in DNS agree on is taken up, and nothing is written', async () => {
  answers('10.0.0.11');
  const config = { ...lab.sim.cluster.world.guests.get(9001)!.config.current };
  const found = await adopt();
  if (found.kind !== 'found-again') throw new Error(`${found.kind} instead of found again`);
  const taken = withFoundAgain(adoptingState(spec, 1, 2, 1_000), found, 2_000);
  if (taken.kind === 'refused') throw new Error(taken.reason.text);
  const { instances, serving, generation, phase, nextN } = taken.state;
  expect({ serving, generation, nextN }).toEqual({ serving: ['shop/1'], generation: 5, nextN: 3 });
  expect(phase).toMatchObject({ kind: 'probation', former: 'shop/0', endsAt: 2_000 + spec.policy.probationMs });
  expect(instances.map(({ id, vmid, tier, state }) => [id, vmid, tier, state.kind])).toEqual([
    ['shop/1', 9001, 2, 'serving'],
    ['shop/0', 101, 1, 'fenced'],
    ['shop/2', 9002, 2, 'warm'],
  ]);
  expect(instances.find(({ id }) => id === 'shop/2')?.state).toMatchObject({ warmth: 'stopped' });
  expect(lab.sim.cluster.world.guests.get(9001)!.config.current).toEqual(config);
  expect(dns.answers).toEqual([]);
});

test('a clone that was never finished is found as retired, without the address of its source, and its number is taken', async () => {
  answers('10.0.0.11');
  const { config } = lab.sim.cluster.world.guests.get(9002)!;
  config.current['description'] = `${config.current['description']!} configured=no`;
  config.current['ipconfig0'] = 'ip=10.0.0.11/24';
  const found = await adopt();
  if (found.kind !== 'found-again') throw new Error(`${found.kind} instead of found again`);
  const taken = withFoundAgain(adoptingState(spec, 1, 2, 1_000), found, 2_000);
  if (taken.kind === 'refused') throw new Error(taken.reason.text);
  expect(taken.state).toMatchObject({ serving: ['shop/1'], nextN: 3 });
  const half = taken.state.instances.find(({ id }) => id === 'shop/2')!;
  expect(half).toMatchObject({ role: 'retired', state: { kind: 'retired' } });
  expect(half.address).toBeUndefined();
});

test("another hosted VM's guest that answers is nobody to take up: what to type is said", async () => {
  answers('10.0.0.13');
  const found = await adopt();
  if (found.kind !== 'found-again') throw new Error(`${found.kind} instead of found again`);
  const refused = withFoundAgain(adoptingState(spec, 1, 2, 1_000), found, 2_000);
  if (refused.kind !== 'refused') throw new Error('taken up');
  expect(refused.reason.code).toBe('answers-elsewhere');
  expect(refused.reason.text).toContain('primary: { cluster: lab, vmid: VMID, address: 10.0.0.13 }');
});

test('a guest that the inventory names as the primary instead of the original is the primary', async () => {
  answers('10.0.0.11');
  const renamed = specOf('shop', { primary: { cluster: 'lab', vmid: 9001, address: '10.0.0.11' } });
  const found = await adopt(renamed);
  if (found.kind !== 'found-again') throw new Error(`${found.kind} instead of found again`);
  const taken = withFoundAgain(adoptingState(renamed, 2, 2, 1_000), found, 2_000);
  if (taken.kind === 'refused') throw new Error(taken.reason.text);
  expect(taken.state.phase.kind).toBe('guarded');
  expect(taken.state.instances.map(({ id, vmid, role }) => [id, vmid, role])).toEqual([
    ['shop/0', 9001, 'primary'],
    ['shop/2', 9002, 'shadow'],
  ]);
});

test('names that nobody holds are claimed for the primary as ever, whatever guests there are', async () => {
  dns.add(spec.names[0]!, '10.0.0.101');
  expect(await adopt()).toMatchObject({ kind: 'adopted', address: '10.0.0.101', generation: 1 });
});
