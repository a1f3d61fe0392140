import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import { startSimulator } from '../../../src/sim/simulator.ts';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { documentedWorld } from '../../support/documented-world.ts';
import { ask, eventually, virtualCluster } from './client.ts';

type Form = Record<string, string | number>;
const world2 = resolve(import.meta.dirname, '../../fixtures/proxmox/world-2');
const of300 = '/nodes/pve1/qemu/300/firewall';
const rules = `${of300}/rules`;

describe('the firewall of a guest', () => {
  let sim: Simulator;
  beforeEach(async () => {
    sim = await virtualCluster(world2);
  });
  afterEach(() => sim.close());
  const tokenOf = (who: 'root' | 'limited') =>
    sim.tokens.find(({ id }) => id === (who === 'root' ? 'root@pam!full' : 'umbra@pve!umbra'))!;
  const call = (method: string, path: string, form?: Form, who: 'root' | 'limited' = 'root') =>
    ask(sim, method, path, form, tokenOf(who));

  const drop = { type: 'in', action: 'DROP' };
  test.each<[string, string, Form, number, string | Record<string, string>]>([
    ['PUT', `${of300}/options`, { delete: 'nope' }, 400, { delete: "no such option 'nope'" }],
    [
      'PUT',
      `${of300}/options`,
      { enable: 1, digest: 'f'.repeat(40) },
      500,
      'detected modified configuration - file changed by other user? Try again.',
    ],
    [
      'PUT',
      `${of300}/options`,
      { policy_in: 'MAYBE' },
      400,
      { policy_in: "value 'MAYBE' does not have a value in the enumeration 'ACCEPT, REJECT, DROP'" },
    ],
    ['POST', rules, { type: 'in' }, 400, { action: 'property is missing and it is not optional' }],
    ['POST', rules, { type: 'in', action: 'X' }, 400, { action: 'value does not match the regex pattern' }],
    ['POST', rules, { type: 'in', action: 'NOPE' }, 400, { action: "unknown action 'NOPE'" }],
    ['POST', rules, { ...drop, iface: 'eth0' }, 400, { iface: "value does not match the regex pattern 'net\\d+'" }],
    ['POST', rules, { ...drop, macro: 'Nope' }, 400, { macro: "unknown macro 'Nope'" }],
    ['POST', rules, { ...drop, dport: '80' }, 400, { proto: "missing property - 'dport' requires this property" }],
    ['POST', rules, { ...drop, proto: 'esp', dport: '80' }, 400, { dport: "protocol 'esp' does not support ports" }],
    ['POST', rules, { ...drop, source: '+web' }, 400, { source: "no such ipset 'web'" }],
    ['POST', rules, { ...drop, source: 'office' }, 400, { source: "no such alias 'office'" }],
    ['PUT', `${rules}/3`, { enable: 0 }, 500, 'no rule at position 3'],
    ['DELETE', `${rules}/0`, {}, 500, 'no rule at position 0'],
    ['GET', `${of300}/aliases/office`, {}, 400, { name: 'no such alias' }],
    ['GET', `${of300}/ipset/web`, {}, 500, "no such IPSet 'web'"],
    [
      'POST',
      `${of300}/aliases`,
      { name: 'x', cidr: '10.0.0.1' },
      400,
      { name: 'value does not match the regex pattern' },
    ],
  ])('%s %s %j is refused', async (method, path, form, status, why) => {
    const answer = await call(method, path, method === 'GET' || method === 'DELETE' ? undefined : form);
    expect([answer.status, answer.errors ?? answer.reason]).toEqual([status, why]);
  });

  test.each<[string, string, Form | undefined, string]>([
    ['GET', '/nodes/pve1/qemu/300/firewall/options', undefined, '/vms/300, VM.Audit'],
    ['POST', '/nodes/pve1/qemu/300/firewall/rules', drop, '/vms/300, VM.Config.Network'],
    ['GET', '/nodes/pve1/qemu/101/firewall/log', undefined, '/vms/101, VM.Console'],
    ['PUT', '/cluster/firewall/options', { enable: 1 }, '/, Sys.Modify'],
    ['GET', '/nodes/pve1/firewall/options', undefined, '/nodes/pve1, Sys.Audit'],
  ])('%s %s needs a right that the limited token lacks', async (method, path, form, what) => {
    expect(await call(method, path, form, 'limited')).toMatchObject({
      status: 403,
      reason: `Permission check failed (${what})`,
    });
  });

  test('a new rule is the first and is off until it is told to be on; a place to move to is one of now', async () => {
    for (const dport of ['1', '2', '3']) await call('POST', rules, { ...drop, proto: 'tcp', dport });
    const order = async () =>
      ((await call('GET', rules)).data as { dport: string }[]).map(({ dport }) => dport).join('');
    expect((await call('GET', `${rules}/0`)).data).toMatchObject({ enable: 0, dport: '3', pos: '0' });
    expect(await order()).toBe('321');
    await call('PUT', `${rules}/0`, { moveto: 2 });
    expect(await order()).toBe('231');
    await call('PUT', `${rules}/2`, { moveto: 0 });
    expect(await order()).toBe('123');
    await call('PUT', `${rules}/0`, { moveto: 3 });
    expect(await order()).toBe('231');
    await call('PUT', `${rules}/0`, { delete: 'dport,proto', comment: 'all' });
    expect((await call('GET', `${rules}/0`)).data).not.toHaveProperty('dport');
    expect(await call('PUT', `${rules}/0`, { delete: 'type' })).toMatchObject({
      errors: { delete: "unable to delete required property 'type'" },
    });
  });

  test('sets and aliases are named by rules, listed as references, and kept until they are empty', async () => {
    await call('POST', `${of300}/aliases`, { name: 'Office', cidr: '192.0.2.7', comment: 'here' });
    expect(await call('POST', `${of300}/aliases`, { name: 'office', cidr: '192.0.2.8' })).toMatchObject({
      errors: { name: "alias 'office' already exists" },
    });
    await call('POST', `${of300}/ipset`, { name: 'web' });
    await call('POST', `${of300}/ipset/web`, { cidr: '10.0.0.0/8' });
    expect(await call('POST', `${of300}/ipset/web`, { cidr: '0.0.0.0/0' })).toMatchObject({ status: 400 });
    expect((await call('GET', `${of300}/ipset/web/10.0.0.0/8`)).data).toMatchObject({ cidr: '10.0.0.0/8' });
    expect(await call('POST', rules, { ...drop, source: '+guest/web', dest: 'OFFICE' })).toMatchObject({ status: 200 });
    expect((await call('GET', `${of300}/refs`)).data).toEqual([
      { type: 'ipset', name: 'web', ref: '+guest/web', scope: 'guest' },
      { type: 'alias', name: 'Office', ref: 'guest/Office', scope: 'guest', comment: 'here' },
    ]);
    expect(await call('DELETE', `${of300}/ipset/web`)).toMatchObject({ reason: "IPSet 'web' is not empty" });
    expect(await call('DELETE', `${of300}/ipset/web/10.0.0.0/8`)).toMatchObject({ status: 200 });
    expect(await call('DELETE', `${of300}/ipset/web`)).toMatchObject({ status: 200 });
  });

  test('goes along with a clone, and away with the guest', async () => {
    await call('PUT', '/nodes/pve1/qemu/9000/firewall/options', { enable: 1, policy_in: 'DROP' });
    const { data } = await call('POST', '/nodes/pve1/qemu/9000/clone', { newid: 9100 });
    await sim.cluster.tasks.find(String(data))!.ended;
    expect((await call('GET', '/nodes/pve1/qemu/9100/firewall/options')).data).toMatchObject({ policy_in: 'DROP' });
    const gone = await call('DELETE', '/nodes/pve1/qemu/9100');
    await sim.cluster.tasks.find(String(gone.data))!.ended;
    expect((await call('GET', '/nodes/pve1/qemu/9100/firewall/options')).data).not.toHaveProperty('policy_in');
  });
});

describe('a fence by firewall', () => {
  const guestPort = 19_000 + (process.pid % 700);
  let sim: Simulator;
  beforeEach(async () => {
    const { world } = documentedWorld({ network: '127.78.0.' });
    const { current } = world.guests.get(101)!.config;
    current['net0'] = `${current['net0']!},firewall=1`;
    sim = await startSimulator({
      world,
      host: '127.0.0.1',
      port: 0,
      tls: false,
      guestPort,
      timing: { bootMs: 50, firewallPeriodMs: 50 },
    });
    await eventually(probe, (seen) => seen === '200');
  });
  afterEach(() => sim.close());

  /** What a new connection to the guest sees within a quarter of a second. */
  async function probe(): Promise<string> {
    try {
      const response = await fetch(`http://127.78.0.101:${guestPort}/healthz`, {
        signal: AbortSignal.timeout(250),
        headers: { connection: 'close' },
      });
      await response.arrayBuffer();
      return String(response.status);
    } catch (error) {
      return (error as { name: string }).name === 'TimeoutError' ? 'silent' : 'refused';
    }
  }
  const firewall = sim101('firewall/options');
  function sim101(path: string): string {
    return `/nodes/pve1/qemu/101/${path}`;
  }

  test('holds once datacenter, guest and card all want it, and ends when one does not', async () => {
    // The demonstration's token has no right to the datacenter's firewall: an administrator turns it on.
    const turn = (on: string): void => {
      sim.cluster.world.firewalls.set('firewall/cluster.fw', {
        options: { enable: on },
        aliases: new Map(),
        sets: new Map(),
        rules: [],
      });
    };
    await ask(sim, 'PUT', firewall, { enable: 1, policy_in: 'DROP', policy_out: 'DROP' });
    sim.cluster.firewalls.apply();
    expect(await probe()).toBe('200');
    turn('1');
    await eventually(probe, (seen) => seen === 'silent');
    await ask(sim, 'PUT', firewall, { policy_in: 'REJECT' });
    await eventually(probe, (seen) => seen === 'refused');
    await ask(sim, 'POST', sim101('firewall/rules'), { type: 'in', action: 'ACCEPT', enable: 1 });
    await eventually(probe, (seen) => seen === '200');
    await ask(sim, 'DELETE', sim101('firewall/rules/0'));
    await eventually(probe, (seen) => seen === 'refused');
    turn('0');
    await eventually(probe, (seen) => seen === '200');
  });

  test('holds for a guest that a backup has locked, where its link cannot be taken down', async () => {
    await sim.fault('vm 101 lock backup');
    const card = sim.cluster.world.guests.get(101)!.config.current['net0']!;
    expect(await ask(sim, 'PUT', sim101('config'), { net0: `${card},link_down=1` })).toMatchObject({
      reason: 'VM is locked (backup)',
    });
    expect(await ask(sim, 'PUT', firewall, { enable: 1 })).toMatchObject({ status: 200 });
    await sim.fault('vm 101 unlock');
    expect(await ask(sim, 'PUT', sim101('config'), { net0: `${card},link_down=1` })).toMatchObject({ status: 200 });
    expect(await probe()).toBe('silent');
  });
});
