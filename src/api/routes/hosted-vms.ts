import { randomUUID } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { allowedIn } from '../../domain/commands.ts';
import type { Asked, Command, CommandArguments } from '../../domain/commands.ts';
import type { HostedVmSpec } from '../../domain/policy.ts';
import { parseDuration } from '../../domain/time.ts';
import type { HostedVmView } from '../../domain/view.ts';
import { nearest } from '../../inventory/suggestion.ts';
import { actorOf } from '../access.ts';
import type { ApiContext, ApiServer } from '../context.ts';
import { NotRunning } from '../temporal-calls.ts';
import * as wire from '../wire.ts';

const params = z.object({ id: z.string().max(64) });
const commandNames = Object.keys(allowedIn) as [Command, ...Command[]];

export function hostedVmRoutes(server: ApiServer, context: ApiContext): void {
  server.get(
    '/api/v1/hosted-vms',
    { schema: { summary: 'All hosted VMs', response: { 200: z.array(wire.hostedVmView) } } },
    () => allViews(context),
  );

  server.get(
    '/api/v1/hosted-vms/:id',
    {
      schema: {
        summary: 'One hosted VM, with drift and heartbeats',
        params,
        response: { 200: wire.hostedVmView, 404: wire.trouble },
      },
    },
    async (request, reply) => {
      const view = await findView(context, request.params.id);
      if (view === undefined) return notFound(context, reply, request.params.id);
      const ids = view.instances.map(({ id }) => id);
      const [heartbeats, drift] = await Promise.all([
        context.stores.heartbeats.newest(ids),
        // A cluster that is away must not take the page with it.
        context.drift?.(view).catch(() => null) ?? null,
      ]);
      return { ...view, heartbeats: Object.fromEntries(heartbeats), drift };
    },
  );

  server.get(
    '/api/v1/hosted-vms/:id/explain',
    {
      schema: {
        summary: 'Why it is in this state and what comes next',
        params,
        response: { 200: wire.explanation, 404: wire.trouble },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      if ((await findView(context, id)) === undefined) return notFound(context, reply, id);
      return await context.calls.explain(id);
    },
  );

  server.get(
    '/api/v1/hosted-vms/:id/events',
    {
      schema: {
        summary: 'Its timeline, newest first',
        params,
        querystring: z.object({
          limit: z.coerce.number().int().min(1).max(1000).default(200),
          before: z.coerce.number().int().min(0).optional(),
        }),
        response: { 200: z.array(wire.umbraEvent), 404: wire.trouble },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { limit, before } = request.query;
      const events = await context.stores.registry.events({
        hostedVmId: id,
        limit,
        ...(before === undefined ? {} : { before }),
      });
      if (events.length === 0 && (await findView(context, id)) === undefined) return notFound(context, reply, id);
      return events;
    },
  );

  server.post(
    '/api/v1/hosted-vms/:id/commands/:command',
    {
      config: { need: 'operator' },
      schema: {
        summary: 'What an operator may want; a refusal says why with status 409',
        params: params.extend({ command: z.enum(commandNames) }),
        body: wire.commandBody,
        response: {
          200: wire.commandAnswer,
          409: wire.commandAnswer,
          400: wire.trouble,
          403: wire.trouble,
          404: wire.trouble,
          503: wire.trouble,
        },
      },
    },
    async (request, reply) => {
      const { id, command } = request.params;
      if (command === 'retire' && request.caller?.role !== 'admin') {
        return reply.code(403).send({ message: 'retire needs the role admin: it deletes shadows' });
      }
      const args = argumentsOf(command, request.body, actorOf(request));
      if ('message' in args) return reply.code(400).send(args);
      try {
        const result = await context.calls.command(id, command, args);
        request.log.info(
          { hostedVmId: id, command, actor: args.actor, outcome: result.kind },
          `${command} ${id}: ${result.kind}`,
        );
        return await reply.code(result.kind === 'refused' ? 409 : 200).send(result);
      } catch (error) {
        if (error instanceof NotRunning && (await findView(context, id)) === undefined)
          return notFound(context, reply, id);
        throw error;
      }
    },
  );
}

function argumentsOf(
  command: Command,
  body: z.infer<typeof wire.commandBody>,
  actor: string,
): CommandArguments[Command] | { message: string } {
  const asked: Asked = { requestId: body.requestId ?? randomUUID(), actor, reason: body.reason ?? 'no reason given' };
  if (command === 'failover') return body.to === undefined ? asked : { ...asked, to: body.to };
  if (command === 'approve') return body.proposalId === undefined ? asked : { ...asked, proposalId: body.proposalId };
  if (command !== 'extendProbation') return asked;
  const byMs = body.byMs ?? (body.by === undefined ? undefined : parseDuration(body.by));
  if (byMs === undefined || byMs <= 0) return { message: 'extendProbation needs "by", a duration such as 6h' };
  return { ...asked, byMs };
}

/** What the registry shows, and what is applied but has not reported yet. */
async function allViews(context: ApiContext): Promise<HostedVmView[]> {
  const [views, current] = await Promise.all([context.stores.registry.views(), context.stores.inventory.current()]);
  const known = new Set(views.map(({ id }) => id));
  const silent = (current?.inventory.hostedVms ?? []).filter(({ id }) => !known.has(id));
  return [...views, ...silent.map((spec) => silentView(spec, current?.revision ?? 0, current?.appliedAt ?? 0))].sort(
    (a, b) => (a.id < b.id ? -1 : 1),
  );
}

export async function findView(context: ApiContext, id: string): Promise<HostedVmView | undefined> {
  const view = await context.stores.registry.view(id);
  if (view !== undefined) return view;
  const current = await context.stores.inventory.current();
  const spec = current?.inventory.hostedVms.find((candidate) => candidate.id === id);
  return spec === undefined ? undefined : silentView(spec, current?.revision ?? 0, current?.appliedAt ?? 0);
}

function silentView(spec: HostedVmSpec, revision: number, at: number): HostedVmView {
  return {
    id: spec.id,
    names: spec.names,
    storageClass: spec.storageClass,
    mode: spec.policy.mode,
    state: 'unknown',
    sentence: `${spec.id} is applied; its workflow has not reported yet`,
    phase: { kind: 'adopting', since: at },
    paused: null,
    instances: [],
    serving: [],
    capacityQps: spec.capacityQps,
    evaluation: null,
    generation: null,
    probationEndsAt: null,
    revision,
    at,
  };
}

export async function notFound(context: ApiContext, reply: FastifyReply, id: string): Promise<never> {
  const ids = (await allViews(context)).map((view) => view.id);
  const meant = nearest(id, ids);
  const message =
    `no hosted VM is called ${JSON.stringify(id)}` + (meant === undefined ? '' : `; did you mean ${meant}?`);
  return await reply.code(404).send({ message });
}
