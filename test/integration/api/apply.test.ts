import { readFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { pino } from 'pino';
import type { RunningApi } from '../../../src/api/options.ts';
import { startApi } from '../../../src/api/server.ts';
import { openStores } from '../../../src/composition/stores.ts';
import type { Stores } from '../../../src/composition/stores.ts';
import { taskQueues } from '../../../src/domain/cluster-messages.ts';
import type { HostedVmState } from '../../../src/domain/hosted-vm.ts';
import { startTestPostgres } from '../../support/postgres.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { devServer, workflowBundle } from '../../support/temporal.ts';
import { ask } from '../../unit/api/harness.ts';

const text = readFileSync(new URL('../../../examples/inventory.yaml', import.meta.url), 'utf8');
const limitMs = 60_000;

/** The way to Temporal, which can be cut. */
type Cable = { readonly address: string; cut(): Promise<void>; mend(): Promise<void> };

let postgres: TestPostgres;
let temporal: TestWorkflowEnvironment;
let cable: Cable;
let stores: Stores;
let connection: Connection;
let workers: Worker[];
let working: Promise<unknown>;
let api: RunningApi;

beforeAll(async () => {
  [postgres, temporal] = await Promise.all([startTestPostgres(), devServer()]);
  cable = await layCable(temporal.address);
  stores = openStores((await postgres.fresh()).url);
  workers = await Promise.all(
    [taskQueues.workflows, taskQueues.failover].map((taskQueue) =>
      Worker.create({ connection: temporal.nativeConnection, taskQueue, workflowBundle: workflowBundle() }),
    ),
  );
  working = Promise.all(workers.map((worker) => worker.run()));
  connection = Connection.lazy({ address: cable.address });
  api = await startApi({
    host: '127.0.0.1',
    port: 0,
    client: new Client({ connection }),
    stores,
    access: { tokens: [], hosts: [] },
    addresses: () => ({}),
    log: pino({ level: 'silent' }),
  });
}, limitMs);

afterAll(async () => {
  await api.close();
  for (const worker of workers) worker.shutdown();
  await working;
  await connection.close();
  await stores.sql.close();
  await cable.cut();
  await Promise.all([postgres.stop(), temporal.teardown()]);
}, limitMs);

test(
  'an inventory applied while Temporal is away reaches its workflows once it is back',
  async () => {
    await cable.cut();
    const away = await ask(api.url, '/api/v1/inventory', { body: { text } });
    expect(away.json()).toMatchObject({ revision: 1, applied: true });
    expect(away.json<{ pending: object[] }>().pending.length).toBeGreaterThan(0);
    await cable.mend();
    await settled();
    const state = await temporal.client.workflow.getHandle('hosted-vm/shop').query<HostedVmState>('state');
    expect(state).toMatchObject({ revision: 1, spec: { id: 'shop', capacityQps: 400 } });
    expect((await stores.pushes.all()).map(({ what, id }) => `${what} ${id}`)).toEqual([
      'cluster lab',
      'hostedVm shop',
    ]);

    const changed = text.replace('capacity: 400', 'capacity: 500');
    const second = await ask(api.url, '/api/v1/inventory', { body: { text: changed } });
    expect(second.json()).toMatchObject({ revision: 2, applied: true, pending: [] });
    const again = await temporal.client.workflow.getHandle('hosted-vm/shop').query<HostedVmState>('state');
    expect(again).toMatchObject({ revision: 2, spec: { capacityQps: 500 } });
    expect(await eventKinds()).toEqual(['inventory-applied', 'inventory-applied']);
  },
  limitMs,
);

test(
  'a command that the workflow refuses comes back with its reason',
  async () => {
    const reply = await ask(api.url, '/api/v1/hosted-vms/shop/commands/handBack', { body: {} });
    expect(reply.status).toBe(409);
    expect(reply.json()).toMatchObject({ kind: 'refused', reason: { text: expect.stringContaining('on probation') } });
    const unknown = await ask(api.url, '/api/v1/hosted-vms/nobody/commands/pause', { body: {} });
    expect(unknown.status).toBe(404);
  },
  limitMs,
);

async function settled(): Promise<void> {
  for (;;) {
    const { pending } = (await ask(api.url, '/api/v1/inventory')).json<{ pending: object[] }>();
    if (pending.length === 0 && (await stores.pushes.all()).length === 2) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function eventKinds(): Promise<string[]> {
  return (await stores.registry.events({ hostedVmId: '*', limit: 10 })).map(({ kind }) => kind);
}

async function layCable(target: string): Promise<Cable> {
  const [host = '', port = ''] = target.split(':');
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(Number(port), host);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    near.pipe(far).pipe(near);
  });
  const listen = (at: number): Promise<void> => new Promise((resolve) => server.listen(at, '127.0.0.1', resolve));
  await listen(0);
  const own = (server.address() as AddressInfo).port;
  return {
    address: `127.0.0.1:${own}`,
    cut: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
    mend: () => listen(own),
  };
}
