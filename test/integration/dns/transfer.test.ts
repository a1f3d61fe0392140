import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ProviderError } from '../../../src/ports/errors.ts';
import type { StartRecord } from '../../../src/providers/dns/start-records.ts';
import type { TsigKey } from '../../../src/providers/dns/tsig.ts';
import { zoneReader } from '../../../src/providers/dns/zone-reader.ts';
import { available, key, startTestServer, zone } from './servers.ts';
import type { TestServer, TestServerKind } from './servers.ts';

/** More than one message of 64 KiB holds. */
const manyNames = 6_000;

const records: StartRecord[] = [
  { name: `shop.${zone}`, type: 'A', ttlSeconds: 5, value: '10.0.0.11' },
  { name: `shop.${zone}`, type: 'AAAA', ttlSeconds: 5, value: '2001:db8::11' },
  { name: `*.shop.${zone}`, type: 'A', ttlSeconds: 5, value: '10.0.0.11' },
  { name: `www.${zone}`, type: 'CNAME', ttlSeconds: 5, value: `shop.${zone}` },
  { name: `taken.${zone}`, type: 'A', ttlSeconds: 5, value: '10.0.0.12' },
  {
    name: `_umbra.taken.${zone}`,
    type: 'TXT',
    ttlSeconds: 5,
    value: 'v=umbra1 owner=api inst=3f9c2a71b0de generation=3',
  },
  { name: `odd.${zone}`, type: 'A', ttlSeconds: 5, value: '10.0.0.13' },
  { name: `_umbra.odd.${zone}`, type: 'TXT', ttlSeconds: 5, value: 'somebody wrote here' },
  ...Array.from({ length: manyNames }, (_, n): StartRecord => ({
    name: `host-${n}.${zone}`,
    type: 'A',
    ttlSeconds: 5,
    value: `10.1.${n >> 8}.${n & 255}`,
  })),
];

async function failureOf(work: Promise<unknown>): Promise<{ failureClass: string; message: string }> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ProviderError)) throw new Error(`expected a ProviderError, got ${String(error)}`);
  return { failureClass: error.failureClass, message: error.message };
}

const kinds: TestServerKind[] = ['bind', 'knot'];

for (const kind of kinds) {
  (available(kind) ? describe : describe.skip)(`a zone of the name server ${kind}`, () => {
    let server: TestServer;
    let closed: TestServer;
    const reader = (at: TestServer, with_: TsigKey = key) => zoneReader({ server: at, key: with_ });

    beforeAll(async () => {
      [server, closed] = await Promise.all([
        startTestServer(kind, records),
        startTestServer(kind, records.slice(0, 2), { transfers: false }),
      ]);
    }, 30_000);
    afterAll(async () => {
      await Promise.all([server.close(), closed.close()]);
    });

    test('is read whole, over several signed messages', async () => {
      const names = await reader(server).transfer(zone);
      expect(names.filter(({ name }) => name.startsWith('host-'))).toHaveLength(manyNames);
      const one = (name: string) => names.find((each) => each.name === `${name}.${zone}`);
      expect(one('shop')).toEqual({ name: `shop.${zone}`, a: ['10.0.0.11'], aaaa: ['2001:db8::11'] });
      expect(one('*.shop')).toEqual({ name: `*.shop.${zone}`, a: ['10.0.0.11'], aaaa: [] });
      expect(one('www')).toEqual({ name: `www.${zone}`, a: [], aaaa: [], aliasOf: `shop.${zone}` });
      expect(one('taken')?.owner).toBe('api');
      expect(one('odd')?.owner).toBe('(unreadable)');
      expect(one('ns1')).toMatchObject({ nameServer: true });
    });

    test('is asked name by name as well', async () => {
      const names = await reader(closed).lookUp([`SHOP.${zone}.`, `nobody.${zone}`]);
      expect(names).toEqual([
        { name: `shop.${zone}`, a: ['10.0.0.11'], aaaa: ['2001:db8::11'] },
        { name: `nobody.${zone}`, a: [], aaaa: [] },
      ]);
    });

    test('that the key may not transfer is refused with what allows it', async () => {
      const { failureClass, message } = await failureOf(reader(closed).transfer(zone));
      expect(failureClass).toBe('permission');
      expect(message).toMatch(/allow-transfer \{ key umbra-test; \}.*--name/);
    });

    test('is not read with a wrong secret, and no secret is said', async () => {
      const wrong = { ...key, secret: Buffer.alloc(32, 1).toString('base64') };
      const { failureClass, message } = await failureOf(reader(server, wrong).transfer(zone));
      expect(failureClass).toBe('auth');
      expect(message).not.toContain(wrong.secret);
      expect(message).not.toContain(key.secret);
    });

    test('that it does not have is refused', async () => {
      const { failureClass } = await failureOf(reader(server).transfer('elsewhere.example'));
      expect(failureClass).toBe('permission');
    });
  });
}

test('a server that is away is said to be', async () => {
  const away = zoneReader({ server: { host: '127.0.0.1', port: 1 }, key });
  expect((await failureOf(away.transfer(zone))).failureClass).toBe('transient');
});
