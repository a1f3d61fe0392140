import { z } from 'zod';
import type { Inventory, InventoryChange } from '../../domain/inventory.ts';
import { inventoryChanges } from '../../inventory/changes.ts';
import { parseInventory } from '../../inventory/parse.ts';
import { actorOf } from '../access.ts';
import type { ApiContext, ApiServer } from '../context.ts';
import type { Pending } from '../pusher.ts';
import * as wire from '../wire.ts';

/** An apply waits this long for the workflows to take it; what is left is pushed in the background. */
const pushPatienceMs = 8_000;

const applied = z.object({
  revision: z.number(),
  changes: z.array(wire.change),
  applied: z.boolean(),
  pending: z.array(wire.pendingPush),
});

export function inventoryRoutes(server: ApiServer, context: ApiContext): void {
  const { stores, pusher } = context;

  server.get(
    '/api/v1/inventory',
    {
      schema: {
        summary: 'The current revision, as written and as understood',
        response: { 200: z.looseObject({ revision: z.number() }) },
      },
    },
    async () => {
      const current = await stores.inventory.current();
      const nothing = { revision: 0, appliedAt: 0, by: '', text: '', inventory: null };
      return { ...(current ?? nothing), pending: pusher.pending };
    },
  );

  server.post(
    '/api/v1/inventory',
    {
      bodyLimit: 20 * 1024 * 1024,
      schema: {
        summary: 'Validates an inventory, shows what would change, and applies it',
        body: wire.inventoryBody,
        response: {
          200: applied,
          403: wire.trouble,
          409: wire.trouble,
          422: wire.trouble.extend({ problems: z.array(wire.problem) }),
        },
      },
    },
    async (request, reply) => {
      const { text, file = 'inventory.yaml', dryRun = false, force = false } = request.body;
      // Looking is for everyone who may read; applying changes machines.
      if (!dryRun && request.caller?.role !== 'admin') {
        return await reply.code(403).send({ message: 'applying an inventory needs the role admin; dryRun needs none' });
      }
      const parsed = parseInventory(text, file);
      if (parsed.problems !== undefined) {
        const count = parsed.problems.length;
        const message = `${file} has ${count === 1 ? 'a problem' : `${count} problems`}: nothing was applied`;
        return await reply.code(422).send({ message, problems: [...parsed.problems] });
      }
      const current = await stores.inventory.current();
      const revision = current?.revision ?? 0;
      if (request.body.expected !== undefined && request.body.expected !== revision) {
        return await reply.code(409).send({
          message: `revision ${revision} is current, not ${request.body.expected}: look at the changes again`,
        });
      }
      const changes = inventoryChanges(current?.inventory, parsed.inventory);
      const plan = changes.map(asWire);
      if (dryRun) return { revision, changes: plan, applied: false, pending: [...pusher.pending] };
      if (force) for (const { what, id } of await stores.pushes.all()) await stores.pushes.forget(what, id);
      if (changes.length === 0) {
        return { revision, changes: plan, applied: false, pending: [...(await pushed(context))] };
      }
      const by = actorOf(request);
      const written = await stores.inventory.append(parsed.inventory, text, by, revision);
      if (written === undefined) {
        return await reply
          .code(409)
          .send({ message: 'somebody else applied an inventory just now: look at the changes again' });
      }
      request.log.info({ actor: by, revision: written.revision, changes: changes.length }, 'inventory applied');
      await recordApply(context, written.revision, by, changes, parsed.inventory);
      context.broadcast.tell({ type: 'fleet' });
      return { revision: written.revision, changes: plan, applied: true, pending: [...(await pushed(context))] };
    },
  );
}

/** Waits a while for the push; what then is still on its way shows as pending. */
async function pushed({ pusher }: ApiContext): Promise<readonly Pending[]> {
  let timer: NodeJS.Timeout | undefined;
  const tired = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), pushPatienceMs)));
  const outcome = await Promise.race([pusher.push().catch(() => undefined), tired]);
  clearTimeout(timer);
  return outcome ?? [{ what: 'hostedVm', id: '*', why: 'still being pushed' }];
}

async function recordApply(
  { stores, clock, log }: ApiContext,
  revision: number,
  by: string,
  changes: readonly InventoryChange[],
  inventory: Inventory,
): Promise<void> {
  const count = (kind: InventoryChange['kind']): number => changes.filter((change) => change.kind === kind).length;
  const facts = {
    revision,
    added: count('add'),
    changed: count('change'),
    removed: count('remove'),
    hostedVms: inventory.hostedVms.length,
  };
  const names = changes.slice(0, 5).map(({ kind, id }) => `${kind} ${id}`);
  const rest = changes.length > names.length ? ` and ${changes.length - names.length} more` : '';
  const text = `inventory revision ${revision} applied: ${names.join(', ')}${rest}`;
  const event = {
    id: `inventory/${revision}`,
    at: clock(),
    hostedVmId: '*',
    kind: 'inventory-applied',
    actor: by,
    reason: { code: 'inventory-applied', text },
    facts,
  };
  // The revision itself says who applied it; a timeline that misses a line is no reason to fail the apply.
  await stores.events
    .append([event])
    .catch((error: unknown) => log.warn({ error: String(error) }, 'event not written'));
}

function asWire(change: InventoryChange): z.infer<typeof wire.change> {
  return change.kind === 'change' ? { ...change, fields: [...change.fields] } : change;
}
