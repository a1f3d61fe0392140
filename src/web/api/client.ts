import { learnServerTime } from './clock.ts';
import { authorization, tokenWanted } from './token.ts';

const base = '/api/v1';

/** What the API said instead of an answer: the sentence is for the operator. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, sentence: string) {
    super(sentence);
    this.name = 'ApiError';
    this.status = status;
  }
}

/** @param path below `/api/v1`, such as `/hosted-vms` */
export async function read<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  return ask<Answer>(path, { ...(signal === undefined ? {} : { signal }) });
}

export async function command<Answer>(path: string, body: unknown): Promise<Answer> {
  return ask<Answer>(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
}

/** The stream of changes: as `read`, but the body is left open. */
export async function openStream(path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const response = await request(path, { signal, headers: { accept: 'text/event-stream' } });
  if (!response.ok || response.body === null) throw await refusalOf(response, path);
  return response.body;
}

async function ask<Answer>(path: string, init: RequestInit): Promise<Answer> {
  const response = await request(path, init);
  // A refused command is an answer like any other: the body says why.
  if (!response.ok && !(init.method === 'POST' && response.status === 409)) throw await refusalOf(response, path);
  return (await response.json()) as Answer;
}

async function request(path: string, init: RequestInit): Promise<Response> {
  const headers = {
    accept: 'application/json',
    ...(init.headers as Record<string, string> | undefined),
    ...authorization(),
  };
  let response: Response;
  try {
    response = await fetch(base + path, { ...init, headers, cache: 'no-store' });
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new ApiError(0, 'Umbra does not answer: is its API process running, and is this computer connected to it?');
  }
  learnServerTime(response.headers.get('date'));
  if (response.status === 401) tokenWanted.value = true;
  return response;
}

async function refusalOf(response: Response, path: string): Promise<ApiError> {
  const body = (await response.json().catch(() => ({}))) as { message?: string; error?: string };
  const sentence = body.message ?? body.error ?? `${path} was answered with status ${response.status}`;
  return new ApiError(response.status, sentence);
}
