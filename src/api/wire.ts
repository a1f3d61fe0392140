import { z } from 'zod';
import type { UmbraEvent } from '../domain/event.ts';
import type { Explanation, HostedVmView } from '../domain/view.ts';

/*
 * Answers and questions as they cross the wire; the OpenAPI document is made from these. What the domain calls a
 * HostedVmView, an Explanation or an event is passed through as it is, so only its leading fields are described.
 */

const instants = 'milliseconds since the Unix epoch';

/** The domain's own type; the schema only checks and describes its leading fields. */
function passedThrough<T>(schema: z.ZodType): z.ZodType<T> {
  return schema as z.ZodType<T>;
}

export const trouble = z
  .object({ message: z.string() })
  .meta({ id: 'Trouble', description: 'What was wrong, for an operator' });

const reason = z.looseObject({ code: z.string(), text: z.string() }).meta({ id: 'Reason' });

export const hostedVmView = passedThrough<HostedVmView>(
  z
    .looseObject({
      id: z.string(),
      names: z.array(z.string()),
      storageClass: z.string(),
      mode: z.string(),
      state: z.string(),
      sentence: z.string(),
      instances: z.array(z.looseObject({ id: z.string(), role: z.string(), tier: z.number() })),
      serving: z.array(z.string()),
      capacityQps: z.number(),
      probationEndsAt: z.number().nullable().describe(instants),
      at: z.number().describe(instants),
    })
    .meta({ id: 'HostedVm', description: 'One hosted VM as its workflow last showed it' }),
);

export const explanation = passedThrough<Explanation>(
  z
    .looseObject({
      sentence: z.string(),
      why: z.array(z.string()),
      waitsFor: z.array(z.string()),
      next: z.array(z.string()),
    })
    .meta({ id: 'Explanation' }),
);

export const umbraEvent = passedThrough<UmbraEvent>(
  z
    .looseObject({
      id: z.string(),
      at: z.number().describe(instants),
      hostedVmId: z.string(),
      kind: z.string(),
      actor: z.string(),
      reason,
    })
    .meta({ id: 'Event' }),
);

export const commandAnswer = z
  .looseObject({ kind: z.enum(['accepted', 'refused']), text: z.string().optional(), reason: reason.optional() })
  .meta({ id: 'CommandAnswer' });

export const commandBody = z
  .object({
    requestId: z.string().min(1).max(100).optional().describe('a repeat with the same id is answered, not done again'),
    reason: z.string().min(1).max(500).optional(),
    to: z.string().max(60).optional().describe('failover: the shadow, `shop/2`'),
    by: z.string().max(20).optional().describe('extendProbation: a duration, `6h`'),
    byMs: z
      .number()
      .int()
      .positive()
      .max(7_776_000_000)
      .optional()
      .describe('extendProbation: the same in milliseconds'),
    proposalId: z.string().max(100).optional().describe('approve: which proposal was read'),
  })
  .meta({ id: 'CommandBody' });

export const inventoryBody = z
  .object({
    text: z
      .string()
      .max(16 * 1024 * 1024)
      .describe('the inventory, as YAML'),
    file: z.string().max(300).optional().describe('what positions in problems are said to be in'),
    dryRun: z.boolean().optional(),
    expected: z.number().int().min(0).optional().describe('refuse when another revision is current'),
    force: z.boolean().optional().describe('push everything again, for a Temporal that has lost its workflows'),
  })
  .meta({ id: 'InventoryBody' });

export const problem = z
  .object({
    file: z.string(),
    line: z.number(),
    column: z.number(),
    path: z.string(),
    message: z.string(),
    hint: z.string().optional(),
  })
  .meta({ id: 'Problem' });

export const change = z
  .object({
    kind: z.enum(['add', 'remove', 'change']),
    what: z.enum(['cluster', 'zone', 'hostedVm']),
    id: z.string(),
    fields: z.array(z.string()).optional(),
  })
  .meta({ id: 'InventoryChange' });

export const pendingPush = z
  .object({ what: z.string(), id: z.string(), why: z.string() })
  .meta({ id: 'PendingPush', description: 'Applied, but not yet taken by its workflow; it is tried again' });

export const heartbeatBody = z
  .object({
    instance: z.string().max(60).optional().describe('unless the serial is the bearer token'),
    token: z.string().max(100).optional(),
    load: z
      .object({
        qps: z.number().min(0).max(1e9).optional(),
        cpu: z.number().min(0).max(1024).optional().describe('share of all its CPUs, 0 to 1'),
        memory: z.number().min(0).max(1).optional(),
        diskMs: z
          .number()
          .min(0)
          .max(1e6)
          .optional()
          .describe('milliseconds an operation of its disks took since the beat before'),
      })
      .optional(),
    finding: z.enum(['healthy', 'failed', 'overloaded']).optional(),
  })
  .meta({ id: 'Heartbeat' });

export const failuresBody = z
  .object({
    failures: z
      .array(
        z.object({
          hostedVmId: z.string().min(1).max(64),
          at: z.number().int().min(0).describe(instants),
          text: z.string().max(300).optional(),
          node: z.string().min(1).max(64).optional().describe('the node, where it failed and took the hosted VM along'),
        }),
      )
      .max(1_000),
  })
  .meta({ id: 'PastFailures' });

const count = z.number().int().min(0);

/** One batch of a collector; see `DemandBatch` in the domain. */
export const demandBatch = z
  .object({
    edge: z.string().min(1).max(64),
    epoch: count,
    seq: count,
    buckets: z
      .array(
        z.looseObject({
          edge: z.string().max(64),
          at: count,
          observedShare: z.number().min(0).max(1).nullable(),
          senders: count,
          frames: count,
          dropped: count,
          late: count,
          undecodable: count,
        }),
      )
      .max(10_000),
    counts: z
      .array(
        z.looseObject({
          hostedVmId: z.string().max(64),
          at: count,
          answers: count,
          deduplicated: count,
          estimatedQps: z.number().min(0).nullable(),
          sources: count,
          rcodes: z.record(z.string().max(20), count),
          types: z.record(z.string().max(20), count),
          tcp: count,
          responseBytes: count,
          topShare: z.number().min(0).max(1),
        }),
      )
      .max(200_000),
  })
  .meta({ id: 'DemandBatch' });
