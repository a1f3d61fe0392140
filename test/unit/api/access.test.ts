import { afterEach, describe, expect, test } from '@jest/globals';
import { runApi } from '../../../src/composition.ts';
import { loadConfig } from '../../../src/config.ts';
import { makeToken, parseTokenFile } from '../../../src/api/tokens.ts';
import type { Role } from '../../../src/api/tokens.ts';
import { exampleView } from '../../support/example-view.ts';
import { ask, startWorld } from './harness.ts';
import type { World } from './harness.ts';

let world: World;
afterEach(() => world.api.close());

const evil = 'http://evil.example';

describe('a listener on loopback', () => {
  test('needs no token', async () => {
    world = await startWorld();
    world.views.set('shop', exampleView('shop'));
    const reply = await ask(world.api.url, '/api/v1/hosted-vms');
    expect(reply.status).toBe(200);
    expect(reply.json<{ id: string }[]>().map(({ id }) => id)).toEqual(['shop']);
  });

  test.each([
    ['a name that was pointed at 127.0.0.1', { host: 'evil.example' }],
    ['a name with a port', { host: 'evil.example:8080' }],
    ['another origin', { origin: evil }],
    ['an opaque origin', { origin: 'null' }],
    ['a page on another port', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' }],
    ['another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }],
  ])('refuses %s, whatever is asked', async (_what, headers) => {
    world = await startWorld();
    world.views.set('shop', exampleView('shop'));
    const reads = await ask(world.api.url, '/api/v1/hosted-vms', { headers: headers });
    const acts = await ask(world.api.url, '/api/v1/hosted-vms/shop/commands/failover', {
      headers: headers,
      body: {},
    });
    expect([reads.status, acts.status]).toEqual([403, 403]);
    expect(world.asked.filter(({ message }) => message === 'failover')).toEqual([]);
    expect(reads.headers['access-control-allow-origin']).toBeUndefined();
  });

  test('takes its own page, and a name that was configured', async () => {
    world = await startWorld({ access: { tokens: [], hosts: ['umbra.example.com'] } });
    const own = new URL(world.api.url);
    const same = await ask(world.api.url, '/api/v1/hosted-vms', { headers: { origin: own.origin, host: own.host } });
    const named = await ask(world.api.url, '/api/v1/hosted-vms', { headers: { host: 'umbra.example.com' } });
    const local = await ask(world.api.url, '/api/v1/hosted-vms', { headers: { host: `localhost:${own.port}` } });
    expect([same.status, named.status, local.status]).toEqual([200, 200, 200]);
  });

  test('a form of another page cannot post a command: only JSON is taken', async () => {
    world = await startWorld();
    const reply = await ask(world.api.url, '/api/v1/hosted-vms/shop/commands/failover', {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: {},
    });
    expect(reply.status).toBe(415);
  });
});

describe('any other listener', () => {
  const made = Object.fromEntries(
    (['edge', 'viewer', 'operator', 'admin'] as const).map((role) => [role, makeToken(role, `${role}-ada`)]),
  ) as Record<Role, { token: string; line: string }>;
  const tokens = parseTokenFile(
    Object.values(made)
      .map(({ line }) => line)
      .join('\n'),
    'tokens',
  );

  async function open(): Promise<string> {
    world = await startWorld({ host: '0.0.0.0', access: { tokens, hosts: [] } });
    world.views.set('shop', exampleView('shop'));
    return world.api.url.replace('0.0.0.0', '127.0.0.1');
  }
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  test('does not start without tokens', async () => {
    await expect(startWorld({ host: '0.0.0.0' })).rejects.toThrow(/not loopback, and there are no tokens/);
    world = await startWorld();
  });

  test('says so before it waits for a store that is away', async () => {
    const { config } = loadConfig(undefined, {
      UMBRA_API_LISTEN: '0.0.0.0:0',
      UMBRA_POSTGRES_URL: 'postgres://u@127.0.0.1:9/u',
    });
    await expect(runApi(config!)).rejects.toThrow(/not loopback, and there are no tokens/);
    world = await startWorld();
  });

  test('answers 401 without a token and with a wrong one, and never writes the token down', async () => {
    const url = await open();
    const wrong = 'umbra_this-is-not-a-token';
    const replies = [
      await ask(url, '/api/v1/hosted-vms'),
      await ask(url, '/api/v1/hosted-vms', { headers: bearer(wrong) }),
    ];
    expect(replies.map(({ status }) => status)).toEqual([401, 401]);
    expect(replies[1]?.text).not.toContain(wrong);
    expect(world.logged.join('\n')).toContain('no valid token');
    expect(world.logged.join('\n')).not.toContain(wrong);
    expect((await ask(url, '/healthz')).status).toBe(200);
    expect((await ask(url, '/metrics')).status).toBe(401);
    // The page that asks for the token must be there without one.
    expect((await ask(url, '/', { headers: { accept: 'text/html' } })).status).toBe(404);
    expect((await ask(url, '/api/v1/nothing')).status).toBe(401);
  });

  const inventory = { text: '{}' };
  test.each<[Role, string, unknown, number]>([
    ['viewer', '/api/v1/hosted-vms', undefined, 200],
    ['viewer', '/api/v1/hosted-vms/shop/commands/pause', {}, 403],
    ['viewer', '/api/v1/inventory', { ...inventory, dryRun: true }, 422],
    ['viewer', '/api/v1/inventory', inventory, 403],
    ['operator', '/api/v1/hosted-vms/shop/commands/pause', {}, 200],
    ['operator', '/api/v1/hosted-vms/shop/commands/retire', {}, 403],
    ['operator', '/api/v1/inventory', inventory, 403],
    ['admin', '/api/v1/hosted-vms/shop/commands/retire', {}, 200],
    ['admin', '/api/v1/inventory', inventory, 422],
    ['edge', '/api/v1/demand', { edge: 'pop1', epoch: 1, seq: 1, buckets: [], counts: [] }, 200],
    ['edge', '/api/v1/hosted-vms', undefined, 403],
    ['viewer', '/api/v1/demand', { edge: 'pop1', epoch: 1, seq: 1, buckets: [], counts: [] }, 403],
  ])('%s asking %s %j is answered %i', async (role, path, body, status) => {
    const url = await open();
    const reply = await ask(url, path, { headers: bearer(made[role].token), ...(body === undefined ? {} : { body }) });
    expect(reply.status).toBe(status);
  });

  test('who did it reaches the workflow by the name of the token, not by what the caller says', async () => {
    const url = await open();
    const headers = { ...bearer(made.operator.token), 'x-umbra-actor': 'mallory' };
    await ask(url, '/api/v1/hosted-vms/shop/commands/pause', { headers, body: { reason: 'maintenance' } });
    expect(world.asked.find(({ message }) => message === 'pause')).toMatchObject({
      workflowId: 'hosted-vm/shop',
      args: [{ actor: 'operator:operator-ada@api', reason: 'maintenance' }],
    });
  });
});

test('a token file holds digests; a line that is none is named, not shown', () => {
  const { token, line } = makeToken('admin', 'ada');
  expect(line).toMatch(/^admin ada sha256:[0-9a-f]{64}$/);
  expect(line).not.toContain(token);
  expect(() => parseTokenFile(`# ours\n\nadmin ada ${token}`, 'tokens')).toThrow(/^tokens:3: write ROLE NAME/);
  expect(() => parseTokenFile(`admin ada ${token}`, 'tokens')).not.toThrow(token);
});
