import { afterEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import packet from 'dns-packet';
import protobuf from 'protobufjs';
import { startNameServer } from '../../../src/demo/name-server.ts';
import { ask } from '../../../src/providers/dns/client.ts';
import { addressOf, recordType } from '../../../src/providers/dns/record.ts';
import { rfc2136NameServer } from '../../../src/providers/dns/rfc2136.ts';
import { available, key, zone } from './servers.ts';
import type { NameServerKind, RunningNameServer } from '../../../src/demo/name-server.ts';

/** Of the Umbra that the claims are written by. */
const installation = '3f9c2a71b0de';

const records = [{ name: `shop.${zone}`, type: 'A' as const, ttlSeconds: 5, value: '10.0.0.1' }];

/** The part of dnstap.proto that we send and the oracle reads. */
const schema = `syntax = "proto2";
  message Message { required uint32 type = 1; optional uint32 socket_family = 2; optional uint32 socket_protocol = 3;
    optional bytes query_address = 4; optional bytes response_address = 5; optional uint32 query_port = 6;
    optional uint32 response_port = 7; optional uint64 response_time_sec = 12; optional fixed32 response_time_nsec = 13;
    optional bytes response_message = 14; }
  message Dnstap { optional bytes identity = 1; optional bytes version = 2; optional Message message = 14; required uint32 type = 15; }
`;
const dnstap = protobuf.parse(schema, { keepCase: true }).root.lookupType('Dnstap');

type Tapped = { name: string; type: number; answers: string[]; client: string; at: number; identity: string };

/** A receiver that shakes hands and decodes with other people's code. */
function tapReceiver(
  target: string | number,
): Promise<{ server: Server; tapped: Tapped[]; stopped: () => boolean; close(): void }> {
  const tapped: Tapped[] = [];
  const sockets = new Set<Socket>();
  let stop = false;
  const control = (type: number): Buffer => {
    const name = Buffer.from('protobuf:dnstap.Dnstap');
    const body = Buffer.alloc(type === 1 ? 12 : 4);
    body.writeUInt32BE(type, 0);
    if (type === 1) {
      body.writeUInt32BE(1, 4);
      body.writeUInt32BE(name.length, 8);
    }
    const payload = type === 1 ? Buffer.concat([body, name]) : body;
    const head = Buffer.alloc(8);
    head.writeUInt32BE(payload.length, 4);
    return Buffer.concat([head, payload]);
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    let received = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      for (;;) {
        if (received.length < 8) return;
        const isControl = received.readUInt32BE(0) === 0;
        const end = isControl ? 8 + received.readUInt32BE(4) : 4 + received.readUInt32BE(0);
        if (received.length < end) return;
        const frame = received.subarray(isControl ? 8 : 4, end);
        received = received.subarray(end);
        if (!isControl) tapped.push(decodeFrame(frame));
        else if (frame.readUInt32BE(0) === 4) socket.write(control(1));
        else if (frame.readUInt32BE(0) === 3) {
          stop = true;
          socket.end(control(5));
        }
      }
    });
  });
  return new Promise((resolve) => {
    const listening = () =>
      resolve({
        server,
        tapped,
        stopped: () => stop,
        close() {
          sockets.forEach((socket) => socket.destroy());
          server.close();
        },
      });
    if (typeof target === 'string') server.listen(target, listening);
    else server.listen(target, '127.0.0.1', listening);
  });
}

function decodeFrame(frame: Buffer): Tapped {
  const { identity, message } = dnstap.toObject(dnstap.decode(frame), { longs: Number }) as {
    identity: Buffer;
    message: Record<string, number> & { query_address: Buffer; response_message: Buffer };
  };
  const reply = packet.decode(message.response_message);
  return {
    name: reply.questions?.[0]?.name ?? '',
    type: message['type'] ?? 0,
    answers: (reply.answers ?? []).map((each) => ('data' in each ? (each.data as string) : '')),
    client: [...message.query_address].join('.'),
    at: (message['response_time_sec'] ?? 0) * 1_000,
    identity: Buffer.from(identity).toString(),
  };
}

async function until(condition: () => boolean | Promise<boolean>, what: string, withinMs = 10_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms for: ${what}`);
    await sleep(20);
  }
}

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'umbra-ns-'));
  cleanUps.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function started(
  options: Partial<Parameters<typeof startNameServer>[0]> & { dir: string },
): Promise<RunningNameServer> {
  const server = await startNameServer({ port: 0, zone, records, key, only: true, ...options });
  cleanUps.push(() => server.close());
  return server;
}

async function addressAt(server: { host: string; port: number }): Promise<string> {
  const reply = await ask(server, `shop.${zone}`, recordType.A, { timeoutMs: 1_000 });
  return reply.answers.map(addressOf).join();
}

const kinds: NameServerKind[] = ['bind', 'knot', 'embedded'];

for (const kind of kinds) {
  (available(kind) ? describe : describe.skip)(`the demonstration's name server ${kind}`, () => {
    test('tells its answers by dnstap, also to a receiver that comes later', async () => {
      const dir = await folder();
      const unix = join(dir, 'dnstap.sock');
      const server = await started({ dir, prefer: kind, dnstap: { unix } });
      const receiver = await tapReceiver(unix);
      cleanUps.push(() => receiver.close());
      const ours = () => receiver.tapped.find(({ name }) => name.startsWith('shop.'));
      await until(async () => {
        await addressAt(server);
        return ours() !== undefined;
      }, 'a frame');
      expect(ours()).toMatchObject({
        name: `shop.${zone}`,
        type: 2,
        answers: ['10.0.0.1'],
        client: '127.0.0.1',
        identity: `demo-${kind}`,
      });
      expect(Math.abs((ours()?.at ?? 0) - Date.now())).toBeLessThan(20_000);
      if (server.statisticsUrl !== undefined) {
        const statistics = (await (await fetch(server.statisticsUrl)).json()) as {
          dnstapstats?: { DNSTAPsuccess?: number };
        };
        expect(statistics.dnstapstats?.DNSTAPsuccess).toBeGreaterThan(0);
      }
    }, 20_000);

    test('continues the zone it finds after a restart', async () => {
      const dir = await folder();
      const first = await started({ dir, prefer: kind });
      const dns = rfc2136NameServer({ installation, servers: [first], key });
      const change = { zone, names: [`shop.${zone}`], ttlSeconds: 5, a: ['10.0.0.2'], aaaa: [] };
      expect(
        await dns.ensureAnswers({ owner: 'shop', from: undefined, to: 1, takingOver: 'anything', records: change }),
      ).toMatchObject({
        kind: 'applied',
      });
      await first.close();
      const second = await started({ dir, prefer: kind });
      const again = rfc2136NameServer({ installation, servers: [second], key });
      expect((await again.observe(zone, [`shop.${zone}`])).servers[0]).toMatchObject({
        a: ['10.0.0.2'],
        owner: 'shop',
        generation: 1,
      });
      const next = { owner: 'shop', from: 1, to: 2, records: { ...change, a: ['10.0.0.3'] } };
      expect(await again.ensureAnswers(next)).toMatchObject({ kind: 'applied' });
    }, 20_000);

    test('says that its port is busy before it starts anything', async () => {
      const dir = await folder();
      const blocker = createServer();
      await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
      cleanUps.push(() => blocker.close());
      const address = blocker.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      await expect(startNameServer({ dir, port, zone, records, key, prefer: kind })).rejects.toMatchObject({
        code: 'EADDRINUSE',
      });
    });

    test('does not outlive a parent that is killed', async () => {
      if (process.platform !== 'linux') return;
      const dir = await folder();
      const script = `
        import { startNameServer } from ${JSON.stringify(new URL('../../../src/demo/name-server.ts', import.meta.url).href)};
        const server = await startNameServer(${JSON.stringify({ dir, port: 0, zone, records, key, prefer: kind, only: true })});
        process.stdout.write(server.port + '\\n');
        setInterval(() => undefined, 1000);
      `;
      const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
        cwd: new URL('../../..', import.meta.url),
      });
      cleanUps.push(() => parent.kill('SIGKILL'));
      const port = await new Promise<number>((resolve) => parent.stdout.once('data', (text) => resolve(Number(text))));
      expect(await addressAt({ host: '127.0.0.1', port })).toBe('10.0.0.1');
      parent.kill('SIGKILL');
      const gone = () =>
        addressAt({ host: '127.0.0.1', port }).then(
          () => false,
          () => true,
        );
      await until(gone, 'the name server to end with its parent', 5_000);
    }, 20_000);
  });
}

describe('which name server is used', () => {
  test('the embedded one when the others cannot do what is asked, with the reasons', async () => {
    const dir = await folder();
    const receiver = await tapReceiver(0);
    cleanUps.push(() => receiver.close());
    const address = receiver.server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const server = await started({ dir, only: false, dnstap: { tcp: { host: '127.0.0.1', port } } });
    expect(server.kind).toBe('embedded');
    expect(server.passedOver.map((each) => each.split(':')[0])).toEqual(['bind', 'knot']);
    await addressAt(server);
    await until(() => receiver.tapped.length > 0, 'a frame over TCP');
    expect(receiver.tapped[0]?.answers).toEqual(['10.0.0.1']);
    await server.close();
    expect(receiver.stopped()).toBe(true);
  });
});
