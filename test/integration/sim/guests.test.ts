import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startSimulator } from '../../../src/sim/simulator.ts';
import { documentedWorld, withAdministrator } from '../../support/documented-world.ts';
import type { Simulator } from '../../../src/sim/simulator.ts';
import { ask, done, eventually } from './client.ts';

/** A port of its own and a network of its own, so that a demonstration may run meanwhile. */
const guestPort = 18_200 + (process.pid % 700);

/** What a health probe sees within half a second. */
async function probe(vmid: number): Promise<string> {
  try {
    const response = await fetch(`http://127.77.0.${vmid}:${guestPort}/healthz`, { signal: AbortSignal.timeout(500) });
    return `${response.status} ${((await response.json()) as { hostname: string }).hostname}`;
  } catch (error) {
    const { name, cause } = error as { name: string; cause?: { code?: string } };
    return name === 'TimeoutError' ? 'silent' : (cause?.code ?? 'broken');
  }
}

describe('guests', () => {
  let sim: Simulator;
  beforeEach(async () => {
    const { world } = documentedWorld({ network: '127.77.0.' });
    sim = await startSimulator({
      world: withAdministrator(world),
      host: '127.0.0.1',
      port: 0,
      tls: false,
      guestPort,
      timing: { bootMs: 200, startMs: 50, unreachableMs: 50, firstUnreachableMs: 200 },
    });
    await eventually(
      () => probe(101),
      (seen) => seen === '200 shop',
    );
  });
  afterEach(() => sim.close());

  test('serve on their address, and every trouble looks as it should from outside', async () => {
    await sim.fault('vm 101 hang');
    expect(await probe(101)).toBe('silent');
    await sim.fault('vm 101 ok');
    expect(await probe(101)).toBe('200 shop');
    await sim.fault('vm 101 lose-disk');
    expect(await probe(101)).toBe('503 shop');
    await sim.fault('vm 101 overload');
    expect(await probe(101)).toBe('silent');
    await sim.fault('vm 101 crash');
    await eventually(
      () => probe(101),
      (seen) => seen === 'ECONNREFUSED',
    );
    expect((await ask(sim, 'GET', '/nodes/pve1/qemu/101/status/current')).data).toMatchObject({ status: 'stopped' });
    expect(await done(sim, 'POST', '/nodes/pve1/qemu/101/status/start')).toBe('OK');
    await eventually(
      () => probe(101),
      (seen) => seen === '200 shop',
    );
  });

  test('a paused guest accepts and is silent, a resumed one answers at once', async () => {
    expect(await done(sim, 'POST', '/nodes/pve1/qemu/101/status/suspend')).toBe('OK');
    expect(await probe(101)).toBe('silent');
    expect((await ask(sim, 'GET', '/nodes/pve1/qemu/101/status/current')).data).toMatchObject({
      status: 'running',
      qmpstatus: 'paused',
    });
    expect(await ask(sim, 'POST', '/nodes/pve1/qemu/101/status/shutdown')).toMatchObject({
      reason: 'VM is paused - cannot shutdown',
    });
    expect(await done(sim, 'POST', '/nodes/pve1/qemu/101/status/resume')).toBe('OK');
    expect(await probe(101)).toBe('200 shop');
  });

  test('are gone with their node, and its API with it, until the power is back', async () => {
    await eventually(
      () => probe(104),
      (seen) => seen === '200 mail',
    );
    expect(await sim.fault('node pve1 off')).toMatch(/pve1 is off/);
    await eventually(
      () => probe(101),
      (seen) => seen === 'ECONNREFUSED',
    );
    await eventually(
      () => ask(sim, 'GET', '/version').catch(() => undefined),
      (seen) => seen === undefined,
    );
    const other = { ...sim, url: sim.endpoints.find(({ node }) => node === 'pve2')!.url };
    expect((await ask(other, 'GET', '/nodes/pve1/qemu')).status).toBe(595);
    await sim.fault('node pve1 on');
    await eventually(
      () => probe(101),
      (seen) => seen === '200 shop',
    );
    expect((await ask(sim, 'GET', '/version')).status).toBe(200);
  });

  test('follow their load: CPU rises with it, answers get slow when it is too much', async () => {
    sim.setLoad(101, 90, 100);
    expect((await ask(sim, 'GET', '/nodes/pve1/qemu/101/status/current')).data).toMatchObject({
      cpu: expect.closeTo(0.9, 1),
    });
    sim.setLoad(101, 130, 100);
    expect(await probe(101)).toBe('silent');
    sim.setLoad(101, 10, 100);
    expect(await probe(101)).toBe('200 shop');
  });

  test('with a serial number say that they live, and stop saying so when they hang', async () => {
    const beats: { instance: string; token: string; load: { qps: number } }[] = [];
    const server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        beats.push(JSON.parse(text) as (typeof beats)[number]);
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const serial = Buffer.from('shop/1:secret').toString('base64');
    await done(sim, 'POST', '/nodes/pve1/qemu/101/status/stop');
    await ask(sim, 'PUT', '/nodes/pve1/qemu/101/config', { smbios1: `base64=1,serial=${serial}` });
    await done(sim, 'POST', '/nodes/pve1/qemu/101/status/start');
    sim.setHeartbeatUrl(`http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/heartbeats`);
    await eventually(
      () => beats.length,
      (count) => count > 0,
    );
    expect(beats[0]).toMatchObject({ instance: 'shop/1', token: 'secret', load: { qps: 0 } });
    await sim.fault('vm 101 hang');
    const heard = beats.length;
    // Another guest's beat proves that a whole period has passed.
    await done(sim, 'POST', '/nodes/pve1/qemu/104/status/stop');
    await ask(sim, 'PUT', '/nodes/pve1/qemu/104/config', { smbios1: 'serial=bWFpbC8xOnNlY3JldA==,base64=1' });
    await done(sim, 'POST', '/nodes/pve1/qemu/104/status/start');
    await eventually(
      () => beats.filter(({ instance }) => instance === 'mail/1').length,
      (count) => count >= 2,
    );
    expect(beats.filter(({ instance }) => instance === 'shop/1').length).toBeLessThanOrEqual(heard + 1);
    server.close();
  });

  test('that do not hear the power button keep the shutdown waiting, until somebody interrupts it', async () => {
    await sim.fault('vm 101 hang');
    const { data } = await ask(sim, 'POST', '/nodes/pve1/qemu/101/status/shutdown', { timeout: 300 });
    const task = `/nodes/pve1/tasks/${encodeURIComponent(String(data))}`;
    expect((await ask(sim, 'GET', `${task}/status`)).data).toMatchObject({ status: 'running' });
    // The same guest is locked meanwhile; a stop that overrules ends the shutdown.
    expect(await done(sim, 'POST', '/nodes/pve1/qemu/101/status/stop', { 'overrule-shutdown': 1 })).toBe('OK');
    expect((await ask(sim, 'GET', `${task}/status`)).data).toMatchObject({ exitstatus: 'received interrupt' });
    expect((await ask(sim, 'GET', `${task}/log`)).data).toEqual([
      { n: 1, t: "QEMU Guest Agent is not running - VM 101 qga command 'guest-ping' failed - got timeout" },
      { n: 2, t: 'TASK ERROR: received interrupt' },
    ]);
  });

  test('are reached by faults from another process', async () => {
    const post = (command: string): Promise<Response> =>
      fetch(`${sim.controlUrl}/umbra-sim/fault`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ command }),
      });
    expect(await (await post('vm 101 crash')).json()).toEqual({ now: expect.stringContaining('VM 101 has crashed') });
    const wrong = await post('vm 4711 crash');
    expect(wrong.status).toBe(400);
    expect(await wrong.json()).toEqual({ error: expect.stringMatching(/no VM 4711.*Usage: vm <vmid>/) });
  });
});
