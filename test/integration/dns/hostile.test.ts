import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { ask, update } from '../../../src/providers/dns/client.ts';
import { startEmbeddedNameServer } from '../../../src/providers/dns/embedded.ts';
import { addressOf, recordType } from '../../../src/providers/dns/record.ts';
import { TransportError } from '../../../src/providers/dns/transport.ts';
import { deleteRrset } from '../../../src/providers/dns/update-records.ts';
import { key, zone } from './servers.ts';
import type { EmbeddedNameServer } from '../../../src/providers/dns/embedded.ts';

/** The same bytes in every run. */
function noise(seed: number, length: number): Buffer {
  let state = seed;
  return Buffer.from(
    Array.from({ length }, () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 24),
  );
}

describe('the embedded name server', () => {
  let server: EmbeddedNameServer;
  const records = [{ name: `shop.${zone}`, type: 'A' as const, ttlSeconds: 5, value: '10.0.0.1' }];
  beforeAll(async () => {
    server = await startEmbeddedNameServer({ host: '127.0.0.1', port: 0, zone, key, records });
  });
  afterAll(() => server.close());

  const answers = async (options: { tcp?: boolean } = {}) =>
    (await ask(server, `shop.${zone}`, recordType.A, { timeoutMs: 2_000, ...options })).answers.map(addressOf);

  test('goes on answering through noise on UDP and TCP', async () => {
    const socket = createSocket('udp4');
    for (let seed = 1; seed <= 300; seed += 1) {
      await new Promise((resolve) => socket.send(noise(seed, 1 + (seed % 200)), server.port, '127.0.0.1', resolve));
    }
    socket.close();
    for (let seed = 1; seed <= 20; seed += 1) {
      const connection = connect(server.port, '127.0.0.1');
      connection.on('error', () => undefined);
      connection.end(noise(seed, 500));
      await new Promise((resolve) => connection.once('close', resolve).resume());
    }
    expect(await answers()).toEqual(['10.0.0.1']);
    expect(await answers({ tcp: true })).toEqual(['10.0.0.1']);
    expect(server.counts().malformed).toBeGreaterThan(0);
  });

  test('changes nothing for an update without a signature', async () => {
    const socket = createSocket('udp4');
    // An UPDATE that deletes shop's addresses, unsigned: header, zone, one record.
    const name = Buffer.from('\u0004shop\u0002vm\u0007example\u0000', 'latin1');
    const zoneName = name.subarray(5);
    const header = Buffer.from([0, 9, 0x28, 0, 0, 1, 0, 0, 0, 1, 0, 0]);
    const bytes = Buffer.concat([
      header,
      zoneName,
      Buffer.from([0, 6, 0, 1]),
      name,
      Buffer.from([0, 1, 0, 255, 0, 0, 0, 0, 0, 0]),
    ]);
    const reply = await new Promise<Buffer>((resolve) => {
      socket.once('message', resolve);
      socket.send(bytes, server.port, '127.0.0.1');
    });
    socket.close();
    expect((reply[3] ?? 0) & 0xf).toBe(5);
    expect(await answers()).toEqual(['10.0.0.1']);
  });

  test('answers over TCP what does not fit a datagram', async () => {
    const nowSeconds = Math.floor(Date.now() / 1_000);
    const many = Array.from({ length: 120 }, (_, i) => ({
      ...{ name: `many.${zone}`, type: recordType.A, class: 1, ttl: 5 },
      data: Buffer.from([10, 1, 0, i]),
    }));
    await update(server, { zone, prerequisites: [], updates: many }, key, { timeoutMs: 2_000, nowSeconds });
    const reply = await ask(server, `many.${zone}`, recordType.A, { timeoutMs: 2_000 });
    expect(reply.answers).toHaveLength(120);
  });
});

describe('our client', () => {
  test('waits for the real answer and ignores forged ones', async () => {
    const liar = createSocket('udp4');
    const signed = await startEmbeddedNameServer({ host: '127.0.0.1', port: 0, zone, key, records: [] });
    liar.on('message', (request, from) => {
      const send = (bytes: Buffer) => liar.send(bytes, from.port, from.address);
      send(noise(3, 40));
      // The right id, success, no signature: what somebody on the path would send first.
      const forged = Buffer.from(request.subarray(0, 12));
      forged.writeUInt16BE(0xa800, 2);
      forged.fill(0, 4);
      send(forged);
      const relay = createSocket('udp4');
      relay.once('message', (reply) => {
        send(reply);
        relay.close();
      });
      relay.send(request, signed.port, '127.0.0.1');
    });
    await new Promise<void>((resolve) => liar.bind(0, '127.0.0.1', resolve));
    const options = { timeoutMs: 2_000, nowSeconds: Math.floor(Date.now() / 1_000) };
    const updates = [deleteRrset(`x.${zone}`, recordType.A)];
    const reply = await update(
      { host: '127.0.0.1', port: liar.address().port },
      { zone, prerequisites: [], updates },
      key,
      options,
    );
    expect(reply).toMatchObject({ rcode: 'NOERROR', signed: true });
    liar.close();
    await signed.close();
  });

  test('gives up at its deadline, when refused and when told', async () => {
    const silent = createSocket('udp4');
    await new Promise<void>((resolve) => silent.bind(0, '127.0.0.1', resolve));
    const port = silent.address().port;
    const question = (options: { timeoutMs: number; signal?: AbortSignal }, at = port) =>
      ask({ host: '127.0.0.1', port: at }, zone, recordType.SOA, options).catch((error: unknown) => error);
    expect(await question({ timeoutMs: 100 })).toMatchObject({ fault: 'timeout' });
    expect(await question({ timeoutMs: 5_000 }, 1)).toMatchObject({ fault: 'refused' });
    const end = new AbortController();
    const aborted = question({ timeoutMs: 60_000, signal: end.signal });
    end.abort();
    expect(await aborted).toBeInstanceOf(TransportError);
    expect(await aborted).toMatchObject({ fault: 'aborted' });
    silent.close();
  });
});
