import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { once } from 'node:events';

import { startCollector } from '../../../src/collector/collector.ts';
import type { Collector, CollectorOptions } from '../../../src/collector/collector.ts';
import { control, encodeControl, encodeData } from '../../../src/collector/frame-streams.ts';
import type { RegisteredName } from '../../../src/collector/names.ts';
import { openReplay } from '../../../src/collector/replay.ts';
import { responseFrame } from '../../unit/collector/dnstap-oracle.ts';
import { recordings, recordingsAreThere } from '../../unit/collector/recordings.ts';
import { KeptStore, until } from './kept-store.ts';
import { isInstalled } from './live-name-servers.ts';
import { RawSender } from './raw-sender.ts';

const shop: RegisteredName = { hostedVmId: 'shop', names: ['shop.example'], ttlSeconds: 30 };
/** The collector learns a moment after the sender that a connection is over. */
async function firstWelcome(dial: () => Promise<RawSender>): Promise<RawSender> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await dial();
    } catch (error) {
      if (attempt === 100) throw error;
    }
  }
}

const answer = (name = 'shop.example'): Buffer => responseFrame({ name, atMs: Date.now() });

describe('the collector', () => {
  const held: { dir: string; collectors: Collector[]; store: KeptStore; said: string[] } = {
    dir: '',
    collectors: [],
    store: new KeptStore(),
    said: [],
  };
  beforeEach(async () => {
    held.dir = await mkdtemp(join(tmpdir(), 'umbra-collector-'));
    held.store = new KeptStore();
    held.said = [];
  });
  afterEach(async () => {
    for (const collector of held.collectors.splice(0)) await collector.close();
    await rm(held.dir, { recursive: true });
  });

  const collecting = async (more: Partial<CollectorOptions> = {}): Promise<Collector> => {
    const collector = await startCollector({
      edge: 'north',
      listen: { tcp: { host: '127.0.0.1', port: 0 }, unix: join(held.dir, 'dnstap.sock') },
      store: held.store,
      spoolDir: join(held.dir, 'spool'),
      names: (listener) => {
        listener([shop]);
        return () => undefined;
      },
      log: (level, text) => void held.said.push(`${level} ${text}`),
      ...more,
    });
    held.collectors.push(collector);
    return collector;
  };
  const end = async (collector: Collector): Promise<void> => {
    held.collectors.splice(held.collectors.indexOf(collector), 1);
    await collector.close();
  };
  const tcp = (collector: Collector) => ({ host: '127.0.0.1', port: collector.addresses.tcp!.port });

  test('several senders over TCP and a unix socket are summed, each told FINISH when its frames are safe', async () => {
    const collector = await collecting();
    const unix = { path: collector.addresses.unix! };
    const senders = await Promise.all([tcp(collector), tcp(collector), unix, unix].map((to) => RawSender.started(to)));
    for (let i = 0; i < 100; i += 1) for (const sender of senders) sender.send(answer());
    expect(await Promise.all(senders.map((sender) => sender.stop()))).toEqual([true, true, true, true]);
    await end(collector);
    expect(held.store.answers()).toEqual({ shop: 400 });
    expect(held.store.buckets[0]).toMatchObject({ edge: 'north', late: 0, undecodable: 0 });
  });

  test('a one-directional stream is read as well', async () => {
    const collector = await collecting();
    const socket = connect(tcp(collector));
    socket.end(Buffer.concat([encodeControl(control.start), encodeData(answer()), encodeControl(control.stop)]));
    await once(socket.resume(), 'close');
    await end(collector);
    expect(held.store.answers()).toEqual({ shop: 1 });
  });

  test('hostile senders are disconnected by name and stall nobody', async () => {
    const collector = await collecting();
    const good = await RawSender.started(tcp(collector));
    const garbage: [Buffer, string][] = [
      [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), 'frame-too-long'],
      [encodeData(answer()), 'data-before-start'],
      [encodeControl(control.ready, ['protobuf:other']), 'content-type'],
      [encodeControl(control.stop), 'control-unexpected'],
      [Buffer.from([0, 0, 0, 0, 0, 0, 9, 9]), 'control-too-long'],
    ];
    for (const [bytes] of garbage) {
      const socket = connect(tcp(collector));
      socket.on('error', () => undefined);
      socket.write(bytes);
      good.send(answer());
      await once(socket.resume(), 'close');
    }
    // One that says nothing and one that stops in the middle of a frame.
    const silent = connect(tcp(collector));
    const slow = await RawSender.started(tcp(collector));
    slow.socket.write(Buffer.from([0, 0, 1, 0, 10]));
    good.send(Buffer.from('no dnstap at all'));
    for (let i = 0; i < 50; i += 1) good.send(answer());
    expect(await good.stop()).toBe(true);
    silent.destroy();
    slow.socket.destroy();
    await until('all senders are gone', () => collector.stats().senders === 0);
    expect(collector.stats().streamErrors).toEqual(Object.fromEntries(garbage.map(([, code]) => [code, 1])));
    expect(collector.stats().frames).toMatchObject({ answers: 55, undecodable: 1 });
    expect(await collector.metrics()).toMatch(
      /umbra_collector_stream_errors_total\{code="content-type",edge="north"\} 1/,
    );
  });

  test('there is a limit to senders, and room again when one leaves', async () => {
    const collector = await collecting({ maxSenders: 2 });
    const first = await RawSender.started(tcp(collector));
    await RawSender.started(tcp(collector));
    const third = await RawSender.connect(tcp(collector));
    await third.closed();
    expect(collector.stats().connections).toEqual({ accepted: 2, refused: 1 });
    expect(await first.stop()).toBe(true);
    const fourth = await firstWelcome(() => RawSender.started(tcp(collector)));
    fourth.send(answer());
    expect(await fourth.stop()).toBe(true);
  });

  test('while the store is away demand waits on disk, over a restart too, and arrives once it is back', async () => {
    held.store.away = true;
    let collector = await collecting();
    let sender = await RawSender.started(tcp(collector));
    for (let i = 0; i < 30; i += 1) sender.send(answer());
    expect(await sender.stop()).toBe(true);
    await end(collector);
    expect(held.store.answers()).toEqual({});
    collector = await collecting();
    expect(collector.stats().spool.files).toBeGreaterThan(0);
    sender = await RawSender.started(tcp(collector));
    for (let i = 0; i < 12; i += 1) sender.send(answer());
    expect(await sender.stop()).toBe(true);
    await until('the store was asked', () => collector.stats().storeFailing);
    expect(await collector.metrics()).toMatch(/umbra_collector_store_failing\{edge="north"\} 1/);
    held.store.away = false;
    await until('the spool is empty', () => collector.stats().spool.files === 0);
    await end(collector);
    expect(held.store.answers()).toEqual({ shop: 42 });
    expect(held.said.join('\n')).toMatch(/spooling to disk[^]*the store is back/);
  });

  test('a change of the inventory takes effect at once, and the last names are known before their source answers', async () => {
    const source: { tell?: (vms: readonly RegisteredName[]) => void } = {};
    const names: CollectorOptions['names'] = (listener) => {
      source.tell = listener;
      return () => undefined;
    };
    let collector = await collecting({ names });
    const sender = await RawSender.started(tcp(collector));
    sender.send(answer());
    await until('it is counted as unknown', () => collector.stats().frames.unknownNames === 1);
    source.tell!([shop]);
    sender.send(answer());
    await until('it is counted', () => collector.stats().frames.answers === 1);
    await until('the names are kept', () => readdirNames().length === 1);
    await end(collector);
    collector = await collecting({ names });
    expect(collector.stats().names).toBe(1);
  });
  const readdirNames = (): unknown[] => {
    try {
      return JSON.parse(readFileSync(join(held.dir, 'spool', 'names.json'), 'utf8')) as unknown[];
    } catch {
      return [];
    }
  };

  test('a socket file left behind is replaced, one in use is not', async () => {
    const collector = await collecting();
    const path = collector.addresses.unix!;
    const again = startCollector({
      edge: 'south',
      listen: { unix: path },
      store: held.store,
      spoolDir: join(held.dir, 'other'),
      names: () => () => undefined,
    });
    await expect(again).rejects.toThrow(/another process listens on/);
    await cp(path, `${path}.kept`).catch(() => undefined);
    await end(collector);
  });

  test('an observed silence is a bucket with zero, and a bucket without a server says so', async () => {
    const time = { now: Date.UTC(2026, 5, 3, 12) + 1_000 };
    const collector = await collecting({ clock: () => time.now });
    const sender = await RawSender.started(tcp(collector));
    sender.send(responseFrame({ name: 'shop.example', atMs: time.now }));
    await until('it is counted', () => collector.stats().frames.answers === 1);
    // The collector looks at the clock five times a second; ten seconds pass between two looks here.
    const at = time.now - 1_000;
    for (const passed of [13_000, 23_000, 33_000]) {
      const last = collector.stats().lastBucketAt;
      time.now = at + passed;
      await until('the bucket is closed', () => collector.stats().lastBucketAt !== last);
      if (passed === 23_000) {
        sender.socket.destroy();
        await until('the server is gone', () => collector.stats().senders === 0);
      }
    }
    time.now = at + 43_000;
    await until('the store has it', () => held.store.buckets.length >= 4);
    const seen = held.store.buckets
      .slice(0, 4)
      .map((bucket) => [(bucket.at - at) / 1_000, bucket.senders, bucket.frames]);
    expect(seen).toEqual([
      [0, 1, 1],
      [10, 1, 0],
      [20, 1, 0],
      [30, 0, 0],
    ]);
    expect(held.store.buckets[2]!.intake).toBeCloseTo(0.3, 1);
  });

  const withRecordings = recordingsAreThere ? test : test.skip;
  withRecordings('a recording is replayed at its own time as fast as it can be read', async () => {
    const file = recordings.knotResponses.pathname;
    const replay = await openReplay({ file, speed: Infinity, times: 'recorded' });
    const names = Array.from({ length: 5_000 }, (_, i) => `vm-${String(i).padStart(5, '0')}.vm.example`);
    const collector = await collecting({
      clock: replay.clock,
      names: (listener) => {
        listener(names.map((name) => ({ hostedVmId: name, names: [name], ttlSeconds: 30 })));
        return () => undefined;
      },
    });
    expect(await replay.run((bytes, start, end) => collector.feed(bytes, start, end))).toBe(20_000);
    const { answers } = collector.stats().frames;
    await end(collector);
    expect(Object.values(held.store.answers()).reduce((a, b) => a + b, 0)).toBe(answers);
    expect(answers).toBeGreaterThan(15_000);
  });

  withRecordings('a recording moved to the present is counted now', async () => {
    const replay = await openReplay({ file: recordings.knotResponses.pathname, speed: 10, times: 'now' });
    const collector = await collecting();
    await replay.run((bytes, start, end) => collector.feed(bytes, start, end));
    expect(collector.stats().frames).toMatchObject({ late: 0, undecodable: 0, unknownNames: 20_000 });
  });

  test('a file that is no recording is named', async () => {
    await expect(openReplay({ file: import.meta.filename, speed: 1, times: 'now' })).rejects.toThrow(
      /collector.test.ts is not a Frame Streams/,
    );
  });

  const withOpenssl = isInstalled('openssl') ? test : test.skip;
  withOpenssl('TLS asks for a certificate of its authority, and takes up renewed ones without a restart', async () => {
    const file = (name: string): string => join(held.dir, name);
    const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore', cwd: held.dir });
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const authority = (name: string): void =>
      openssl(
        'req',
        '-x509',
        ...curve,
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.pem`,
        '-subj',
        `/CN=${name}`,
        '-days',
        '2',
      );
    const issue = (name: string, ca: string): void => {
      openssl('req', ...curve, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        `${ca}.pem`,
        '-CAkey',
        `${ca}.key`,
        '-CAcreateserial',
        '-out',
        `${name}.pem`,
        '-days',
        '2',
      );
    };
    authority('ours');
    authority('other');
    issue('server', 'ours');
    issue('renewed', 'ours');
    issue('edge', 'ours');
    issue('stranger', 'other');
    const collector = await collecting({
      listen: {
        tls: {
          host: '127.0.0.1',
          port: 0,
          certFile: file('server.pem'),
          keyFile: file('server.key'),
          clientCaFile: file('ours.pem'),
        },
      },
    });
    const dial = async (name: string | undefined): Promise<TLSSocket> => {
      const own =
        name === undefined ? {} : { cert: readFileSync(file(`${name}.pem`)), key: readFileSync(file(`${name}.key`)) };
      const socket = connectTls({
        ...collector.addresses.tls!,
        ca: readFileSync(file('ours.pem')),
        checkServerIdentity: () => undefined,
        ...own,
      });
      socket.on('error', () => undefined);
      await once(socket, 'secureConnect');
      return socket;
    };
    for (const unwelcome of [undefined, 'stranger']) {
      const refused = RawSender.of(await dial(unwelcome));
      await refused.closed();
    }
    const sendOne = async (): Promise<string> => {
      const socket = await dial('edge');
      const { CN } = socket.getPeerCertificate().subject;
      const sender = RawSender.of(socket);
      await sender.start();
      sender.send(answer());
      expect(await sender.stop()).toBe(true);
      return String(CN);
    };
    expect(await sendOne()).toBe('server');
    await cp(file('renewed.key'), file('server.key'));
    await cp(file('renewed.pem'), file('server.pem'));
    await collector.reloadCertificates();
    expect(await sendOne()).toBe('renewed');
    expect(collector.stats().frames.answers).toBe(2);
  });
});
