import type { Client } from '@temporalio/client';
import { taskQueues } from '../domain/cluster-messages.ts';
import type { Addresses, ApiOptions } from './options.ts';
import type { StatusAnswer } from './routes/operations.ts';

/** Many ask at once while they wait for a start; the parts are asked once in this time. */
const freshMs = 1_000;
const patienceMs = 2_500;
/** A worker that has not asked for work for this long is away; a long poll lasts a minute. */
const pollerAgeMs = 75_000;

export type StatusSource = { look(): Promise<StatusAnswer> };

const nowhere: Addresses = { dashboard: '', api: '', temporal: '', temporalUi: '', dns: '', dnstap: '', proxmox: '' };

/** @param url of this API */
export function createStatus(options: ApiOptions, url: () => string): StatusSource {
  const checks: Readonly<Record<string, () => Promise<string>>> = {
    temporal: () => temporalAnswers(options.client),
    worker: () => workerPolls(options.client),
    store: async () => {
      const current = await options.stores.inventory.current();
      return current === undefined ? 'no inventory applied yet' : `inventory revision ${current.revision}`;
    },
    ...options.components,
  };
  const state: { at: number; answer: Promise<StatusAnswer> | undefined } = { at: 0, answer: undefined };

  const look = async (): Promise<StatusAnswer> => {
    const components = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => {
        try {
          return { name, ok: true, detail: await bounded(check()) };
        } catch (error) {
          return { name, ok: false, detail: error instanceof Error ? error.message : String(error) };
        }
      }),
    );
    const own = { api: url(), dashboard: options.webRoot === undefined ? '' : `${url()}/` };
    return {
      ready: components.every(({ ok }) => ok),
      addresses: { ...nowhere, ...own, ...options.addresses() },
      components,
    };
  };
  return {
    look: () => {
      const now = performance.now();
      if (state.answer === undefined || now - state.at > freshMs) {
        state.at = now;
        state.answer = look();
      }
      return state.answer;
    },
  };
}

async function temporalAnswers(client: Client): Promise<string> {
  const info = await client.withDeadline(Date.now() + patienceMs, () => client.workflowService.getSystemInfo({}));
  return `Temporal ${info.serverVersion}`;
}

async function workerPolls(client: Client): Promise<string> {
  const taskQueue = { name: taskQueues.workflows };
  const { namespace } = client.options;
  const { pollers } = await client.withDeadline(Date.now() + patienceMs, () =>
    client.workflowService.describeTaskQueue({ namespace, taskQueue }),
  );
  const alive = pollers.filter(
    ({ lastAccessTime }) => Date.now() - Number(lastAccessTime?.seconds ?? 0) * 1000 < pollerAgeMs,
  );
  if (alive.length === 0)
    throw new Error(`no worker asks for work on task queue ${taskQueues.workflows}: start umbra worker`);
  return `${alive.length} ${alive.length === 1 ? 'worker' : 'workers'}`;
}

async function bounded<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${(patienceMs + 500) / 1000} s`)), patienceMs + 500);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
