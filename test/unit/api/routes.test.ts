import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { eventsAsCsv } from '../../../src/api/csv.ts';
import { exampleView } from '../../support/example-view.ts';
import { ask, eventually, startWorld, temporalIsAway } from './harness.ts';
import type { World } from './harness.ts';

const text = readFileSync(new URL('../../../examples/inventory.yaml', import.meta.url), 'utf8');

let world: World;
afterEach(() => world.api.close());

describe('commands', () => {
  const path = '/api/v1/hosted-vms/shop/commands';

  test('carry who, why and an id of their own to the workflow, and its answer back', async () => {
    world = await startWorld();
    const headers = { 'x-umbra-actor': 'ada' };
    const reply = await ask(world.api.url, `${path}/extendProbation`, {
      headers,
      body: { by: '6h', reason: 'Friday' },
    });
    expect([reply.status, reply.json()]).toEqual([200, { kind: 'accepted', text: 'done' }]);
    const [args] = world.asked.find(({ message }) => message === 'extendProbation')!.args as [Record<string, unknown>];
    expect(args).toMatchObject({ actor: 'operator:ada@loopback', reason: 'Friday', byMs: 21_600_000 });
    expect(args['requestId']).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('a refusal is an answer with status 409 and the reason, in the workflow’s own words', async () => {
    world = await startWorld();
    const reason = { code: 'paused', text: 'this hosted VM is paused: resume it first' };
    const refused = { kind: 'refused', reason } as const;
    const failure = ApplicationFailure.create({
      type: 'paused',
      message: reason.text,
      nonRetryable: true,
      details: [refused],
    });
    world.answer = () => {
      throw new WorkflowUpdateFailedError('Workflow Update failed', failure);
    };
    const reply = await ask(world.api.url, `${path}/failover`, { body: {} });
    expect([reply.status, reply.json()]).toEqual([409, refused]);
    const applied = await ask(world.api.url, '/api/v1/inventory', { body: { text } });
    expect(applied.json<{ pending: object[] }>().pending[1]).toEqual({
      what: 'hostedVm',
      id: 'shop',
      why: reason.text,
    });
  });

  test('an unknown hosted VM is named with what was probably meant', async () => {
    world = await startWorld();
    world.views.set('shop', exampleView('shop'));
    world.answer = () => {
      throw new WorkflowNotFoundError('not found', 'hosted-vm/shpo', undefined);
    };
    const reply = await ask(world.api.url, '/api/v1/hosted-vms/shpo/commands/failover', { body: {} });
    expect([reply.status, reply.json()]).toEqual([
      404,
      { message: 'no hosted VM is called "shpo"; did you mean shop?' },
    ]);
  });

  test('a Temporal that is away is said, with what was tried', async () => {
    world = await startWorld();
    world.answer = temporalIsAway;
    const reply = await ask(world.api.url, `${path}/failover`, { body: {} });
    expect(reply.status).toBe(503);
    expect(reply.json<{ message: string }>().message).toMatch(/^failover shop: Temporal or its worker did not answer/);
  });

  test.each([
    ['extendProbation', {}, 'needs "by"'],
    ['extendProbation', { by: 'long' }, 'needs "by"'],
    ['failover', { to: 7 }, '/to'],
    ['explode', {}, 'command'],
  ])('%s %j is not understood', async (command, body, message) => {
    world = await startWorld();
    const reply = await ask(world.api.url, `${path}/${command}`, { body });
    expect(reply.status).toBe(400);
    expect(reply.text).toContain(message.replaceAll('"', '\\"'));
  });
});

describe('applying an inventory', () => {
  const apply = (body: object) => ask(world.api.url, '/api/v1/inventory', { body });

  test('shows first, then pushes clusters before hosted VMs, each once', async () => {
    world = await startWorld();
    const dry = await apply({ text, dryRun: true });
    expect(dry.json()).toMatchObject({
      revision: 0,
      applied: false,
      changes: [{ what: 'cluster' }, { what: 'zone' }, { id: 'shop' }],
    });
    expect(world.asked).toEqual([]);
    const reply = await apply({ text });
    expect(reply.json()).toMatchObject({ revision: 1, applied: true, pending: [] });
    const again = await apply({ text });
    expect(again.json()).toMatchObject({ revision: 1, applied: false, changes: [], pending: [] });
    expect(world.asked.map(({ workflowId, message }) => `${message} ${workflowId}`)).toEqual([
      'applyCluster cluster/lab',
      'applySpec hosted-vm/shop',
    ]);
    expect(world.events[0]).toMatchObject({ kind: 'inventory-applied', actor: 'operator:somebody@loopback' });
  });

  test('shows what is applied before its workflow reports', async () => {
    world = await startWorld();
    await apply({ text });
    const [view] = (await ask(world.api.url, '/api/v1/hosted-vms')).json<{ state: string; sentence: string }[]>();
    expect(view).toMatchObject({ state: 'unknown', sentence: 'shop is applied; its workflow has not reported yet' });
  });

  test('a Temporal that is away loses nothing: it is pushed once it is back', async () => {
    world = await startWorld();
    world.answer = temporalIsAway;
    const reply = await apply({ text });
    expect(reply.json<{ applied: boolean; pending: { id: string }[] }>()).toMatchObject({
      applied: true,
      pending: [{ id: 'lab' }, { id: 'shop' }],
    });
    world.answer = () => ({ kind: 'accepted', text: 'done' });
    const before = world.asked.length;
    await eventually(() => world.asked.length >= before + 2);
    await eventually(() => world.logged.every((line) => line !== ''));
    const status = await ask(world.api.url, '/api/v1/inventory');
    expect(status.json()).toMatchObject({ revision: 1, pending: [] });
  });

  test('what is left out is retired; a refusal is asked again', async () => {
    world = await startWorld();
    await apply({ text });
    world.answer = ({ message }) =>
      message === 'retire'
        ? { kind: 'refused', reason: { code: 'wrong-phase', text: 'it is on probation' } }
        : undefined;
    const without = text.slice(0, text.indexOf('hostedVms:')) + 'hostedVms: []\n';
    const reply = await apply({ text: without });
    expect(reply.json()).toMatchObject({
      applied: true,
      pending: [{ id: 'shop', why: 'retire was refused: it is on probation' }],
    });
    world.answer = () => ({ kind: 'accepted', text: 'done' });
    await eventually(() => world.asked.filter(({ message }) => message === 'retire').length >= 2);
  });

  test('problems come back with their places, and nothing is applied', async () => {
    world = await startWorld();
    const reply = await apply({ text: text.replace('vmid: 101', 'vmid: 9001'), file: 'mine.yaml' });
    expect(reply.status).toBe(422);
    expect(reply.json()).toMatchObject({
      message: 'mine.yaml has a problem: nothing was applied',
      problems: [{ path: 'hostedVms[0].primary.vmid', message: expect.stringContaining('9001 lies in 9000-9099') }],
    });
    expect(world.asked).toEqual([]);
  });

  test('somebody who looked at an older revision is refused', async () => {
    world = await startWorld();
    await apply({ text });
    const reply = await apply({ text: text.replace('capacity: 400', 'capacity: 500'), expected: 0 });
    expect([reply.status, reply.json<{ message: string }>().message]).toEqual([
      409,
      'revision 1 is current, not 0: look at the changes again',
    ]);
  });
});

describe('reading', () => {
  test('demand has null where nothing was seen', async () => {
    world = await startWorld();
    world.views.set('shop', exampleView('shop'));
    const reply = await ask(world.api.url, '/api/v1/hosted-vms/shop/demand?since=30s&step=10s');
    expect(reply.json()).toEqual({
      demand: { start: 970_000, stepMs: 10_000, qps: [1, null, 3] },
      imputed: null,
      forecast: null,
      capacityQps: 400,
    });
    const shown = await ask(world.api.url, '/api/v1/hosted-vms/shop/demand?since=30s&step=10s&imputed=true');
    expect(shown.json()).toMatchObject({ demand: { qps: [1, null, 3] }, imputed: { qps: [1, null, 5] } });
    for (const query of ['since=soon', 'since=1h&step=7s', 'since=400d&step=10s']) {
      expect((await ask(world.api.url, `/api/v1/hosted-vms/shop/demand?${query}`)).status).toBe(400);
    }
  });

  test('demand now is the mean of the newest half minute, with the moment it ended', async () => {
    world = await startWorld();
    await ask(world.api.url, '/api/v1/inventory', { body: { text } });
    // Of 70, 10, gap, 30, gap: the newest known step is the fourth of five, and ended 10 s ago.
    expect((await ask(world.api.url, '/api/v1/demand/now')).json()).toEqual({ shop: { qps: 20, at: 990_000 } });
  });

  test('an edge asks which names it counts', async () => {
    world = await startWorld();
    await ask(world.api.url, '/api/v1/inventory', { body: { text } });
    expect((await ask(world.api.url, '/api/v1/names')).json()).toEqual([
      { hostedVmId: 'shop', names: ['shop.example.com', '*.shop.example.com'], ttlSeconds: 10 },
    ]);
  });

  test('a batch whose counts are not counts is refused, and nothing of it is written', async () => {
    world = await startWorld();
    const batch = { edge: 'pop1', epoch: 1, seq: -1, buckets: [], counts: [] };
    expect((await ask(world.api.url, '/api/v1/demand', { body: batch })).status).toBe(400);
    expect(world.batches).toEqual([]);
  });

  test('status is 503 until everything is up, and then tells every address', async () => {
    world = await startWorld();
    world.answer = temporalIsAway;
    const down = await ask(world.api.url, '/api/v1/status');
    expect([down.status, down.json<{ ready: boolean }>().ready]).toEqual([503, false]);
    world.answer = ({ message }) =>
      message === 'describeTaskQueue' ? { pollers: [{ lastAccessTime: { seconds: Date.now() / 1000 } }] } : undefined;
    for (;;) {
      const up = await ask(world.api.url, '/api/v1/status');
      if (up.status !== 200) continue;
      expect(up.json()).toMatchObject({
        ready: true,
        addresses: { api: world.api.url, dns: '127.0.0.1:5300', proxmox: '' },
      });
      break;
    }
  }, 10_000);

  test('events are exported as a table that no spreadsheet runs', () => {
    const reason = { code: 'x', text: '=HYPERLINK("http://evil")' };
    const event = { id: 'a', at: 0, hostedVmId: 'shop', kind: 'fenced', actor: 'workflow', reason, facts: {} };
    expect(eventsAsCsv([event]).split('\r\n')[1]).toBe(
      `1970-01-01T00:00:00.000Z,shop,fenced,workflow,x,"'=HYPERLINK(""http://evil"")",{}`,
    );
    // afterEach closes a world in every test of this file.
    return startWorld().then((opened) => (world = opened));
  });

  test('open pages hear what changed, of all or of one', async () => {
    world = await startWorld();
    const ended = new AbortController();
    const response = await fetch(`${world.api.url}/api/v1/stream?vm=shop`, { signal: ended.signal });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    await reader.read();
    world.change('blog');
    world.change('shop');
    expect((await reader.read()).value).toBe('data: {"type":"hosted-vm","id":"shop"}\n\n');
    ended.abort();
  });

  test('the OpenAPI document and the metrics describe what is here', async () => {
    world = await startWorld();
    world.views.set('shop', exampleView('shop'));
    const document = (await ask(world.api.url, '/api/v1/openapi.json')).json<{
      paths: object;
      components: { schemas: object };
    }>();
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/api/v1/hosted-vms', '/api/v1/hosted-vms/{id}/commands/{command}', '/api/v1/inventory']),
    );
    expect(JSON.stringify(document)).toContain('#/components/schemas/');
    expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining(['HostedVm', 'Event', 'Problem']));
    const metrics = await ask(world.api.url, '/metrics');
    expect(metrics.text).toContain('umbra_hosted_vms{state="protected"} 1');
    expect(metrics.text).toContain('umbra_edge_frames_per_second{edge="local"} 5');
  });
});

describe('the dashboard', () => {
  test('is served with a strict policy; its own addresses lead to its page, unknown API paths do not', async () => {
    const webRoot = mkdtempSync(join(tmpdir(), 'umbra-web-'));
    mkdirSync(join(webRoot, 'assets'));
    writeFileSync(join(webRoot, 'index.html'), '<!doctype html><title>Umbra</title>');
    writeFileSync(join(webRoot, 'assets', 'main-1a2b.js'), '1');
    world = await startWorld({ webRoot });
    const html = { headers: { accept: 'text/html' } };
    const page = await ask(world.api.url, '/vm/shop', html);
    expect([page.status, page.text]).toEqual([200, '<!doctype html><title>Umbra</title>']);
    expect(page.headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self';/,
    );
    expect(page.headers['cache-control']).toBe('no-cache');
    const asset = await ask(world.api.url, '/assets/main-1a2b.js');
    expect(asset.headers['cache-control']).toContain('immutable');
    expect((await ask(world.api.url, '/api/v1/nothing', html)).status).toBe(404);
    expect((await ask(world.api.url, '/assets/none.js')).status).toBe(404);
    rmSync(webRoot, { recursive: true });
  });
});
