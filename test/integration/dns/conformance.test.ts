import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ProviderError } from '../../../src/ports/errors.ts';
import { ask, update } from '../../../src/providers/dns/client.ts';
import { addressOf, recordType } from '../../../src/providers/dns/record.ts';
import { rfc2136NameServer } from '../../../src/providers/dns/rfc2136.ts';
import { lossyPath } from './lossy.ts';
import { available, hasNsupdate, key, nsupdate, startTestServer, zone } from './servers.ts';
import type { NameServer } from '../../../src/ports/name-server.ts';
import type { TestServer, TestServerKind } from './servers.ts';
import type { StartRecord } from '../../../src/providers/dns/start-records.ts';

/** Of the Umbra that the claims are written by. */
const installation = '3f9c2a71b0de';

const hosts = [
  'repeat',
  'race',
  'flip',
  'key',
  'lost',
  'multi',
  'release',
  'grow',
  'restored',
  'foreign',
  'away',
  'mixed',
  'intent',
  'elsewhere',
  'given',
];

const records: StartRecord[] = [
  ...hosts.map((host) => ({ name: `${host}.${zone}`, type: 'A' as const, ttlSeconds: 5, value: '10.0.0.1' })),
  { name: `alias.${zone}`, type: 'CNAME', ttlSeconds: 5, value: `race.${zone}` },
  { name: `text.${zone}`, type: 'TXT', ttlSeconds: 5, value: 'no host' },
];

const answers = (host: string, a: string[], aaaa: string[] = []) => ({
  zone,
  names: [`${host}.${zone}`],
  ttlSeconds: 5,
  a,
  aaaa,
});

/** How a rejected call is classed. */
async function failureOf(work: Promise<unknown>): Promise<{ failureClass: string; message: string }> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ProviderError)) throw new Error(`expected a ProviderError, got ${String(error)}`);
  return { failureClass: error.failureClass, message: error.message };
}

const kinds: TestServerKind[] = ['bind', 'knot', 'powerdns', 'embedded'];

for (const kind of kinds) {
  (available(kind) ? describe : describe.skip)(`the name server ${kind}`, () => {
    let server: TestServer;
    let dns: NameServer;

    beforeAll(async () => {
      server = await startTestServer(kind, records);
      dns = rfc2136NameServer({ installation, servers: [server], key });
    }, 20_000);
    afterAll(() => server.close());

    async function addressesOf(name: string): Promise<string[]> {
      const reply = await ask(server, name, recordType.A, { timeoutMs: 2_000 });
      return reply.answers.map(addressOf).sort();
    }

    async function adopted(host: string, a = ['10.0.0.1']) {
      const records = answers(host, a);
      const outcome = await dns.ensureAnswers({ owner: host, from: undefined, to: 1, takingOver: 'anything', records });
      expect(outcome.kind).toBe('applied');
    }

    test('applies a change once and recognises its repetition', async () => {
      await adopted('repeat');
      const change = {
        owner: 'repeat',
        from: 1,
        to: 2,
        records: answers('repeat', ['10.0.0.3', '10.0.0.2'], ['2001:DB8::0:1']),
      };
      const first = await dns.ensureAnswers(change);
      expect(first).toMatchObject({ kind: 'applied', generation: 2 });
      expect(first.kind === 'applied' && first.readBack.servers).toEqual([
        {
          server: `127.0.0.1:${server.port}`,
          a: ['10.0.0.2', '10.0.0.3'],
          aaaa: ['2001:db8::1'],
          owner: 'repeat',
          installation,
          generation: 2,
        },
      ]);
      expect(await dns.ensureAnswers(change)).toMatchObject({ kind: 'already-applied', generation: 2 });
    });

    test('lets exactly one of sixteen racers win', async () => {
      await adopted('race');
      for (let generation = 1; generation <= 10; generation += 1) {
        const outcomes = await Promise.all(
          Array.from({ length: 16 }, (_, i) =>
            dns.ensureAnswers({
              owner: 'race',
              from: generation,
              to: generation + 1,
              records: answers('race', [`10.1.${generation}.${i}`]),
            }),
          ),
        );
        const winners = outcomes.flatMap((outcome, i) => (outcome.kind === 'superseded' ? [] : [i]));
        expect(winners).toHaveLength(1);
        expect(await addressesOf(`race.${zone}`)).toEqual([`10.1.${generation}.${winners[0]}`]);
      }
    }, 30_000);

    test('never shows an empty or a mixed answer while it changes', async () => {
      await adopted('flip', ['10.2.0.1']);
      const sets = [['10.2.0.1'], ['10.2.0.2', '10.2.0.3']];
      const seen = new Map<string, number>();
      const flipping = { over: false };
      const watch = async (): Promise<void> => {
        while (!flipping.over) {
          const answer = (await addressesOf(`flip.${zone}`)).join();
          seen.set(answer, (seen.get(answer) ?? 0) + 1);
        }
      };
      const watchers = Array.from({ length: 4 }, watch);
      for (let generation = 1; generation <= 40; generation += 1) {
        const change = {
          owner: 'flip',
          from: generation,
          to: generation + 1,
          records: answers('flip', sets[generation % 2]!),
        };
        expect((await dns.ensureAnswers(change)).kind).toBe('applied');
      }
      flipping.over = true;
      await Promise.all(watchers);
      expect([...seen.keys()].sort()).toEqual(['10.2.0.1', '10.2.0.2,10.2.0.3']);
      expect(Math.min(...seen.values())).toBeGreaterThan(5);
    }, 30_000);

    test('refuses a wrong secret, an unknown key and a wrong clock, and nothing changes', async () => {
      const change = {
        owner: 'key',
        from: undefined,
        to: 1,
        takingOver: 'anything' as const,
        records: answers('key', ['10.6.6.6']),
      };
      const secret = Buffer.alloc(32, 1).toString('base64');
      for (const wrong of [
        { ...key, secret },
        { ...key, name: 'nobody' },
      ]) {
        const { failureClass, message } = await failureOf(
          rfc2136NameServer({ installation, servers: [server], key: wrong }).ensureAnswers(change),
        );
        expect(failureClass).toBe('auth');
        expect(message).not.toContain(wrong.secret);
      }
      const late = rfc2136NameServer({ installation, servers: [server], key, now: () => Date.now() - 3_600_000 });
      const { failureClass, message } = await failureOf(late.ensureAnswers(change));
      expect(failureClass).toBe('auth');
      // PowerDNS refuses without saying why.
      if (kind !== 'powerdns') expect(message).toContain('3600 s');
      expect(await addressesOf(`key.${zone}`)).toEqual(['10.0.0.1']);
    });

    test('checks key, rights and clock without changing anything', async () => {
      expect(await dns.checkRights(zone)).toMatchObject({ ok: true });
      const wrong = rfc2136NameServer({ installation, servers: [server], key: { ...key, name: 'nobody' } });
      expect(await wrong.checkRights(zone)).toMatchObject({ ok: false });
      expect(await dns.checkRights('elsewhere.example')).toMatchObject({ ok: false });
    });

    test('decides a lost answer by reading the claim', async () => {
      await adopted('lost');
      const path = await lossyPath(server);
      path.lose.answers = true;
      const lossy = rfc2136NameServer({ installation, servers: [path], key, timeoutMs: 400 });
      const change = { owner: 'lost', from: 1, to: 2, records: answers('lost', ['10.3.0.2']) };
      expect(await lossy.ensureAnswers(change)).toMatchObject({ kind: 'already-applied', generation: 2 });
      expect(path.lost()).toBeGreaterThan(0);

      path.lose.answers = false;
      path.lose.updates = true;
      const next = { owner: 'lost', from: 2, to: 3, records: answers('lost', ['10.3.0.3']) };
      expect((await failureOf(lossy.ensureAnswers(next))).failureClass).toBe('transient');
      expect(await addressesOf(`lost.${zone}`)).toEqual(['10.3.0.2']);

      path.lose.updates = false;
      expect(await lossy.ensureAnswers(next)).toMatchObject({ kind: 'applied', generation: 3 });
      path.close();
    }, 20_000);

    test('shows a dead server in the view and goes on with the living', async () => {
      await adopted('away');
      const dead = { host: '127.0.0.1', port: 1 };
      const both = rfc2136NameServer({ installation, servers: [server, dead], key, timeoutMs: 500 });
      const change = { owner: 'away', from: 1, to: 2, records: answers('away', ['10.4.0.2']) };
      const outcome = await both.ensureAnswers(change);
      expect(outcome).toMatchObject({ kind: 'applied' });
      const views = outcome.kind === 'applied' ? outcome.readBack.servers : [];
      expect(views[0]).toMatchObject({ a: ['10.4.0.2'], generation: 2 });
      expect(views[1]?.error).toContain('127.0.0.1:1');

      const none = rfc2136NameServer({ installation, servers: [dead], key, timeoutMs: 500 });
      expect((await failureOf(none.ensureAnswers({ ...change, from: 2, to: 3 }))).failureClass).toBe('transient');
    });

    test('takes over unused names and names with addresses, and no others', async () => {
      const adopt = (names: string[], owner = 'new') =>
        dns.ensureAnswers({ owner, from: undefined, to: 1, records: { ...answers('x', ['10.5.0.1']), names } });
      expect(await adopt([`fresh.${zone}`])).toMatchObject({ kind: 'applied' });
      expect(await addressesOf(`fresh.${zone}`)).toEqual(['10.5.0.1']);
      expect(await adopt([`fresh.${zone}`], 'somebody-else')).toMatchObject({
        kind: 'not-owned',
        found: { owner: 'new' },
      });
      expect((await failureOf(adopt([`alias.${zone}`]))).failureClass).toBe('invalid');
      expect((await failureOf(adopt([`text.${zone}`]))).failureClass).toBe('invalid');
      expect((await failureOf(adopt(['www.elsewhere.example']))).failureClass).toBe('permanent');
      // Two names, one of them somebody else's: neither changes.
      expect(await adopt([`another.${zone}`, `fresh.${zone}`], 'third')).toMatchObject({ kind: 'not-owned' });
      expect(await addressesOf(`another.${zone}`)).toEqual([]);
    });

    test('does not touch a name without a claim unless asked to adopt it', async () => {
      const change = { owner: 'mixed', from: 4, to: 5, records: answers('mixed', ['10.9.9.9']) };
      expect(await dns.ensureAnswers(change)).toMatchObject({ kind: 'not-owned' });
      expect(await addressesOf(`mixed.${zone}`)).toEqual(['10.0.0.1']);
    });

    test('never publishes nothing', async () => {
      const change = { owner: 'mixed', from: undefined, to: 1, records: answers('mixed', []) };
      expect(await failureOf(dns.ensureAnswers(change))).toMatchObject({ failureClass: 'invalid' });
    });

    test('changes several names and a wildcard in one message', async () => {
      const names = [`multi.${zone}`, `*.multi.${zone}`, `www-multi.${zone}`];
      const all = { ...answers('multi', ['10.7.0.1']), names };
      expect(
        await dns.ensureAnswers({ owner: 'multi', from: undefined, to: 1, takingOver: 'anything', records: all }),
      ).toMatchObject({
        kind: 'applied',
      });
      expect(
        await dns.ensureAnswers({ owner: 'multi', from: 1, to: 2, records: { ...all, a: ['10.7.0.2'] } }),
      ).toMatchObject({
        kind: 'applied',
      });
      for (const name of [`multi.${zone}`, `anything.multi.${zone}`, `a.b.multi.${zone}`, `www-multi.${zone}`]) {
        expect(await addressesOf(name)).toEqual(['10.7.0.2']);
      }
      expect((await dns.observe(zone, [`*.multi.${zone}`])).servers[0]).toMatchObject({
        owner: 'multi',
        generation: 2,
      });
    });

    test('sends what does not fit a datagram over TCP', async () => {
      const names = Array.from({ length: 40 }, (_, i) => `a-rather-long-name-${i}.grow.${zone}`);
      const all = { ...answers('grow', ['10.8.0.1', '10.8.0.2'], ['2001:db8::8']), names };
      expect(await dns.ensureAnswers({ owner: 'grow', from: undefined, to: 1, records: all })).toMatchObject({
        kind: 'applied',
      });
      expect(await addressesOf(names[39]!)).toEqual(['10.8.0.1', '10.8.0.2']);
    });

    test('adopts a name that was added to its own', async () => {
      await adopted('grow');
      const names = [`grow.${zone}`, `added.${zone}`];
      const change = { owner: 'grow', from: 1, to: 2, records: { ...answers('grow', ['10.8.1.1']), names } };
      expect(await dns.ensureAnswers(change)).toMatchObject({ kind: 'applied' });
      expect(await addressesOf(`added.${zone}`)).toEqual(['10.8.1.1']);
    });

    (hasNsupdate() ? test : test.skip)(
      'writes what nsupdate can compare with, and respects what nsupdate wrote',
      async () => {
        await adopted('foreign');
        const claim = (generation: number) =>
          `_umbra.foreign.${zone}. TXT "v=umbra1 owner=foreign inst=${installation} generation=${generation}"`;
        expect(await nsupdate(server, [`prereq yxrrset ${claim(2)}`, `update delete foreign.${zone}. A`])).toBe(false);
        const newer = [
          `prereq yxrrset ${claim(1)}`,
          `update delete _umbra.foreign.${zone}. TXT`,
          `update add _umbra.foreign.${zone}. 5 TXT "v=umbra1 owner=foreign inst=${installation} generation=9"`,
        ];
        expect(await nsupdate(server, newer)).toBe(true);
        const change = { owner: 'foreign', from: 1, to: 2, records: answers('foreign', ['10.9.0.1']) };
        expect(await dns.ensureAnswers(change)).toMatchObject({ kind: 'superseded', found: { generation: 9 } });
        expect(await addressesOf(`foreign.${zone}`)).toEqual(['10.0.0.1']);
      },
    );

    test("turns the address hints of a name's HTTPS record with its addresses", async () => {
      const name = `hints.${zone}`;
      // 1 . alpn=h2 ipv4hint=10.0.0.1, RFC 9460
      const data = Buffer.from('0001000001000302683200040004' + '0a000001', 'hex');
      const https = { name, type: recordType.HTTPS, class: 1, ttl: 5, data };
      const nowSeconds = Math.floor(Date.now() / 1_000);
      await update(server, { zone, prerequisites: [], updates: [https] }, key, { timeoutMs: 2_000, nowSeconds });
      const hintsNow = async () =>
        (await ask(server, name, recordType.HTTPS, { timeoutMs: 2_000 })).answers[0]?.data.toString('hex');
      expect(await hintsNow()).toBe(data.toString('hex'));

      // The name has no addresses yet and is none of ours: not to be taken over.
      expect(
        (
          await failureOf(
            dns.ensureAnswers({ owner: 'hints', from: undefined, to: 1, records: answers('hints', ['10.0.0.2']) }),
          )
        ).failureClass,
      ).toBe('invalid');
      const a = { name, type: recordType.A, class: 1, ttl: 5, data: Buffer.from([10, 0, 0, 1]) };
      await update(server, { zone, prerequisites: [], updates: [a] }, key, { timeoutMs: 2_000, nowSeconds });
      expect(
        await dns.ensureAnswers({
          owner: 'hints',
          from: undefined,
          to: 1,
          takingOver: 'anything',
          records: answers('hints', ['10.0.0.2', '10.0.0.3']),
        }),
      ).toMatchObject({ kind: 'applied' });
      expect(await hintsNow()).toBe('0001000001000302683200040008' + '0a000002' + '0a000003');
    });

    test('claims a fence without touching the answers, only from exactly the generation it knows, and once', async () => {
      await adopted('intent');
      const claim = { owner: 'intent', zone, names: [`intent.${zone}`], ttlSeconds: 5, fence: 'intent/0' };
      expect(await dns.ensureIntent({ ...claim, from: 2, to: 3 })).toMatchObject({ kind: 'behind' });
      expect(await dns.ensureIntent({ ...claim, from: 1, to: 2 })).toEqual({ kind: 'claimed', generation: 2 });
      expect(await dns.ensureIntent({ ...claim, from: 1, to: 2 })).toEqual({ kind: 'claimed', generation: 2 });
      const other = { ...claim, fence: 'intent/1' };
      expect(await dns.ensureIntent({ ...other, from: 1, to: 2 })).toMatchObject({ kind: 'superseded' });
      const seen = { owner: 'intent', generation: 2, intent: { fence: 'intent/0' }, a: ['10.0.0.1'] };
      expect((await dns.observe(zone, claim.names)).servers[0]).toMatchObject(seen);
      // The change of the answers that follows ends the claim of the fence.
      const change = { owner: 'intent', from: 2, to: 3, records: answers('intent', ['10.0.0.2']) };
      expect(await dns.ensureAnswers(change)).toMatchObject({ kind: 'applied' });
      expect((await dns.observe(zone, claim.names)).servers[0]!.intent).toBeUndefined();
    });

    test('is refused by the claims of another installation, in every call', async () => {
      await adopted('elsewhere');
      const copy = rfc2136NameServer({ installation: 'a-copied-one', servers: [server], key });
      const names = [`elsewhere.${zone}`];
      const records = answers('elsewhere', ['10.0.0.9']);
      const whose = { kind: 'not-owned', found: { owner: 'elsewhere', installation } };
      expect(await copy.ensureAnswers({ owner: 'elsewhere', from: 1, to: 2, records })).toMatchObject(whose);
      expect(await copy.ensureAnswers({ owner: 'elsewhere', from: undefined, to: 1, records })).toMatchObject(whose);
      const intent = { owner: 'elsewhere', from: 1, to: 2, zone, names, ttlSeconds: 5, fence: 'elsewhere/0' };
      expect(await copy.ensureIntent(intent)).toMatchObject(whose);
      await copy.release('elsewhere', zone, names);
      expect((await dns.observe(zone, names)).servers[0]).toMatchObject({ generation: 1, a: ['10.0.0.1'] });
    });

    test('takes over only what leads where it was told, or anything when told so, and can give it back', async () => {
      const names = [`given.${zone}`];
      const change = { owner: 'given', from: undefined, to: 1, records: answers('given', ['10.0.0.7']) };
      expect(await dns.ensureAnswers(change)).toMatchObject({ kind: 'answers-differ', found: { a: ['10.0.0.1'] } });
      expect((await dns.observe(zone, names)).servers[0]).toMatchObject({ a: ['10.0.0.1'] });
      const former = [{ name: names[0]!, a: ['10.0.0.1'], aaaa: [], ttlSeconds: 5 }];
      expect(await dns.ensureAnswers({ ...change, takingOver: 'anything' })).toMatchObject({ kind: 'applied', former });
      await dns.release('given', zone, names, former);
      const { owner, a } = (await dns.observe(zone, names)).servers[0]!;
      expect({ owner, a }).toEqual({ owner: undefined, a: ['10.0.0.1'] });
    });

    test('goes on from an older claim of its own: a zone restored from backup', async () => {
      await adopted('restored');
      const change = { owner: 'restored', from: 6, to: 7, records: answers('restored', ['10.9.1.1']) };
      expect(await dns.ensureAnswers(change)).toMatchObject({ kind: 'applied', generation: 7 });
    });

    test('leaves the answers as they are when it lets a name go', async () => {
      await adopted('release', ['10.9.2.1']);
      await dns.release('somebody-else', zone, [`release.${zone}`]);
      expect((await dns.observe(zone, [`release.${zone}`])).servers[0]).toMatchObject({ owner: 'release' });
      await dns.release('release', zone, [`release.${zone}`]);
      await dns.release('release', zone, [`release.${zone}`]);
      const [view] = (await dns.observe(zone, [`release.${zone}`])).servers;
      expect(view).toEqual({ server: `127.0.0.1:${server.port}`, a: ['10.9.2.1'], aaaa: [] });
    });
  });
}
