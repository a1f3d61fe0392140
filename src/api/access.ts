import { isIP } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { findToken, roles } from './tokens.ts';
import type { Role, TokenEntry } from './tokens.ts';

/*
 * Who may do what. A listener on loopback trusts whoever reaches it, except web pages from elsewhere;
 * any other listener asks for a bearer token with a role.
 */

export type Access = {
  /** False only for a listener on loopback. */
  readonly tokensNeeded: boolean;
  readonly tokens: readonly TokenEntry[];
  /** Names beside localhost by which browsers reach the dashboard. */
  readonly hosts: readonly string[];
};

type Caller = { readonly role: Role; /** For events: `operator:ada@api`. */ readonly actor: string };

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | undefined;
  }
  interface FastifyContextConfig {
    /** The least role a route asks for; `viewer` unless told; `nobody` asks for none. */
    need?: Role | 'nobody' | undefined;
  }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Refuses requests before anything else of them is looked at. */
export function guardAccess(server: FastifyInstance, access: Access): void {
  server.decorateRequest('caller', undefined);
  server.addHook('onRequest', async (request, reply) => {
    const stranger = strangeHost(request, access) ?? strangeOrigin(request);
    if (stranger !== undefined) return refuse(reply, 403, stranger);
    const need = request.routeOptions.config.need ?? (isPage(request) ? 'nobody' : 'viewer');
    const caller = callerOf(request, access);
    if (caller === undefined) {
      if (need === 'nobody') return undefined;
      request.log.warn({ from: request.ip, url: pathOf(request) }, 'refused: no valid token');
      void reply.header('www-authenticate', 'Bearer realm="umbra"');
      return refuse(
        reply,
        401,
        'this listener needs a bearer token: set UMBRA_API_TOKEN_FILE, or ask an admin for one',
      );
    }
    request.caller = caller;
    if (need === 'nobody' || mayDo(caller.role, need)) return undefined;
    request.log.warn({ actor: caller.actor, url: pathOf(request) }, `refused: needs ${need}`);
    return refuse(reply, 403, `this needs the role ${need}; your token is for ${caller.role}`);
  });
}

/** The dashboard's own files hold nothing secret, and its page is where a user is asked for the token. */
function isPage(request: FastifyRequest): boolean {
  const path = pathOf(request);
  return (request.method === 'GET' || request.method === 'HEAD') && !path.startsWith('/api/') && path !== '/metrics';
}

/** `edge` stands beside the ladder: it delivers demand and reads nothing. */
function mayDo(role: Role, need: Role): boolean {
  if (need === 'edge') return role === 'edge' || role === 'admin';
  return role !== 'edge' && roles.indexOf(role) >= roles.indexOf(need);
}

function callerOf(request: FastifyRequest, access: Access): Caller | undefined {
  const header = request.headers.authorization;
  const token = header === undefined ? undefined : /^Bearer\s+(\S+)$/i.exec(header)?.[1];
  if (token !== undefined && access.tokens.length > 0) {
    const entry = findToken(access.tokens, token);
    if (entry !== undefined) return { role: entry.role, actor: `operator:${entry.name}@api` };
    return undefined;
  }
  if (access.tokensNeeded) return undefined;
  // On loopback the operating system has let them in; the name they give is believed.
  const name = request.headers['x-umbra-actor'];
  const said = typeof name === 'string' && /^[\w.@-]{1,64}$/.test(name) ? name : 'somebody';
  return { role: 'admin', actor: `operator:${said}@loopback` };
}

/** A web page whose name was pointed at 127.0.0.1 sends its own name (DNS rebinding). */
function strangeHost(request: FastifyRequest, access: Access): string | undefined {
  const host = hostOf(request.headers.host ?? '');
  const known =
    access.hosts.includes(host) || isLoopback(host) || (access.tokensNeeded && isIP(host) !== 0 && host !== '');
  return known ? undefined : `host ${JSON.stringify(host)} is not one of this server's: name it in api.hosts`;
}

/** There is no reason for another origin's page to talk to us, and no CORS header will ever allow it. */
function strangeOrigin(request: FastifyRequest): string | undefined {
  const { origin, host, 'sec-fetch-site': site, 'sec-fetch-mode': mode } = request.headers;
  // A link to the dashboard may be followed from anywhere; a page on another port of localhost is another origin.
  if ((site === 'cross-site' || site === 'same-site') && mode !== 'navigate') {
    return 'web pages of other origins may not use this API';
  }
  if (origin === undefined) return undefined;
  const same = URL.canParse(origin) && new URL(origin).host === host;
  return same ? undefined : 'web pages of other origins may not use this API';
}

function hostOf(header: string): string {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]*))(?::\d+)?$/.exec(header.trim().toLowerCase());
  return match?.[1] ?? match?.[2] ?? '';
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?')[0] ?? '';
}

function refuse(reply: FastifyReply, status: number, message: string): FastifyReply {
  return reply.code(status).send({ message });
}

/** Who asks, once the guard has let the request through. */
export function actorOf(request: FastifyRequest): string {
  return request.caller?.actor ?? 'operator:somebody@api';
}
