import { afterEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { socketProber } from '../../../src/providers/probes/prober.ts';
import { startGuest } from './guests.ts';
import type { HealthCheck } from '../../../src/domain/policy.ts';
import type { Guest } from './guests.ts';

const prober = socketProber();
const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function guest(): Promise<Guest> {
  const started = await startGuest('127.0.0.1');
  cleanUps.push(() => started.close());
  return started;
}

const check = (port: number, more: Partial<HealthCheck> = {}): HealthCheck => ({
  ...{ kind: 'http', port, path: '/health', intervalMs: 1_000, timeoutMs: 1_000, failures: 3 },
  ...more,
});
const target = (port: number, more: Partial<HealthCheck> = {}) => ({ address: '127.0.0.1', check: check(port, more) });

describe('probes', () => {
  test('say ok with the time it took', async () => {
    const { port, answerAfter } = await guest();
    answerAfter(60);
    const result = await prober.probe(target(port), 1_000);
    expect(result).toMatchObject({ outcome: 'ok', detail: `200 on 127.0.0.1:${port}/health` });
    expect(result.latencyMs).toBeGreaterThanOrEqual(55);
    expect(await prober.probe(target(port, { kind: 'tcp' }), 1_000)).toMatchObject({
      outcome: 'ok',
      detail: `connected to 127.0.0.1:${port}`,
    });
  });

  test.each([
    [204, 'ok'],
    [302, 'ok'],
    [404, 'wrong'],
    [503, 'wrong'],
  ])('take a status of %i as %s', async (status, outcome) => {
    const { port, answerWith } = await guest();
    answerWith(status);
    expect(await prober.probe(target(port), 1_000)).toMatchObject({
      outcome,
      detail: `${status} on 127.0.0.1:${port}/health`,
    });
  });

  test('tell refused from silent, and silent ends at its deadline', async () => {
    const { port, hang, die } = await guest();
    hang();
    const silent = await prober.probe(target(port), 150);
    expect(silent).toMatchObject({ outcome: 'silent', detail: `no answer on 127.0.0.1:${port}/health` });
    expect(silent.latencyMs).toBeGreaterThanOrEqual(145);
    await die();
    for (const kind of ['http', 'tcp'] as const) {
      const refused = await prober.probe(target(port, { kind }), 1_000);
      expect(refused.outcome).toBe('refused');
      expect(refused.detail).toContain(`connection refused on 127.0.0.1:${port}`);
    }
  });

  test('do not blame the instance when our own process stood still', async () => {
    // The answer must come from elsewhere: this process will not run meanwhile.
    const script = `
      const server = require('node:http').createServer((_, response) => setTimeout(() => response.end('ok'), 20));
      server.listen(0, '127.0.0.1', () => process.stdout.write(server.address().port + '\\n'));
    `;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    cleanUps.push(() => child.kill());
    const port = await new Promise<number>((resolve) => child.stdout.once('data', (text) => resolve(Number(text))));
    expect(await prober.probe(target(port), 1_000)).toMatchObject({ outcome: 'ok' });
    // On a busy machine the other process may be late as well; without the grace none would ever be ok.
    const outcomes: string[] = [];
    while (!outcomes.includes('ok') && outcomes.length < 10) {
      const result = prober.probe(target(port), 100);
      const until = performance.now() + 300;
      while (performance.now() < until);
      outcomes.push((await result).outcome);
    }
    expect(outcomes).toContain('ok');
  }, 20_000);

  test('do not take gibberish or a closed connection for an answer', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end('220 mail ready\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanUps.push(() => server.close());
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    expect((await prober.probe(target(port), 1_000)).outcome).toBe('wrong');
  });

  test('use a fresh connection each time and leave none open', async () => {
    const connections: boolean[] = [];
    const server = createServer((socket) => {
      const i = connections.push(true) - 1;
      socket.on('error', () => undefined);
      socket.on('close', () => (connections[i] = false));
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nx'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanUps.push(() => server.close());
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    for (let i = 0; i < 3; i += 1) expect((await prober.probe(target(port), 1_000)).outcome).toBe('ok');
    expect(connections).toHaveLength(3);
    for (let tries = 0; connections.includes(true) && tries < 100; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(connections).toEqual([false, false, false]);
  });

  test('are called off by their signal', async () => {
    const { port, hang } = await guest();
    hang();
    const end = new AbortController();
    const result = prober.probe(target(port), 60_000, end.signal);
    end.abort();
    expect(await result).toMatchObject({ outcome: 'wrong' });
  });
});
