import type { FastifyBaseLogger } from 'fastify';
import { z } from 'zod';
import type { Heartbeat, HeartbeatStore } from '../../ports/registry.ts';
import type { ApiServer } from '../context.ts';
import { instanceOfSerial } from '../heartbeat-serial.ts';
import type { Metrics } from '../metrics.ts';
import * as wire from '../wire.ts';

export type HeartbeatDeps = {
  readonly secret: Buffer | undefined;
  readonly store: HeartbeatStore;
  readonly metrics: Metrics;
  readonly now: () => number;
};

/** Guests say that they live. Their serial is their token, so this route needs no operator's. */
export function heartbeatRoutes(server: ApiServer, deps: HeartbeatDeps): void {
  server.post(
    '/api/v1/heartbeats',
    {
      config: { need: 'nobody' },
      bodyLimit: 4096,
      schema: {
        summary: "A guest's heartbeat; its product serial is its bearer token, or instance and token are in the body",
        body: wire.heartbeatBody.nullish(),
        response: { 200: z.object({ instance: z.string() }), 401: wire.trouble, 503: wire.trouble },
      },
    },
    async (request, reply) => {
      if (deps.secret === undefined) {
        return await reply.code(503).send({ message: 'heartbeats are off: heartbeatSecretFile is not set' });
      }
      const body = request.body ?? {};
      const serial =
        body.instance === undefined || body.token === undefined
          ? /^Bearer\s+(\S{1,200})$/i.exec(request.headers.authorization ?? '')?.[1]
          : `${body.instance}:${body.token}`;
      const instance = serial === undefined ? undefined : instanceOfSerial(deps.secret, serial);
      if (instance === undefined) {
        deps.metrics.countHeartbeat('refused');
        logRefusal(request.log, request.ip, serial);
        return await reply.code(401).send({ message: 'this heartbeat token is not the one of that instance' });
      }
      const beat: Heartbeat = {
        instance,
        at: deps.now(),
        ...(body.load === undefined ? {} : { load: definedOnly(body.load) }),
        ...(body.finding === undefined ? {} : { finding: body.finding }),
      };
      await deps.store.record([beat]);
      deps.metrics.countHeartbeat('taken');
      return { instance };
    },
  );
}

/** The claimed instance helps to find a guest with an old serial; the token itself is never written anywhere. */
function logRefusal(log: FastifyBaseLogger, from: string, serial: string | undefined): void {
  const claimed = /^([a-z0-9-]{1,40}\/\d{1,9}):/.exec(serial ?? '')?.[1];
  log.warn({ from, claims: claimed ?? 'nothing' }, 'refused: heartbeat with a wrong token');
}

function definedOnly(load: { readonly [K in keyof NonNullable<Heartbeat['load']>]: number | undefined }) {
  return Object.fromEntries(Object.entries(load).filter(([, value]) => value !== undefined)) as NonNullable<
    Heartbeat['load']
  >;
}
