import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { ask, virtualCluster } from './client.ts';

type Form = Record<string, string | number>;
const world2 = resolve(import.meta.dirname, '../../fixtures/proxmox/world-2');

let sim: Simulator;
beforeEach(async () => {
  sim = await virtualCluster(world2);
});
afterEach(() => sim.close());
const call = (method: string, path: string, form?: Form) =>
  ask(
    sim,
    method,
    path,
    form,
    sim.tokens.find(({ id }) => id === 'root@pam!full'),
  );

const apart = { rule: 'r1', type: 'resource-affinity', affinity: 'negative' };
test.each<[string, Form, string]>([
  ['one resource', { ...apart, resources: 'vm:301' }, "400 Rule 'r1' is invalid."],
  ['more resources than nodes', { ...apart, resources: 'vm:300,vm:301,vm:302,vm:303' }, "400 Rule 'r1' is invalid."],
  ['what another rule keeps together', { ...apart, resources: 'vm:300,vm:301' }, "400 Rule 'r1' is invalid."],
  [
    'a node that is not there',
    { rule: 'r1', type: 'node-affinity', resources: 'vm:300', nodes: 'pve9' },
    'cannot use non-existent node(s) pve9.',
  ],
])('a rule for %s is refused', async (_, form, why) => {
  for (const vmid of [300, 301, 302, 303]) await call('POST', '/cluster/ha/resources', { sid: `vm:${vmid}` });
  const together = { rule: 'r0', type: 'resource-affinity', affinity: 'positive', resources: 'vm:300,vm:301' };
  expect(await call('POST', '/cluster/ha/rules', together)).toMatchObject({ status: 200 });
  expect(await call('POST', '/cluster/ha/rules', form)).toMatchObject({
    status: 500,
    reason: `create ha rule failed: ${why}`,
  });
});

test('a manager that is disarmed says in which mode, and holds no watchdog; what it ignores it does not manage', async () => {
  await call('POST', '/cluster/ha/resources', { sid: 'vm:301', state: 'stopped', comment: 'rec' });
  const rows = async () => (await call('GET', '/cluster/ha/status/current')).data as Record<string, unknown>[];
  expect(await rows()).toContainEqual(expect.objectContaining({ type: 'service', sid: 'vm:301', comment: 'rec' }));
  await call('POST', '/cluster/ha/status/disarm-ha', { 'resource-mode': 'freeze' });
  const disarmed = await rows();
  expect(disarmed).toContainEqual(
    expect.objectContaining({
      type: 'fencing',
      'armed-state': 'disarmed',
      resource_mode: 'freeze',
      status: 'disarmed, resource mode: freeze (CRM watchdog released)',
    }),
  );
  expect(disarmed.find(({ id }) => id === 'lrm:pve1')?.['status']).toMatch(
    /^pve1 \(disarm mode, watchdog released, \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\)$/,
  );
  await call('PUT', '/cluster/ha/resources/vm:301', { state: 'ignored' });
  expect((await call('GET', '/nodes/pve1/qemu/301/status/current')).data).toMatchObject({ ha: { managed: 0 } });
});

test('a move to a node that nobody knows is asked of the manager, and changes nothing', async () => {
  await call('POST', '/cluster/ha/resources', { sid: 'vm:301' });
  expect(await call('POST', '/cluster/ha/resources/vm:301/migrate', { node: 'pve9' })).toMatchObject({ status: 200 });
  await sim.advance(30_000);
  expect(sim.cluster.world.guests.get(301)!.node).toBe('pve1');
});
