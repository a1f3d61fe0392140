import { z } from 'zod';
import type { EventQuery } from '../../ports/registry.ts';
import { nearest } from '../../inventory/suggestion.ts';
import { actorOf } from '../access.ts';
import type { ApiContext, ApiServer } from '../context.ts';
import { eventsAsCsv } from '../csv.ts';
import type { StatusSource } from '../status.ts';
import * as wire from '../wire.ts';

const eventFilter = z.object({
  hostedVmId: z.string().max(64).optional(),
  kinds: z.string().max(500).optional().describe('comma-separated'),
  before: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(200),
  format: z.enum(['json', 'csv']).default('json'),
});

/** Everything that is about the installation and not about one hosted VM. */
export function operationsRoutes(server: ApiServer, context: ApiContext, status: StatusSource): void {
  const { stores, metrics, broadcast } = context;

  server.get(
    '/api/v1/events',
    { schema: { summary: 'What Umbra did, newest first', querystring: eventFilter } },
    async (request, reply) => {
      const { hostedVmId, kinds, before, limit, format } = request.query;
      const query: EventQuery = {
        limit,
        ...(hostedVmId === undefined ? {} : { hostedVmId }),
        ...(before === undefined ? {} : { before }),
        ...(kinds === undefined ? {} : { kinds: kinds.split(',') }),
      };
      const events = await stores.registry.events(query);
      if (format === 'json') return events;
      void reply.header('content-disposition', 'attachment; filename="umbra-events.csv"');
      return await reply.type('text/csv; charset=utf-8').send(eventsAsCsv(events));
    },
  );

  server.get('/api/v1/capacity', { schema: { summary: 'Nodes, headroom and budget per cluster' } }, async () => {
    if (context.capacity !== undefined) return await context.capacity();
    const current = await stores.inventory.current();
    const clusters = await Promise.all(
      (current?.inventory.clusters ?? []).map(async ({ name }) => {
        const ledger = (await context.calls.ledger(name)) as object;
        return { name, ...ledger };
      }),
    );
    return { clusters };
  });

  server.post(
    '/api/v1/clusters/:name/reset-breaker',
    {
      config: { need: 'operator' },
      schema: {
        summary: 'Lets failovers go on after a breaker has opened: somebody has looked',
        params: z.object({ name: z.string().max(64) }),
        body: wire.commandBody.pick({ reason: true }),
        response: { 200: z.object({ text: z.string() }), 404: wire.trouble, 503: wire.trouble },
      },
    },
    async (request, reply) => {
      const { name } = request.params;
      const actor = actorOf(request);
      const text = request.body.reason ?? 'no reason given';
      const current = await stores.inventory.current();
      const names = (current?.inventory.clusters ?? []).map((cluster) => cluster.name);
      if (!names.includes(name)) {
        const meant = nearest(name, names);
        const message = `no cluster is called ${JSON.stringify(name)}`;
        return await reply
          .code(404)
          .send({ message: meant === undefined ? message : `${message}; did you mean ${meant}?` });
      }
      await context.calls.resetBreaker(name, `${actor}: ${text}`);
      const at = context.clock();
      const reason = { code: 'breaker-reset', text: `the breaker of ${name} is told to close: ${text}` };
      const event = {
        id: `breaker-reset/${name}/${at}`,
        at,
        hostedVmId: '*',
        kind: reason.code,
        actor,
        reason,
        facts: {},
      };
      // It is done; a timeline that misses a line is no reason to say that it is not.
      await stores.events
        .append([event])
        .catch((error: unknown) => request.log.warn({ error: String(error) }, 'event not written'));
      request.log.info({ cluster: name, actor }, 'breaker reset');
      return { text: reason.text };
    },
  );

  server.get(
    '/api/v1/foresight',
    { schema: { summary: 'How far the forecasts can be trusted' } },
    async (_request, reply) => {
      if (context.forecasts?.foresight === undefined)
        return await reply.code(404).send({ message: 'foresight is not measured here' });
      return await context.forecasts.foresight();
    },
  );

  server.get(
    '/api/v1/doctor',
    {
      config: { need: 'operator' },
      schema: { summary: 'Checks everything that can be wrong, and says how to mend it' },
    },
    async (_request, reply) => {
      if (context.doctor === undefined)
        return await reply.code(404).send({ message: 'this API cannot look at its installation' });
      return await context.doctor();
    },
  );

  server.post(
    '/api/v1/failures',
    {
      config: { need: 'operator' },
      schema: { summary: 'Past failures, for the risk score; a repeat is harmless', body: wire.failuresBody },
    },
    async (request) => {
      const actor = actorOf(request);
      const events = request.body.failures.map(({ hostedVmId, at, text, node }) => ({
        id: `failure/${hostedVmId}/${at}`,
        at,
        hostedVmId,
        kind: 'failure-imported',
        actor,
        reason: { code: 'failure-imported', text: text ?? 'failed before Umbra watched it' },
        facts: node === undefined ? {} : { node },
      }));
      await stores.events.append(events);
      return { imported: events.length };
    },
  );

  server.get(
    '/api/v1/status',
    {
      schema: {
        summary: 'Where everything answers, and whether it does; 503 until all is up',
        response: { 200: statusAnswer, 503: statusAnswer },
      },
    },
    async (_request, reply) => {
      const answer = await status.look();
      return await reply.code(answer.ready ? 200 : 503).send(answer);
    },
  );

  server.get(
    '/api/v1/stream',
    {
      schema: {
        summary: 'Changes as server-sent events',
        querystring: z.object({ vm: z.string().max(64).optional() }),
      },
    },
    async (request, reply) => {
      reply.hijack();
      reply.raw.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      });
      if (!broadcast.add(reply.raw, request.query.vm)) reply.raw.end(': too many open pages\n\n');
      return await Promise.resolve(reply);
    },
  );

  server.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.render()),
  );

  server.get('/healthz', { config: { need: 'nobody' }, schema: { hide: true } }, () => ({ ok: true }));
}

const statusAnswer = z.object({
  ready: z.boolean(),
  addresses: z.object({
    dashboard: z.string(),
    api: z.string(),
    temporal: z.string(),
    temporalUi: z.string(),
    dns: z.string(),
    dnstap: z.string(),
    proxmox: z.string(),
  }),
  components: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })),
});
export type StatusAnswer = z.infer<typeof statusAnswer>;
