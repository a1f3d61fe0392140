import fastifySwagger from '@fastify/swagger';
import Fastify, { LogController } from 'fastify';
import type { FastifyBaseLogger, FastifyError } from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { ProviderError } from '../ports/errors.ts';
import { guardAccess, isLoopback } from './access.ts';
import { createBroadcast } from './broadcast.ts';
import type { ApiContext, ApiServer } from './context.ts';
import { guardBrowsers, serveDashboard } from './dashboard.ts';
import { createMetrics } from './metrics.ts';
import type { ApiOptions, RunningApi } from './options.ts';
import { startPusher } from './pusher.ts';
import { demandRoutes } from './routes/demand.ts';
import { heartbeatRoutes } from './routes/heartbeats.ts';
import type { HeartbeatDeps } from './routes/heartbeats.ts';
import { hostedVmRoutes } from './routes/hosted-vms.ts';
import { inventoryRoutes } from './routes/inventory.ts';
import { operationsRoutes } from './routes/operations.ts';
import { createStatus } from './status.ts';
import { NotReachable, NotRunning, workflowCalls } from './temporal-calls.ts';

/** @returns whether a listener there asks for tokens; @throws Error when it would and there are none */
export function checkAccess(host: string, { tokens }: ApiOptions['access']): boolean {
  if (isLoopback(host)) return false;
  if (tokens.length > 0) return true;
  throw new Error(
    `api.listen is ${host}, not loopback, and there are no tokens: set api.tokensFile, with lines made by umbra token`,
  );
}

/**
 * Starts the HTTP API with the dashboard, and keeps the workflows at the current revision of the inventory.
 * @throws Error when the listener is not on loopback and there are no tokens, or when the port is taken
 */
export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const tokensNeeded = checkAccess(options.host, options.access);
  const clock = options.now ?? Date.now;
  const calls = workflowCalls(options.client);
  const broadcast = createBroadcast();
  const pusher = startPusher({
    inventory: options.stores.inventory,
    ledger: options.stores.pushes,
    calls,
    quorum: options.quorum,
    log: options.log,
  });
  const metrics = createMetrics(options.stores, {
    listeners: () => broadcast.listeners,
    pending: () => pusher.pending.length,
    now: clock,
  });
  const context: ApiContext = { ...options, calls, pusher, broadcast, metrics, clock };
  const address = { url: '' };

  const server = await newServer(options, 20 * 1024 * 1024);
  await server.register(fastifySwagger, {
    openapi: {
      info: { title: 'Umbra', description: 'Shadow VMs, kept ready before they are needed', version: '1' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  server.addHook('onResponse', async (request, reply) => {
    await Promise.resolve();
    const route = request.routeOptions.url ?? 'none';
    metrics.countRequest(route, request.method, reply.statusCode, reply.elapsedTime / 1000);
  });
  guardBrowsers(server);
  guardAccess(server, { ...options.access, tokensNeeded });
  const heartbeats: HeartbeatDeps = {
    secret: options.heartbeatSecret,
    store: options.stores.heartbeats,
    metrics,
    now: clock,
  };
  await server.register(async (routes: ApiServer) => {
    await Promise.resolve();
    hostedVmRoutes(routes, context);
    inventoryRoutes(routes, context);
    demandRoutes(routes, context);
    heartbeatRoutes(routes, heartbeats);
    operationsRoutes(
      routes,
      context,
      createStatus(options, () => address.url),
    );
    routes.get('/api/v1/openapi.json', { config: { need: 'nobody' }, schema: { hide: true } }, () => server.swagger());
  });
  await serveDashboard(server, options.webRoot);

  address.url = await listen(server, options);
  const guests =
    options.heartbeats === undefined ? undefined : await startGuestListener(options, options.heartbeats, heartbeats);
  const stops = await follow(context);
  options.log.info({ url: address.url }, `API listens on ${address.url}`);
  return {
    url: address.url,
    ...(guests === undefined ? {} : { heartbeatUrl: guests.url }),
    close: async () => {
      await Promise.all(stops.map((stop) => stop().catch(() => undefined)));
      broadcast.close();
      await Promise.all([server.close(), guests?.close(), pusher.close()]);
    },
  };
}

/** Stores that are away at the start are no reason not to start: it is tried again until it works. */
async function follow({ stores, broadcast, pusher, log }: ApiContext): Promise<(() => Promise<void>)[]> {
  void pusher.push().catch(() => undefined);
  const subscribe = async (what: () => Promise<() => Promise<void>>): Promise<() => Promise<void>> => {
    const state: { stop?: () => Promise<void>; timer?: NodeJS.Timeout; ended: boolean } = { ended: false };
    const attempt = async (): Promise<void> => {
      try {
        state.stop = await what();
        if (state.ended) await state.stop();
      } catch (error) {
        log.warn({ error: String(error) }, 'changes cannot be followed yet');
        if (!state.ended) state.timer = setTimeout(() => void attempt(), 2_000);
      }
    };
    await attempt();
    return async () => {
      state.ended = true;
      clearTimeout(state.timer);
      await state.stop?.();
    };
  };
  return await Promise.all([
    subscribe(() =>
      stores.registry.onChange((id) => broadcast.tell(id === '' ? { type: 'fleet' } : { type: 'hosted-vm', id })),
    ),
    subscribe(() =>
      stores.inventory.onChange(() => {
        broadcast.tell({ type: 'fleet' });
        void pusher.push().catch(() => undefined);
      }),
    ),
  ]);
}

/** Guests live in networks from which the API itself should not be reachable. */
async function startGuestListener(
  options: ApiOptions,
  { host, port }: { host: string; port: number },
  deps: HeartbeatDeps,
): Promise<{ url: string; close(): Promise<void> }> {
  const server = await newServer(options, 4096);
  heartbeatRoutes(server, deps);
  server.get('/healthz', () => ({ ok: true }));
  const url = await listen(server, { ...options, host, port });
  return {
    url,
    close: async () => {
      await server.close();
    },
  };
}

async function newServer({ log, tls }: ApiOptions, bodyLimit: number): Promise<ApiServer> {
  const common = {
    // pino's own shape; requests are counted by the metrics and not logged one by one.
    loggerInstance: log as unknown as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true as const,
    bodyLimit,
    requestTimeout: 30_000,
  };
  const server = tls === undefined ? Fastify(common) : Fastify({ ...common, https: tls });
  // A form of another page can send text/plain without asking; here only JSON is a body.
  server.removeContentTypeParser('text/plain');
  server.setValidatorCompiler(validatorCompiler);
  server.setSerializerCompiler(serializerCompiler);
  server.setErrorHandler((error: FastifyError, request, reply) => {
    if (error instanceof NotReachable) return reply.code(503).send({ message: error.message });
    if (error instanceof NotRunning) return reply.code(404).send({ message: error.message });
    if (error instanceof ProviderError) {
      const status = error.failureClass === 'transient' || error.failureClass === 'ambiguous' ? 503 : 502;
      return reply.code(status).send({ message: error.message });
    }
    if (hasZodFastifySchemaValidationErrors(error)) {
      const where = error.validation.map(({ instancePath, message }) =>
        `${instancePath || 'body'} ${message ?? ''}`.trim(),
      );
      return reply
        .code(400)
        .send({ message: `${request.method} ${request.routeOptions.url ?? ''}: ${where.join('; ')}` });
    }
    if (error.statusCode !== undefined && error.statusCode < 500)
      return reply.code(error.statusCode).send({ message: error.message });
    request.log.error({ err: error, url: request.url.split('?')[0] }, 'a request failed');
    return reply.code(500).send({ message: 'Umbra made a mistake; its log says more' });
  });
  await Promise.resolve();
  return server.withTypeProvider<ZodTypeProvider>();
}

async function listen(
  server: ApiServer,
  { host, port, tls }: { host: string; port: number; tls?: unknown },
): Promise<string> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    await server.close();
    const taken = (error as { code?: string }).code === 'EADDRINUSE';
    throw new Error(`cannot listen on ${host}:${port}` + (taken ? ': something listens there already' : ''), {
      cause: error,
    });
  }
  const at = server.server.address();
  const bound = typeof at === 'object' ? (at?.port ?? port) : port;
  const name = host.includes(':') ? `[${host}]` : host;
  return `${tls === undefined ? 'http' : 'https'}://${name}:${bound}`;
}
