import type { ApiRequestable } from 'proxmox-api';
import { clusterStatus } from './answers.ts';
import { httpError, ProxmoxError } from './errors.ts';
import { Gates } from './gate.ts';
import type { ProxmoxLog } from './log.ts';
import { Members } from './members.ts';
import { checkedPath, nodeOf, targetOf } from './path.ts';
import { redacted } from './redact.ts';
import type { Trust } from './tls.ts';
import { UntrustedCertificate } from './tls.ts';
import { TokenSource } from './token.ts';
import type { Answer, Deadlines, Exchange } from './transport.ts';
import { defaultDeadlines, Endpoint, NoAnswer } from './transport.ts';

export type EngineOptions = {
  /** `https://pve1.example:8006`, in order of preference. */
  readonly endpoints: readonly string[];
  readonly trust: Trust;
  /** Content of the token file. */
  readonly token: () => Promise<string>;
  readonly log: ProxmoxLog;
  readonly deadlines?: Partial<Deadlines>;
};

/** What one call may be told besides its path. */
export type CallContext = { readonly signal?: AbortSignal; readonly urgent?: boolean };

// pvedaemon and pveproxy have three workers each, and their handlers block: two of ours leave one for everybody else.
const callsPerNode = 2;
// A question to a hung guest's agent holds a worker for seconds.
const agentCallsPerNode = 1;
const callsWithoutNode = 4;
// Urgent calls (power, fence) pass in a lane of their own, so that a clone's polling never delays a failover.
const urgentCallsPerNode = 2;
const readRetries = 2;
/** A node that two proxies find no way to is not found by asking them again; each answer takes three seconds or more. */
const unreachables = 2;
const retryPauseMs = 150;
const statusPath = '/api2/json/cluster/status';

type Call = {
  readonly method: Exchange['method'];
  readonly path: string;
  readonly pathTemplate: string;
  readonly target: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** For each try as a whole; the transport's own deadlines when it says nothing. */
  readonly withinMs?: number;
};

/** State shared by all contexts of one engine. */
class Shared {
  readonly endpoints: readonly Endpoint[];
  readonly token: TokenSource;
  readonly log: ProxmoxLog;
  readonly members: Members;
  readonly deadlines: Deadlines;
  readonly nodes = new Gates(callsPerNode);
  readonly urgent = new Gates(urgentCallsPerNode);
  readonly agents = new Gates(agentCallsPerNode);
  readonly rest = new Gates(callsWithoutNode);
  /** The endpoint that answered last. */
  preferred = 0;

  constructor(options: EngineOptions) {
    const deadlines = { ...defaultDeadlines, ...options.deadlines };
    this.endpoints = options.endpoints.map((url) => new Endpoint(origin(url), options.trust, deadlines, 16));
    this.token = new TokenSource(options.token, Date.now);
    this.log = options.log;
    this.deadlines = deadlines;
    const status: Call = {
      ...{ method: 'GET', path: statusPath, pathTemplate: '/cluster/status', target: 'cluster', params: {} },
      withinMs: deadlines.membersMs,
    };
    this.members = new Members(async () => clusterStatus.parse(await sendCall(this, {}, status)));
  }
}

/**
 * The HTTP engine below proxmox-api's typed path proxy. Reads are repeated, on another endpoint where there is one;
 * a write is sent at most once, and tried elsewhere only when its connection was never made.
 */
export class ProxmoxEngine implements ApiRequestable {
  readonly #shared: Shared;
  readonly #context: CallContext;

  constructor(options: EngineOptions | Shared, context: CallContext = {}) {
    this.#shared = options instanceof Shared ? options : new Shared(options);
    this.#context = context;
  }

  /** The same engine for calls that can be given up, or that go first. */
  with(context: CallContext): ProxmoxEngine {
    return new ProxmoxEngine(this.#shared, context);
  }

  /** @returns `data` of the answer. @throws ProxmoxError */
  async doRequest(
    httpMethod: string,
    path: string,
    pathTemplate: string,
    params?: Readonly<Record<string, unknown>>,
  ): Promise<unknown> {
    const method = httpMethod.toUpperCase() as Exchange['method'];
    const call: Call = {
      method,
      path: checkedPath(path),
      pathTemplate: pathTemplate.replace(/^\/api2\/json/, ''),
      target: targetOf(path),
      params: params ?? {},
      ...(path === statusPath ? { withinMs: this.#shared.deadlines.membersMs } : {}),
    };
    const { signal, urgent = false } = this.#context;
    const node = nodeOf(call.path);
    const send = async (): Promise<unknown> => {
      if (node === undefined) return await sendCall(this.#shared, this.#context, call);
      return await this.#shared.members.whileOn(node, signal, (alive) =>
        sendCall(this.#shared, { ...this.#context, signal: alive }, call),
      );
    };
    try {
      return await this.#gate(call).pass(send, urgent, signal);
    } catch (error) {
      if (signal?.aborted === true && error === signal.reason) throw unanswered(call, givenUpUnsent(error));
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#shared.endpoints.map((endpoint) => endpoint.close()));
  }

  #gate(call: Call) {
    const node = nodeOf(call.path);
    if (node === undefined) return this.#shared.rest.of('cluster');
    if (call.path.includes('/agent')) return this.#shared.agents.of(node);
    return (this.#context.urgent === true ? this.#shared.urgent : this.#shared.nodes).of(node);
  }
}

async function sendCall(shared: Shared, context: CallContext, call: Call): Promise<unknown> {
  const { endpoints } = shared;
  // Every endpoint gets its chance to be connected to; a read is moreover repeated after a pause.
  const tries = endpoints.length + (call.method === 'GET' ? readRetries : 0);
  let last: ProxmoxError | undefined;
  let unreachable = 0;
  for (let n = 0; n < tries && unreachable < unreachables; n += 1) {
    const at = shared.preferred;
    if (n >= endpoints.length) await pause(retryPauseMs * (0.5 + Math.random()) * 2 ** (n - endpoints.length));
    try {
      return await sendOnce(shared, context, endpoints[at]!, call);
    } catch (error) {
      const distrusted = isDistrusted(error);
      if (!(error instanceof ProxmoxError) || !(distrusted || mayRepeat(context, call, error))) throw error;
      // One that is merely away may come back; only where every endpoint shows a wrong certificate is it for good.
      if (!distrusted || last === undefined) last = error;
      if (isDistrusted(last) && n >= endpoints.length - 1) throw last;
      if (error.status === 595) unreachable += 1;
      if (shared.preferred === at) shared.preferred = (at + 1) % endpoints.length;
      shared.log.debug({ operation: call.pathTemplate, endpoint: endpoints[at]!.url }, error.reason);
    }
  }
  throw last!;
}

function mayRepeat(context: CallContext, call: Call, error: ProxmoxError): boolean {
  if (context.signal?.aborted === true) return false;
  if (call.method === 'GET') return error.failureClass === 'transient';
  return error.failureClass === 'transient' && error.status === undefined;
}

async function sendOnce(shared: Shared, context: CallContext, endpoint: Endpoint, call: Call): Promise<unknown> {
  const token = await shared.token.current();
  let answer: Answer;
  try {
    answer = await endpoint.exchange(requestOf(call, token.header), context.signal, call.withinMs);
  } catch (error) {
    throw unanswered(call, error);
  }
  if (answer.status === 401) shared.token.forget();
  const body = parsed(answer);
  if (answer.status >= 400) {
    throw httpError(call, { status: answer.status, reason: answer.reason, body: body ?? answer.text });
  }
  if (answer.status !== 200 || body === undefined || !('data' in body)) throw incomplete(call, answer);
  return body.data;
}

function origin(url: string): string {
  return new URL(url).origin;
}

function requestOf(call: Call, authorization: string): Exchange {
  const form = encoded(call.params);
  const headers: Record<string, string> = { authorization, accept: 'application/json' };
  // Proxmox answers 501 to a body of GET or DELETE.
  if (call.method === 'GET' || call.method === 'DELETE') {
    return { method: call.method, path: form === '' ? call.path : `${call.path}?${form}`, headers };
  }
  headers['content-type'] = 'application/x-www-form-urlencoded';
  return { method: call.method, path: call.path, headers, body: form };
}

/** Booleans as 1 and 0, arrays as repeated keys, nothing for null and undefined; `;` is always escaped. */
function encoded(params: Readonly<Record<string, unknown>>): string {
  const form = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value === undefined || value === null) continue;
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      form.append(key, typeof one === 'boolean' ? (one ? '1' : '0') : String(one));
    }
  }
  return form.toString();
}

function parsed(answer: Answer): { data?: unknown } | undefined {
  if (!answer.contentType.includes('json') && !answer.text.startsWith('{')) return undefined;
  try {
    const body: unknown = JSON.parse(answer.text);
    return typeof body === 'object' && body !== null ? body : undefined;
  } catch {
    return undefined;
  }
}

/** Success without a readable body: for a write it may well have happened. */
function incomplete(call: Call, answer: Answer): ProxmoxError {
  const what = answer.text === '' ? 'an empty body' : `${answer.text.length} bytes that are not its JSON`;
  return new ProxmoxError({
    operation: `${call.method} ${call.pathTemplate}`,
    target: call.target,
    failureClass: call.method === 'GET' ? 'transient' : 'ambiguous',
    message: `HTTP ${answer.status} with ${what}; is this a Proxmox VE API?`,
    status: answer.status,
    pathTemplate: call.pathTemplate,
  });
}

function givenUpUnsent(cause: unknown): NoAnswer {
  return new NoAnswer('given up by the caller', false, true, { cause });
}

function unanswered(call: Call, error: unknown): ProxmoxError {
  const lost = error instanceof NoAnswer ? error : new NoAnswer(String(error), true, false, { cause: error });
  if (lost.cause instanceof UntrustedCertificate) {
    return new ProxmoxError(
      {
        operation: `${call.method} ${call.pathTemplate}`,
        target: call.target,
        failureClass: 'permanent',
        message: lost.message,
        pathTemplate: call.pathTemplate,
      },
      { cause: lost.cause },
    );
  }
  const doubtful = lost.sent && call.method !== 'GET';
  return new ProxmoxError(
    {
      operation: `${call.method} ${call.pathTemplate}`,
      target: call.target,
      failureClass: doubtful ? 'ambiguous' : 'transient',
      message: redacted(
        doubtful
          ? `no complete answer (${lost.message}); it may have been carried out`
          : lost.sent
            ? `no complete answer (${lost.message})`
            : `no connection (${lost.message})`,
      ),
      pathTemplate: call.pathTemplate,
    },
    { cause: error },
  );
}

function isDistrusted(error: unknown): boolean {
  return error instanceof ProxmoxError && error.cause instanceof UntrustedCertificate;
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
