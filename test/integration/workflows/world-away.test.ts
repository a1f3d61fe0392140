import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { NativeConnection } from '@temporalio/worker';
import { startEmbeddedNameServer } from '../../../src/providers/dns/embedded.ts';
import { claimName, claimText } from '../../../src/providers/dns/ownership.ts';
import { rfc2136NameServer } from '../../../src/providers/dns/rfc2136.ts';
import { startWorker } from '../../../src/workers/worker.ts';
import { bundleWithFakes, eventually, quietly, Stage } from '../../support/stage.ts';
import { specOf } from '../../support/spec-of.ts';
import { devServerWithState } from '../../support/temporal.ts';
import { Theatre } from '../../support/theatre.ts';

jest.setTimeout(120_000);
quietly();

const zone = 'example.test';
const keyOf = (fill: number) =>
  ({ name: 'umbra', algorithm: 'hmac-sha256', secret: Buffer.alloc(32, fill).toString('base64') }) as const;
const records = [{ name: 'shop.example.test', type: 'A', ttlSeconds: 5, value: '10.0.0.11' }] as const;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const installation = '3f9c2a71b0de';

describe('a name server over the wire', () => {
  const theatre = new Theatre();
  let stage: Stage;

  test('a wrong TSIG key holds the adoption, is said, changes nothing, and the right one mends it', async () => {
    const dns = await startEmbeddedNameServer({ host: '127.0.0.1', port: 0, zone, key: keyOf(1), records });
    const servers = [{ host: '127.0.0.1', port: dns.port }];
    const right = rfc2136NameServer({ installation, servers, key: keyOf(1) });
    try {
      stage = theatre.stage(specOf('shop'));
      stage.world.nameServer = rfc2136NameServer({ installation, servers, key: keyOf(2) });
      await stage.work();
      await stage.begin();
      const { trouble, phase } = await stage.until('it is said', (state) => state.trouble !== null);
      expect(phase.kind).toBe('adopting');
      expect(trouble?.text).toMatch(/TSIG|BADSIG|key/i);
      expect((await right.observe(zone, ['shop.example.test'])).servers[0]).toMatchObject({ a: ['10.0.0.11'] });
      expect((await right.observe(zone, ['shop.example.test'])).servers[0]?.owner).toBeUndefined();
      expect(stage.world.hypervisor.guests.get(101)?.marker).toBeUndefined();
      stage.world.nameServer = right;
      await stage.handle.executeUpdate('applySpec', { args: [{ spec: stage.spec, revision: 2, actor: 'ada' }] });
      await stage.until('adopted', (state) => state.phase.kind === 'guarded');
    } finally {
      await dns.close();
    }
  });

  test('one that is down delays a failover until it is back, and the answer changes once', async () => {
    const options = { host: '127.0.0.1', zone, key: keyOf(1), records };
    let dns = await startEmbeddedNameServer({ ...options, port: 0 });
    const { port } = dns;
    const client = rfc2136NameServer({ installation, servers: [{ host: '127.0.0.1', port }], key: keyOf(1) });
    try {
      stage = theatre.stage(specOf('shop'));
      stage.world.nameServer = client;
      await stage.work();
      await stage.begin();
      await stage.protected();
      const before = await client.observe(zone, ['shop.example.test']);
      expect(before.servers[0]).toMatchObject({ owner: 'shop', generation: 1 });
      await dns.close();
      stage.world.hypervisor.guests.get(101)!.crashed = true;
      await stage.report('shop/0', 'failed');
      await stage.until('it says why', ({ trouble }) => trouble !== null, 40_000);
      expect((await stage.state()).serving).toEqual(['shop/0']);
      // As it left: an owner and generation 1.
      const value = claimText({ owner: 'shop', installation, generation: 1 });
      const claim = { name: claimName('shop.example.test'), type: 'TXT', ttlSeconds: 5, value } as const;
      dns = await startEmbeddedNameServer({ ...options, port, records: [...records, claim] });
      await stage.until('probation', ({ phase }) => phase.kind === 'probation', 40_000);
      const { servers } = await client.observe(zone, ['shop.example.test']);
      expect(servers[0]).toMatchObject({ owner: 'shop', generation: 2, a: ['10.0.1.1'] });
    } finally {
      await dns.close();
    }
  });
});

test('Temporal may be away: the worker waits, nothing is lost, and what failed meanwhile fails over', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'umbra-temporal-'));
  const port = await freePort();
  let env = await devServerWithState(port, join(dir, 'temporal.db'));
  const connection = await NativeConnection.connect({ address: `127.0.0.1:${port}` });
  const stage = new Stage(env, specOf('shop'));
  const { world } = stage;
  const running = await startWorker(world.deps(), {
    connection,
    namespace: 'default',
    workflowBundle: await bundleWithFakes(),
  });
  try {
    await stage.begin();
    await stage.protected();
    await eventually('the timeline', () => world.kinds().includes('shadow-warm'));
    await env.teardown();
    world.hypervisor.guests.get(101)!.crashed = true;
    await expect(stage.report('shop/0', 'failed')).rejects.toThrow();
    expect(stage.answers()).toEqual(['10.0.0.11']);

    env = await devServerWithState(port, join(dir, 'temporal.db'));
    stage.env = env;
    await eventually(
      'a report arrives',
      () =>
        stage.report('shop/0', 'failed').then(
          () => true,
          () => false,
        ),
      60_000,
    );
    await eventually('DNS names the shadow', () => stage.answers().join() === '10.0.1.1', 60_000);
    const { phase } = await stage.until('probation', (state) => state.phase.kind === 'probation', 60_000);
    expect(phase).toMatchObject({ former: 'shop/0' });
    expect(world.hypervisor.calls.filter((call) => call.startsWith('clone 101 -> 9001'))).toHaveLength(1);
    expect(world.dns.answers.map(({ generation }) => generation)).toEqual([1, 2]);
  } finally {
    await running.stop();
    await connection.close();
    await env.teardown();
    rmSync(dir, { recursive: true, force: true });
  }
});
