import {
  ServiceError,
  WithStartWorkflowOperation,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { clusterWorkflowId, hostedVmWorkflowId, taskQueues } from '../domain/cluster-messages.ts';
import { clusterSignals } from '../domain/cluster/signals.ts';
import type { Command, CommandArguments, CommandResult } from '../domain/commands.ts';
import { applySpecUpdate, hostedVmQueries, workflowTypes } from '../domain/hosted-vm/messages.ts';
import type { SpecChange } from '../domain/hosted-vm/messages.ts';
import type { ClusterSpec } from '../domain/inventory.ts';
import { refuse } from '../domain/reason.ts';
import type { Refusal } from '../domain/reason.ts';
import type { Explanation } from '../domain/view.ts';

/** An answer takes tens of milliseconds; a person who waits longer than this wants to know why. */
const patienceMs = 10_000;

/** Temporal, or the worker that would have answered, is away. What was asked may still happen. */
export class NotReachable extends Error {}
/** No such workflow: never applied, or retired. */
export class NotRunning extends Error {}

/** What the API asks of the workflows. */
export type WorkflowCalls = {
  /** @throws NotReachable, NotRunning */
  command<C extends Command>(id: string, command: C, args: CommandArguments[C]): Promise<CommandResult>;
  explain(id: string): Promise<Explanation>;
  /** Starts the hosted VM's workflow when it does not run yet. */
  applySpec(change: SpecChange, quorum: number | undefined): Promise<void>;
  applyCluster(spec: ClusterSpec): Promise<void>;
  ledger(cluster: string): Promise<unknown>;
  /** @param by who asked, and why */
  resetBreaker(cluster: string, by: string): Promise<void>;
};

export function workflowCalls(client: Client): WorkflowCalls {
  const bounded = <T>(what: string, work: () => Promise<T>): Promise<T> =>
    client.withDeadline(Date.now() + patienceMs, work).catch((error: unknown) => translate(error, what));
  return {
    command: (id, command, args) =>
      bounded(`${command} ${id}`, () =>
        client.workflow
          .getHandle(hostedVmWorkflowId(id))
          .executeUpdate<CommandResult, [typeof args]>(command, { args: [args], updateId: args.requestId }),
      ).catch(refusalOr),
    explain: (id) =>
      bounded(`explain ${id}`, () =>
        client.workflow
          .getHandle(hostedVmWorkflowId(id))
          .query<Explanation, [number]>(hostedVmQueries.explain, Date.now()),
      ),
    applySpec: (change, quorum) => {
      const { spec, revision } = change;
      const start = new WithStartWorkflowOperation(workflowTypes.hostedVm, {
        workflowId: hostedVmWorkflowId(spec.id),
        taskQueue: taskQueues.failover,
        workflowIdConflictPolicy: 'USE_EXISTING',
        args: [{ spec, revision, ...(quorum === undefined ? {} : { quorum }) }],
        staticSummary: spec.names.join(' '),
      });
      return bounded(`apply ${spec.id}`, async () => {
        await client.workflow.executeUpdateWithStart(applySpecUpdate, {
          args: [change],
          updateId: `${applySpecUpdate}-${revision}`,
          startWorkflowOperation: start,
        });
      }).catch(inItsWords);
    },
    applyCluster: (spec) => {
      const start = new WithStartWorkflowOperation('cluster', {
        workflowId: clusterWorkflowId(spec.name),
        taskQueue: taskQueues.workflows,
        workflowIdConflictPolicy: 'USE_EXISTING',
        args: [{ spec }],
        staticSummary: `Proxmox VE cluster ${spec.name}`,
      });
      return bounded(`apply cluster ${spec.name}`, async () => {
        await client.workflow.executeUpdateWithStart('applyCluster', { args: [spec], startWorkflowOperation: start });
      }).catch(inItsWords);
    },
    resetBreaker: (cluster, by) =>
      bounded(`reset the breaker of ${cluster}`, () =>
        client.workflow.getHandle(clusterWorkflowId(cluster)).signal(clusterSignals.resetBreaker, { by }),
      ),
    ledger: (cluster) =>
      bounded(`ledger of ${cluster}`, () => client.workflow.getHandle(clusterWorkflowId(cluster)).query('ledger')),
  };
}

/** A validator's no is an answer, not an error. */
function refusalOr(error: unknown): CommandResult {
  const cause = causeOf(error);
  const detail = cause?.details?.[0] as Partial<Refusal> | undefined;
  if (detail?.kind === 'refused' && detail.reason !== undefined) return { kind: 'refused', reason: detail.reason };
  if (cause?.type === 'Refused') return refuse('refused', cause.message);
  throw error;
}

/** What the workflow said, without the SDK's frame around it. */
function inItsWords(error: unknown): never {
  const cause = causeOf(error);
  throw cause === undefined ? error : new Error(cause.message, { cause: error });
}

function causeOf(error: unknown): ApplicationFailure | undefined {
  const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
  return cause instanceof ApplicationFailure ? cause : undefined;
}

function translate(error: unknown, what: string): never {
  if (error instanceof WorkflowNotFoundError) throw new NotRunning(`${what}: its workflow does not run`);
  if (error instanceof WorkflowUpdateFailedError) throw error;
  if (error instanceof ServiceError || isDeadline(error)) {
    const why = error instanceof Error ? rootMessage(error) : String(error);
    throw new NotReachable(`${what}: Temporal or its worker did not answer (${why}); try again, nothing is lost`, {
      cause: error,
    });
  }
  throw error;
}

function isDeadline(error: unknown): boolean {
  return (
    error instanceof Error && /UPDATE_RPC_TIMEOUT|DEADLINE_EXCEEDED|RpcTimeout/i.test(`${error.name} ${error.message}`)
  );
}

function rootMessage(error: Error): string {
  return error.cause instanceof Error ? rootMessage(error.cause) : error.message;
}
