import { z } from 'zod';
import type { DemandSeries } from '../../domain/demand.ts';
import { dayMs, hourMs, minuteMs, parseDuration, secondMs } from '../../domain/time.ts';
import { ProviderError } from '../../ports/errors.ts';
import type { ApiContext, ApiServer } from '../context.ts';
import * as wire from '../wire.ts';
import { findView, notFound } from './hosted-vms.ts';

const steps = [10 * secondMs, minuteMs, 5 * minuteMs, hourMs];
/** A plot shows a thousand; a spreadsheet may want more. */
const mostPoints = 20_000;
/** A full hour of a busy edge, spooled, is about 3 MiB. */
const mostBatchBytes = 32 * 1024 * 1024;

/** What "now" means: the newest buckets that are complete. Counts of one bucket are too few to show for a quiet name. */
const nowMs = 30 * secondMs;
/** A bucket arrives some seconds after it ends; an edge that is later than this is shown as old, not guessed. */
const lookBackMs = 5 * minuteMs;

const series = z.object({ start: z.number(), stepMs: z.number(), qps: z.array(z.number().nullable()) });

export function demandRoutes(server: ApiServer, context: ApiContext): void {
  server.get(
    '/api/v1/hosted-vms/:id/demand',
    {
      schema: {
        summary: 'Demand, its forecast and the capacity, in queries per second; null is missing',
        params: z.object({ id: z.string().max(64) }),
        querystring: z.object({
          since: z.string().default('6h').describe('a duration back from now'),
          step: z.string().optional().describe('10s, 1m, 5m or 1h; chosen to suit `since` unless told'),
          measure: z.enum(['answers', 'deduplicated', 'estimated']).optional(),
          imputed: z.enum(['true', 'false']).optional().describe('true: also what silent edges would have seen'),
        }),
        response: {
          200: z.object({
            demand: series,
            imputed: series.nullable().describe('for display: with what silent edges would have seen; null: none is'),
            forecast: z.unknown(),
            capacityQps: z.number(),
          }),
          400: wire.trouble,
          404: wire.trouble,
        },
      },
    },
    async (request, reply) => {
      const { since, step, measure, imputed } = request.query;
      const sinceMs = parseDuration(since);
      if (sinceMs === undefined || sinceMs <= 0) {
        return await reply.code(400).send({ message: `since=${since} is not a duration such as 6h` });
      }
      const stepMs = step === undefined ? suitingStep(sinceMs) : parseDuration(step);
      if (stepMs === undefined || !steps.includes(stepMs)) {
        return await reply.code(400).send({ message: `step=${step ?? ''} is none of 10s, 1m, 5m, 1h` });
      }
      if (sinceMs / stepMs > mostPoints) {
        return await reply.code(400).send({
          message: `${since} in steps of ${step ?? ''} is more than ${mostPoints} points: choose a wider step`,
        });
      }
      const { id } = request.params;
      const view = await findView(context, id);
      if (view === undefined) return await notFound(context, reply, id);
      const to = Math.floor(context.clock() / stepMs) * stepMs;
      const from = to - Math.ceil(sinceMs / stepMs) * stepMs;
      const asked = { hostedVmId: id, from, to, stepMs, ...(measure === undefined ? {} : { measure }) };
      const [demand, guessed, forecast] = await Promise.all([
        context.stores.demand.read(asked),
        imputed === 'true' ? context.stores.demand.read({ ...asked, imputed: true }) : undefined,
        context.forecasts?.newest(id),
      ]);
      return {
        demand: withNulls(demand),
        imputed: guessed === undefined || sameValues(guessed, demand) ? null : withNulls(guessed),
        forecast: forecast ?? null,
        capacityQps: view.capacityQps,
      };
    },
  );

  server.get(
    '/api/v1/demand/now',
    {
      schema: {
        summary: 'Demand on every hosted VM in the newest half minute that is known, in queries per second',
        response: { 200: z.record(z.string(), z.object({ qps: z.number(), at: z.number() })) },
      },
    },
    async () => {
      const stepMs = 10 * secondMs;
      const to = Math.floor(context.clock() / stepMs) * stepMs;
      const current = await context.stores.inventory.current();
      const hostedVmIds = (current?.inventory.hostedVms ?? []).map(({ id }) => id);
      const known = await context.stores.demand.readMany({ hostedVmIds, from: to - lookBackMs, to, stepMs });
      return Object.fromEntries(
        [...known].flatMap(([id, demand]) => {
          const newest = newestOf(demand);
          return newest === undefined ? [] : [[id, newest]];
        }),
      );
    },
  );

  server.get(
    '/api/v1/edges',
    {
      schema: {
        summary: 'Who delivers demand, and how much of DNS they see',
        response: { 200: z.array(z.looseObject({ edge: z.string() })) },
      },
    },
    async () => (await context.stores.demand.edges(context.clock())).map((edge) => ({ ...edge })),
  );

  server.get(
    '/api/v1/names',
    {
      config: { need: 'edge' },
      schema: {
        summary: 'Which names an edge counts, and for whom',
        response: {
          200: z.array(z.object({ hostedVmId: z.string(), names: z.array(z.string()), ttlSeconds: z.number() })),
        },
      },
    },
    async () => {
      const current = await context.stores.inventory.current();
      return (current?.inventory.hostedVms ?? []).map(({ id, names, ttlSeconds }) => ({
        hostedVmId: id,
        names: [...names],
        ttlSeconds,
      }));
    },
  );

  server.post(
    '/api/v1/demand',
    {
      config: { need: 'edge' },
      bodyLimit: mostBatchBytes,
      schema: {
        summary: 'One batch of an edge; a repeat is harmless',
        body: wire.demandBatch,
        response: { 200: z.object({ outcome: z.enum(['written', 'repeated']) }), 503: wire.trouble },
      },
    },
    async (request) => {
      try {
        const outcome = await context.stores.demand.write(request.body);
        context.metrics.countBatch(outcome);
        return { outcome };
      } catch (error) {
        context.metrics.countBatch('failed');
        if (error instanceof ProviderError) request.log.warn({ edge: request.body.edge }, error.message);
        throw error;
      }
    },
  );
}

function suitingStep(sinceMs: number): number {
  if (sinceMs <= hourMs) return 10 * secondMs;
  if (sinceMs <= dayMs) return minuteMs;
  return sinceMs <= 7 * dayMs ? 5 * minuteMs : hourMs;
}

/** @returns the mean of the newest half minute, and when it ended; undefined when nothing was seen at all */
function newestOf({ start, stepMs, qps }: DemandSeries): { qps: number; at: number } | undefined {
  const last = qps.findLastIndex(Number.isFinite);
  if (last === -1) return undefined;
  const seen = qps.slice(Math.max(0, last + 1 - nowMs / stepMs), last + 1).filter(Number.isFinite);
  return { qps: seen.reduce((sum, value) => sum + value, 0) / seen.length, at: start + (last + 1) * stepMs };
}

function sameValues(left: DemandSeries, right: DemandSeries): boolean {
  return left.qps.every((value, i) => Object.is(value, right.qps[i]));
}

/** JSON has no NaN. */
function withNulls({ start, stepMs, qps }: DemandSeries): z.infer<typeof series> {
  return { start, stepMs, qps: qps.map((value) => (Number.isFinite(value) ? value : null)) };
}
