import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { ServiceError } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import type { ApiOptions, ApiStores, RunningApi } from '../../../src/api/options.ts';
import { startApi } from '../../../src/api/server.ts';
import type { DemandBatch } from '../../../src/domain/demand.ts';
import type { UmbraEvent } from '../../../src/domain/event.ts';
import type { HostedVmView } from '../../../src/domain/view.ts';
import type { DemandQuery } from '../../../src/ports/demand-store.ts';
import type { Pushed } from '../../../src/ports/push-ledger.ts';
import type { Heartbeat, InventoryRevision } from '../../../src/ports/registry.ts';

/** What was asked of a workflow. */
export type Asked = { readonly workflowId: string; readonly message: string; readonly args: readonly unknown[] };

export type World = {
  readonly api: RunningApi;
  readonly views: Map<string, HostedVmView>;
  readonly events: UmbraEvent[];
  readonly beats: Map<string, Heartbeat>;
  readonly batches: DemandBatch[];
  readonly asked: Asked[];
  /** Lines of the log, as one text each. */
  readonly logged: string[];
  /** How workflows answer; throws for a Temporal that is away. */
  answer: (asked: Asked) => unknown;
  change(id: string): void;
};

/** An API on a free port of loopback, with stores in memory and workflows that answer as told. */
export async function startWorld(options: Partial<ApiOptions> = {}): Promise<World> {
  const listeners: ((id: string) => void)[] = [];
  const state = {
    views: new Map<string, HostedVmView>(),
    events: [] as UmbraEvent[],
    beats: new Map<string, Heartbeat>(),
    batches: [] as DemandBatch[],
    asked: [] as Asked[],
    logged: [] as string[],
    answer: (): unknown => ({ kind: 'accepted', text: 'done' }),
    change: (id: string) => listeners.forEach((listener) => listener(id)),
  } as unknown as Omit<World, 'api'> & { api: RunningApi };
  const log = (facts: object, text: string): void => void state.logged.push(`${text} ${JSON.stringify(facts)}`);
  const logger = { info: log, warn: log, error: log, debug: log, trace: log, fatal: log, level: 'info' };
  const api = await startApi({
    host: '127.0.0.1',
    port: 0,
    client: clientOf(state),
    stores: storesOf(state, listeners),
    access: { tokens: [], hosts: [] },
    addresses: () => ({ dns: '127.0.0.1:5300' }),
    log: Object.assign(logger, { child: () => logger }),
    now: () => 1_000_000,
    ...options,
  });
  return Object.assign(state, { api });
}

function storesOf(state: Omit<World, 'api'>, listeners: ((id: string) => void)[]): ApiStores {
  const revisions: InventoryRevision[] = [];
  const pushed = new Map<string, Pushed>();
  const nothing = (): Promise<void> => Promise.resolve();
  return {
    registry: {
      save: nothing,
      views: () => Promise.resolve([...state.views.values()]),
      view: (id) => Promise.resolve(state.views.get(id)),
      events: ({ hostedVmId, limit }) =>
        Promise.resolve(
          state.events.filter((event) => hostedVmId === undefined || event.hostedVmId === hostedVmId).slice(0, limit),
        ),
      watched: () => Promise.resolve([]),
      onChange: (listener) => {
        listeners.push(listener);
        return Promise.resolve(nothing);
      },
    },
    inventory: {
      current: () => Promise.resolve(revisions.at(-1)),
      append: (inventory, text, by, expected) => {
        if (revisions.length !== expected) return Promise.resolve(undefined);
        revisions.push({ revision: expected + 1, appliedAt: 1, by, inventory, text, installation: '3f9c2a71b0de' });
        return Promise.resolve(revisions.at(-1));
      },
      onChange: () => Promise.resolve(nothing),
    },
    heartbeats: {
      record: (beats) => {
        for (const beat of beats) state.beats.set(beat.instance, beat);
        return nothing();
      },
      newest: () => Promise.resolve(state.beats),
    },
    demand: {
      write: (batch: DemandBatch) => {
        state.batches.push(batch);
        return Promise.resolve('written');
      },
      read: ({ from, stepMs, imputed }: DemandQuery) =>
        Promise.resolve({ start: from, stepMs, qps: [1, NaN, imputed === true ? 5 : 3] }),
      readMany: ({ hostedVmIds, to, stepMs }: DemandQuery & { hostedVmIds: string[] }) =>
        Promise.resolve(
          new Map(
            hostedVmIds.map((id) => [id, { start: to - 5 * stepMs, stepMs, qps: [70, 10, NaN, 30, NaN] }] as const),
          ),
        ),
      edges: () =>
        Promise.resolve([
          { edge: 'local', lastBucketAt: 990_000, framesPerSecond: 5, observedShare: 1, senders: 1, silent: false },
        ]),
      maintain: nothing,
    } as unknown as ApiStores['demand'],
    events: {
      append: (events) => {
        state.events.push(...events);
        return nothing();
      },
    },
    pushes: {
      all: () => Promise.resolve([...pushed.values()]),
      record: (one) => {
        pushed.set(`${one.what}/${one.id}`, one);
        return nothing();
      },
      forget: (what, id) => {
        pushed.delete(`${what}/${id}`);
        return nothing();
      },
    },
  };
}

function clientOf(state: Omit<World, 'api'>): Client {
  const ask = (workflowId: string, message: string, args: readonly unknown[]): Promise<unknown> => {
    const asked = { workflowId, message, args };
    state.asked.push(asked);
    return Promise.resolve().then(() => state.answer(asked));
  };
  type Start = { options: { workflowId: string }; args: readonly unknown[] };
  return {
    options: { namespace: 'default' },
    withDeadline: (_deadline: number, work: () => Promise<unknown>) => work(),
    workflow: {
      getHandle: (id: string) => ({
        executeUpdate: (name: string, { args }: { args: unknown[] }) => ask(id, name, args),
        signal: (name: string, ...args: unknown[]) => ask(id, name, args),
        query: (name: string) => ask(id, name, []),
      }),
      executeUpdateWithStart: (name: string, given: { args: unknown[]; startWorkflowOperation: Start }) =>
        ask(given.startWorkflowOperation.options.workflowId, name, given.args),
    },
    workflowService: {
      getSystemInfo: () => ask('-', 'getSystemInfo', []).then(() => ({ serverVersion: '1.2.3' })),
      describeTaskQueue: () => ask('-', 'describeTaskQueue', []),
    },
  } as unknown as Client;
}

export function temporalIsAway(): never {
  throw new ServiceError('14 UNAVAILABLE: no connection');
}

export type Reply = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the test says what it expects
  json<T = Record<string, unknown>>(): T;
};

/** As fetch, but any header may be sent, `host` too. */
export function ask(
  url: string,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: unknown } = {},
): Promise<Reply> {
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const headers = { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...options.headers };
  return new Promise((resolve, reject) => {
    const asking = request(`${url}${path}`, {
      method: options.method ?? (body === undefined ? 'GET' : 'POST'),
      headers,
      agent: false,
    });
    asking.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- as the type has it
          json: <T>() => JSON.parse(text) as T,
        }),
      );
    });
    asking.on('error', reject);
    asking.end(body);
  });
}

/** Waits until it holds; a test without an end would hide what is wrong. */
export async function eventually(holds: () => boolean, limitMs = 5_000): Promise<void> {
  const until = performance.now() + limitMs;
  while (!holds()) {
    if (performance.now() > until) throw new Error(`did not hold within ${limitMs} ms: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
