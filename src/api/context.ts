import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Broadcast } from './broadcast.ts';
import type { Metrics } from './metrics.ts';
import type { ApiOptions } from './options.ts';
import type { Pusher } from './pusher.ts';
import type { WorkflowCalls } from './temporal-calls.ts';

/** What every route may use. */
export type ApiContext = ApiOptions & {
  readonly calls: WorkflowCalls;
  readonly pusher: Pusher;
  readonly broadcast: Broadcast;
  readonly metrics: Metrics;
  readonly clock: () => number;
};

/** The server as routes see it: zod schemas are its types. */
export type ApiServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;
