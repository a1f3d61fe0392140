import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createProvisioningActivities } from '../../../src/activities/provisioning.ts';
import type { Deletion } from '../../../src/activities/provisioning.ts';
import type { Instance } from '../../../src/domain/instance.ts';
import { minuteMs } from '../../../src/domain/time.ts';
import type { HostedVmView } from '../../../src/domain/view.ts';
import { FakeNameServer } from '../../support/fake-name-server.ts';
import { specOf } from '../../support/spec-of.ts';
import { quietly } from '../../support/stage.ts';
import type { Lab } from '../proxmox/lab.ts';
import { openLab, ref, shadow } from '../proxmox/lab.ts';

jest.setTimeout(30_000);
quietly();

const retiredAt = Date.UTC(2026, 10, 1);
const spec = specOf('shop', { primary: { cluster: 'lab', vmid: 101 } });
const former: Instance = {
  ...{ id: 'shop/1', n: 1, role: 'retired', tier: 1, capacityQps: 100, cluster: 'lab', owned: true },
  ...{ vmid: 9001, address: '10.0.0.11', state: { kind: 'retired', since: retiredAt, deleteAt: retiredAt } },
};
const successor: Instance = {
  ...{ id: 'shop/2', n: 2, role: 'primary', tier: 1, capacityQps: 100, cluster: 'lab', owned: true },
  ...{ vmid: 9002, address: '10.0.0.12', state: { kind: 'serving', since: retiredAt } },
};

let lab: Lab;
let dns: FakeNameServer;
let view: Pick<HostedVmView, 'instances' | 'serving'> | undefined;
let answering: string[];

beforeEach(async () => {
  lab = await openLab();
  dns = new FakeNameServer();
  for (const name of spec.names) dns.add(name, successor.address!);
  view = { instances: [former, successor], serving: [successor.id] };
  answering = [successor.address!];
  const { marker } = shadow(1);
  await lab.hypervisor.ensureShadow({ ...shadow(1), marker: { ...marker, operation: former.id } });
  await lab.hypervisor.ensureMarked(
    ref(9001),
    { ...marker, operation: former.id, role: 'retired', retiredAt },
    { protected: false },
  );
});
afterEach(() => lab.close());

const remove = (change: Partial<Deletion> = {}): Promise<void> => {
  const { ensureDeleted } = createProvisioningActivities({
    hypervisorOf: () => Promise.resolve(lab.hypervisor),
    nameServerOf: () => Promise.resolve(dns),
    hostedVmOf: () => Promise.resolve(view as HostedVmView | undefined),
    probe: ({ address }) => Promise.resolve({ ok: answering.includes(address), latencyMs: 1, detail: 'a look' }),
  });
  const now = retiredAt + spec.policy.keepDiskMs;
  return new MockActivityEnvironment().run(ensureDeleted, {
    ...{ hostedVmId: 'shop', instance: former, spec, served: true, now },
    ...change,
  });
};
const exists = (): boolean => lab.sim.cluster.world.guests.has(9001);

describe('a former primary is deleted', () => {
  test('when nothing speaks against it, and again is as well', async () => {
    await remove();
    expect(exists()).toBe(false);
    await remove();
  });

  test.each<[string, string, () => unknown]>([
    ['an answer names it', 'in-answers', () => dns.add(spec.names[0]!, former.address!)],
    ['its hosted VM still counts on it', 'serving', () => void (view = { instances: [former], serving: [former.id] })],
    ['nobody has taken over', 'no-primary', () => void (view = undefined)],
    ['who took over does not answer', 'primary-unhealthy', () => void (answering = [])],
    ['its disk is to be kept', 'disk-kept', () => ({ now: retiredAt + spec.policy.keepDiskMs - 10 * minuteMs })],
  ])('not when %s', async (_, code, make) => {
    const change = (make() ?? {}) as Partial<Deletion>;
    await expect(remove(change)).rejects.toMatchObject({ type: code, nonRetryable: true });
    expect(exists()).toBe(true);
  });
});

test('one that never served goes at once, though its primary is down, but not out of an answer', async () => {
  answering = [];
  dns.add(spec.names[0]!, former.address!);
  await expect(remove({ served: false, now: retiredAt })).rejects.toMatchObject({ type: 'in-answers' });
  dns.add(spec.names[0]!, successor.address!);
  await remove({ served: false, now: retiredAt });
  expect(exists()).toBe(false);
});
