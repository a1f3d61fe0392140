import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DemandBatch } from '../../../src/domain/demand.ts';
import { writeOverHttp } from '../../../src/providers/http-demand-store.ts';

const batch: DemandBatch = { edge: 'north', epoch: 1, seq: 2, buckets: [], counts: [] };
const held: {
  dir: string;
  server?: Server;
  answer: [number, string];
  asked: { path: string; token: string; body: unknown }[];
} = {
  dir: '',
  answer: [200, '{"outcome":"written"}'],
  asked: [],
};

beforeEach(async () => {
  held.dir = await mkdtemp(join(tmpdir(), 'umbra-http-'));
  await writeFile(join(held.dir, 'token'), 'first-secret\n');
  held.asked = [];
  const take = async (request: IncomingMessage): Promise<void> => {
    let text = '';
    for await (const part of request) text += String(part);
    held.asked.push({ path: request.url!, token: request.headers.authorization!, body: JSON.parse(text) });
  };
  held.server = createServer((request, response) => {
    void take(request).then(() => response.writeHead(held.answer[0]).end(held.answer[1]));
  }).listen(0, '127.0.0.1');
  await once(held.server, 'listening');
});
afterEach(async () => {
  held.server?.closeAllConnections();
  held.server?.close();
  await rm(held.dir, { recursive: true });
});

const store = () =>
  writeOverHttp(`http://127.0.0.1:${(held.server!.address() as AddressInfo).port}`, join(held.dir, 'token'));

test('an edge posts its batch with the token of the moment', async () => {
  const edge = store();
  held.answer = [200, '{"outcome":"written"}'];
  expect(await edge.write(batch)).toBe('written');
  await writeFile(join(held.dir, 'token'), 'second-secret\n');
  held.answer = [200, '{"outcome":"repeated"}'];
  expect(await edge.write(batch)).toBe('repeated');
  expect(held.asked).toEqual([
    { path: '/api/v1/demand', token: 'Bearer first-secret', body: batch },
    { path: '/api/v1/demand', token: 'Bearer second-secret', body: batch },
  ]);
});

test.each([
  [503, 'away', 'transient'],
  [502, 'bad gateway', 'transient'],
  [200, 'a page of something else', 'transient'],
  [401, 'no', 'auth'],
  [403, 'not an edge', 'permission'],
  [400, 'crooked', 'invalid'],
])('%d %s is %s', async (status, body, failureClass) => {
  held.answer = [status, body];
  const failure = await store()
    .write(batch)
    .catch((error: unknown) => error);
  expect(failure).toMatchObject({ failureClass });
  expect(String(failure)).not.toContain('secret');
});

test('nobody there and no token file are said as such', async () => {
  await expect(writeOverHttp('http://127.0.0.1:1', join(held.dir, 'token')).write(batch)).rejects.toMatchObject({
    failureClass: 'transient',
  });
  await expect(writeOverHttp('http://127.0.0.1:1', join(held.dir, 'none')).write(batch)).rejects.toMatchObject({
    failureClass: 'auth',
  });
});
