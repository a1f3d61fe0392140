import { createServer as createPlain } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Identity } from '../access/permissions.ts';
import { forRelease, verify } from '../api/parameters.ts';
import type { Values } from '../api/parameters.ts';
import { handlerOf } from '../api/handlers.ts';
import { Arguments, Listing } from '../api/operation.ts';
import type { Operation } from '../api/operation.ts';
import { badParameter, notPermitted, Refusal } from '../api/refusal.ts';
import { requirePermission, routeOf } from '../api/router.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Faults } from '../faults/api-faults.ts';
import { authenticate } from './authentication.ts';
import { parseForm, parseJson } from './body.ts';
import { bare, json, send } from './reply.ts';
import type { Reply } from './reply.ts';

const knownMethods = ['GET', 'POST', 'PUT', 'DELETE'];
const longestBodyBytes = 512 * 1024;
/** A connection without requests is closed after this. */
const idleMs = 5000;

/** The API of one node: where clients connect, and what answers them. */
export class NodeListener {
  readonly node: string;
  readonly #cluster: Cluster;
  readonly #faults: Faults;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;
  #host = '127.0.0.1';

  constructor(node: string, cluster: Cluster, faults: Faults, tls?: { key: string; cert: string }) {
    this.node = node;
    this.#cluster = cluster;
    this.#faults = faults;
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      this.#serve(request, response).catch((error: unknown) => {
        cluster.log(`simulator bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
        response.socket?.destroy();
      });
    };
    this.#server = tls ? createSecure(tls, serve) : createPlain(serve);
    this.#server.keepAliveTimeout = idleMs;
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('clientError', (_, socket) => socket.destroy());
  }

  async listen(host: string, port: number): Promise<void> {
    this.#host = host;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port || port, host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  get port(): number {
    return this.#port;
  }

  get isListening(): boolean {
    return this.#server.listening;
  }

  /** Power or network lost: nobody answers at this port, and whoever was connected is cut off. */
  async silence(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Back on the port it had. */
  async resume(): Promise<void> {
    if (!this.#server.listening) await this.listen(this.#host, this.#port);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const acceptsGzip = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
    const method = request.method ?? 'GET';
    if (!knownMethods.includes(method)) {
      send(bare(501, `method '${method}' not available`), response, acceptsGzip);
      return;
    }
    if (request.headers['transfer-encoding'] !== undefined) {
      send(bare(501, 'chunked transfer encoding not supported'), response, acceptsGzip);
      return;
    }
    const url = request.url ?? '/';
    const path = url.split('?')[0]!.replace(/^\/api2\/(?:json|extjs)/, '');
    if (path === url.split('?')[0]) {
      send(bare(404, `no such file '${path}'`), response, acceptsGzip);
      return;
    }
    const body = await readBody(request);
    if (body === undefined) {
      send(bare(501, 'for data too large', 'for data too large'), response, acceptsGzip);
      return;
    }
    const fault = this.#faults.take(this.node, method, path);
    if (fault === 'reset-before') {
      response.socket?.destroy();
      return;
    }
    const reply = await this.#answer(request, method, path, url, body, fault === 'stall');
    this.#cluster.log(`${this.node} ${method} ${path} ${reply.status} ${reply.reason}`);
    switch (fault) {
      case 'slow':
        await this.#cluster.clock.sleep(this.#faults.slowMs);
        break;
      case '500':
        send(json(500, 'simulated failure', { data: null, message: 'simulated failure\n' }), response, acceptsGzip);
        return;
      case '596':
        await this.#cluster.clock.sleep(this.#cluster.timing.proxyTimeoutMs);
        send(bare(596, 'Connection timed out'), response, acceptsGzip);
        return;
      case 'reset-after':
        response.socket?.destroy();
        return;
      case 'truncate':
        send(reply, response, false, Math.floor(reply.body.length / 2));
        return;
      default:
        break;
    }
    send(reply, response, acceptsGzip);
  }

  async #answer(
    request: IncomingMessage,
    method: string,
    path: string,
    url: string,
    body: string,
    stalled: boolean,
  ): Promise<Reply> {
    const cluster = this.#cluster;
    let who: Identity = { id: '', user: '' };
    const needsNobody = /^\/access\/ticket\/?$/.test(path) || (method === 'GET' && /^\/access\/domains\/?$/.test(path));
    try {
      if (!needsNobody) who = authenticate(cluster, request);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      await cluster.clock.sleep(cluster.timing.authDelayMs);
      return bare(401, error.message);
    }
    try {
      const given = parametersOf(request, method, url, body);
      return await this.#call(who, method, path, given, stalled);
    } catch (error) {
      if (error instanceof Unreadable) return error.reply;
      if (!(error instanceof Refusal)) throw error;
      if (error.afterMs > 0) await cluster.clock.sleep(error.afterMs);
      if (error.status === 401) await cluster.clock.sleep(cluster.timing.authDelayMs);
      if (error.status >= 595) return bare(error.status, error.message);
      return refusalReply(error);
    }
  }

  async #call(who: Identity, method: string, path: string, given: Values, stalled: boolean): Promise<Reply> {
    const cluster = this.#cluster;
    const route = routeOf(method, path, cluster.world.release);
    if (!route) {
      const text = `Method '${method} ${decoded(path)}' not implemented`;
      return json(501, text, { data: null, message: text });
    }
    const { operation, inPath } = route;
    for (const name of Object.keys(inPath)) {
      if (given[name] !== undefined) {
        throw badParameter({ [name]: 'duplicate parameter (already defined in URI)' });
      }
    }
    const values = { ...given, ...inPath };
    if (who.token !== undefined && !operation.tokenAllowed) {
      throw notPermitted(`URI '${path}' not available with API token, need proper ticket.`);
    }
    const permission =
      typeof operation.permission === 'function' ? operation.permission(cluster.world.release) : operation.permission;
    requirePermission(cluster, who, permission, values);
    const node = await this.#hop(operation, inPath['node']);
    const work = async (): Promise<Reply> => {
      const args = new Arguments(verify(forRelease(operation.parameters, cluster.world.release), values));
      const data = await handlerOf(operation)({ cluster, who, node, args });
      // A total of none is left out.
      if (data instanceof Listing)
        return json(200, 'OK', { ...(data.total > 0 ? { total: data.total } : {}), data: data.data });
      return json(200, 'OK', { data: data ?? null });
    };
    if (!operation.isProtected || (!stalled && !this.#faults.isStalled(node))) return work();
    return this.#stall(node, work);
  }

  /** The daemon does not move: the client hears 596, and the call happens when the daemon goes on. */
  async #stall(node: string, work: () => Promise<Reply>): Promise<Reply> {
    const late = this.#faults.untilResumed(node).then(work);
    late.catch((error: unknown) => {
      this.#cluster.log(`a stalled call ended ${error instanceof Error ? error.message : String(error)}`);
    });
    const answered = new AbortController();
    const timeout = this.#cluster.clock
      .sleep(this.#cluster.timing.proxyTimeoutMs, answered.signal)
      .then(() => bare(596, 'Connection timed out'));
    return Promise.race([late, timeout]).finally(() => answered.abort());
  }

  /** Which node carries it out; goes there over the network, or fails as the proxy does. */
  async #hop(operation: Operation, named: string | undefined): Promise<string> {
    if (!operation.onNode || named === undefined || named === 'localhost' || named === this.node) return this.node;
    const cluster = this.#cluster;
    if (!cluster.world.nodes.has(named)) {
      throw new Refusal(
        500,
        `hostname lookup '${named}' failed - failed to get address info for: ${named}: Name or service not known`,
      );
    }
    if (!cluster.isUp(named)) {
      await cluster.clock.sleep(cluster.unreachableForMs(this.node, named));
      throw new Refusal(595, 'No route to host');
    }
    if (!cluster.reaches(this.node, named)) {
      await cluster.clock.sleep(cluster.timing.proxyTimeoutMs);
      throw new Refusal(595, 'Connection timed out');
    }
    return named;
  }
}

function refusalReply(refusal: Refusal): Reply {
  const reason = refusal.message.split('\n')[0]!;
  const body: Record<string, unknown> = { data: null, message: `${refusal.message.replace(/\n$/, '')}\n` };
  if (refusal.errors) body['errors'] = refusal.errors;
  return json(refusal.status, reason, body);
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** A request whose body is refused before anybody looks into it. */
class Unreadable extends Error {
  readonly reply: Reply;

  constructor(status: number, text: string) {
    super(text);
    this.reply = bare(status, text, text);
  }
}

function parametersOf(request: IncomingMessage, method: string, url: string, body: string): Values {
  const query = url.includes('?') ? parseForm(url.slice(url.indexOf('?') + 1)) : {};
  const length = Number(request.headers['content-length'] ?? 0);
  const type = request.headers['content-type'] ?? '';
  if (length > 0 && method !== 'POST' && method !== 'PUT') {
    throw new Unreadable(501, `Unexpected content for method '${method}'`);
  }
  if (
    type !== '' &&
    !/^application\/(?:x-www-form-urlencoded|json)\b/.test(type) &&
    method !== 'GET' &&
    method !== 'DELETE'
  ) {
    throw new Unreadable(506, `upload 'Content-Type '${type}' not implemented`);
  }
  if (body === '') return query;
  const given = type.startsWith('application/json') ? parseJson(body) : parseForm(body);
  return { ...given, ...query };
}

/** The body, or undefined when it is longer than is read. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= longestBodyBytes) chunks.push(chunk);
  }
  return length > longestBodyBytes ? undefined : Buffer.concat(chunks).toString('utf8');
}
