import { afterEach, describe, expect, test } from '@jest/globals';
import { heartbeatSerial, instanceOfSerial } from '../../../src/api/heartbeat-serial.ts';
import { ask, startWorld } from './harness.ts';
import type { World } from './harness.ts';

const secret = Buffer.from('a secret that is long enough for us');
const path = '/api/v1/heartbeats';

let world: World;
afterEach(() => world.api.close());

describe("a guest's heartbeat", () => {
  test('is taken with its serial as bearer token, and carries load', async () => {
    world = await startWorld({ heartbeatSecret: secret });
    const headers = { authorization: `Bearer ${heartbeatSerial(secret, 'shop/1')}` };
    const reply = await ask(world.api.url, path, { headers, body: { load: { qps: 12, cpu: 0.5 } } });
    expect([reply.status, reply.json()]).toEqual([200, { instance: 'shop/1' }]);
    expect(world.beats.get('shop/1')).toEqual({ instance: 'shop/1', at: 1_000_000, load: { qps: 12, cpu: 0.5 } });
  });

  test('is taken with instance and token in its body', async () => {
    world = await startWorld({ heartbeatSecret: secret });
    const [instance, token] = heartbeatSerial(secret, 'shop/1').split(':');
    expect((await ask(world.api.url, path, { body: { instance, token, finding: 'overloaded' } })).status).toBe(200);
    expect(world.beats.get('shop/1')?.finding).toBe('overloaded');
  });

  test.each([
    ['no token', undefined],
    ['a wrong token', 'shop/1:wrong-token-of-somebody'],
    ['the token of another instance', heartbeatSerial(secret, 'shop/2').replace('shop/2', 'shop/1')],
    ['a token made with another secret', heartbeatSerial(Buffer.from('other'), 'shop/1')],
    ['an instance that is none', 'shop:x'],
  ])('is refused with %s, and the log does not hold it', async (_what, serial) => {
    world = await startWorld({ heartbeatSecret: secret });
    const headers: Record<string, string> = serial === undefined ? {} : { authorization: `Bearer ${serial}` };
    const reply = await ask(world.api.url, path, { headers, body: {} });
    expect(reply.status).toBe(401);
    expect(world.beats.size).toBe(0);
    const log = world.logged.join('\n');
    expect(log).toContain('heartbeat with a wrong token');
    if (serial !== undefined) {
      expect(log + reply.text).not.toContain(serial.split(':')[1]);
    }
  });

  test('has a listener of its own, on which there is nothing else', async () => {
    world = await startWorld({ heartbeatSecret: secret, heartbeats: { host: '127.0.0.1', port: 0 } });
    const url = world.api.heartbeatUrl ?? '';
    const headers = { authorization: `Bearer ${heartbeatSerial(secret, 'shop/1')}` };
    expect((await ask(url, path, { headers, body: {} })).status).toBe(200);
    expect((await ask(url, '/api/v1/hosted-vms')).status).toBe(404);
    expect((await ask(url, '/api/v1/inventory', { body: { text: '' } })).status).toBe(404);
  });

  test('is refused politely where no secret is set', async () => {
    world = await startWorld();
    expect((await ask(world.api.url, path, { body: {} })).status).toBe(503);
  });
});

test('a serial names its instance only when it is unchanged', async () => {
  world = await startWorld();
  const serial = heartbeatSerial(secret, 'shop/1');
  expect(instanceOfSerial(secret, serial)).toBe('shop/1');
  for (const wrong of [serial.slice(0, -1), `${serial}x`, serial.replace('shop/1', 'shop/11'), '', ':', 'shop/1:']) {
    expect(instanceOfSerial(secret, wrong)).toBeUndefined();
  }
});
