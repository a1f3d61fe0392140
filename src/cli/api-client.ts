import { Ending, exitCodes } from './exit.ts';
import { readInstanceFile } from './instance-file.ts';
import type { InstanceFile } from './instance-file.ts';
import type { Terminal } from './terminal.ts';

/** Updates may wait for a workflow that is busy. */
const patienceMs = 30_000;

type ApiAnswer<T> = { readonly status: number; readonly body: T; readonly date: string | null };

/** The running Umbra as verbs see it. */
export type Api = {
  readonly url: string;
  /** Any status below 500 except 401 and 403 is an answer. @throws Ending */
  ask<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<ApiAnswer<T>>;
  /** The body of a 200. @throws Ending with the API's own sentence */

  read<T>(path: string): Promise<T>;
  /** Yields once after each change that the API tells of, and at the latest after `everyMs`; ends when interrupted. */
  changes(hostedVmId: string | undefined, everyMs: number): AsyncGenerator<void>;
};

/** @param given `--api`, which stands above UMBRA_API, which stands above the instance file */
export function findApi(terminal: Terminal, given: string | undefined): Api {
  const url = (given ?? terminal.surroundings.api ?? instanceOf(terminal).addresses.api).replace(/\/+$/, '');
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new Ending(exitCodes.usage, `--api ${url} is not an address such as http://127.0.0.1:8080`);
  }
  return connectApi(terminal, url);
}

/** The instance that `umbra dev` has left word of. @throws Ending when there is none */
export function instanceOf(terminal: Terminal): InstanceFile {
  const found = readInstanceFile(terminal.surroundings.instanceFile);
  if (found.kind === 'running') return found.instance;
  const why =
    found.kind === 'stale'
      ? `the instance of process ${found.pid} is gone (its file is still there)`
      : 'no instance has left word on this machine';
  throw new Ending(
    exitCodes.notReachable,
    `no running Umbra: ${why}. Start one with npm start, or say where it is with --api URL or UMBRA_API`,
  );
}

function connectApi(terminal: Terminal, url: string): Api {
  const { token, user } = terminal.surroundings;
  const headers = {
    accept: 'application/json',
    'x-umbra-actor': user.replace(/[^\w.@-]/g, '') || 'somebody',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  const send = async (path: string, init: RequestInit): Promise<Response> => {
    try {
      return await fetch(url + path, { ...init, redirect: 'error' });
    } catch (error) {
      if (terminal.interrupted.aborted) throw error;
      throw new Ending(
        exitCodes.notReachable,
        `${url} does not answer (${causeOf(error)}). Is it running? umbra status --api URL asks another one`,
        { cause: error },
      );
    }
  };
  const api: Api = {
    url,
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- as the interface has it
    ask: async <T>(method: 'GET' | 'POST', path: string, body?: unknown) => {
      const signal = AbortSignal.timeout(patienceMs);
      const init: RequestInit =
        body === undefined
          ? { method, headers, signal }
          : { method, headers: { ...headers, 'content-type': 'application/json' }, signal, body: JSON.stringify(body) };
      const response = await send(path, init);
      const text = await response.text();
      const parsed = parseBody(text);
      if (response.status === 401 || response.status === 403) {
        throw new Ending(exitCodes.notAllowed, `${url}: ${messageOf(parsed) ?? 'not allowed'}`);
      }
      const sentence = messageOf(parsed);
      if (response.status >= 500 && sentence !== undefined) {
        throw new Ending(response.status === 503 ? exitCodes.notReachable : exitCodes.failure, sentence);
      }
      if (parsed === undefined) {
        const what = `${url}${path} answered ${response.status} with something that is not Umbra's`;
        throw new Ending(exitCodes.notReachable, `${what}: is this the address of Umbra's API?`);
      }
      return { status: response.status, body: parsed as T, date: response.headers.get('date') };
    },
    read: async <T>(path: string) => {
      const { status, body } = await api.ask<T>('GET', path);
      if (status === 200) return body;
      throw new Ending(
        status === 404 || status === 400 ? exitCodes.usage : exitCodes.failure,
        messageOf(body) ?? `${path} answered ${status}`,
      );
    },
    changes: (hostedVmId, everyMs) =>
      follow(terminal, everyMs, (signal) =>
        send(`/api/v1/stream${hostedVmId === undefined ? '' : `?vm=${encodeURIComponent(hostedVmId)}`}`, {
          headers: { ...headers, accept: 'text/event-stream' },
          signal,
        }),
      ),
  };
  return api;
}

async function* follow(
  terminal: Terminal,
  everyMs: number,
  open: (signal: AbortSignal) => Promise<Response>,
): AsyncGenerator<void> {
  const { interrupted } = terminal;
  const state = { changed: false, wake: (): void => undefined };
  const note = (): void => {
    state.changed = true;
    state.wake();
  };
  const listen = async (): Promise<void> => {
    const response = await open(interrupted);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
      if (part.value.includes('data:')) note();
    }
  };
  // Without the stream the list is still read every few seconds.
  void listen().catch(() => undefined);
  const over = (): boolean => interrupted.aborted;
  interrupted.addEventListener('abort', () => state.wake(), { once: true });
  while (!over()) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, everyMs);
      state.wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (state.changed || over()) state.wake();
    });
    state.changed = false;
    if (!over()) yield;
  }
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export function messageOf(body: unknown): string | undefined {
  const message = (body as { message?: unknown } | null | undefined)?.message;
  return typeof message === 'string' ? message : undefined;
}

function causeOf(error: unknown): string {
  const cause = (error as { cause?: unknown }).cause ?? error;
  const { code, message } = cause as { code?: string; message?: string };
  return code ?? message ?? String(cause);
}
