import { ScheduleOverlapPolicy } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import type { Loop } from '../background/loop.ts';
import type { SweepDeps } from '../activities/sweep.ts';
import type { LedgerView } from '../domain/cluster/ledger.ts';
import type { SweepReport } from '../domain/cluster/sweep.ts';
import { clusterWorkflowId, hostedVmWorkflowId, taskQueues } from '../domain/cluster-messages.ts';
import type { UmbraEvent } from '../domain/event.ts';
import { hostedVmQueries } from '../domain/hosted-vm/messages.ts';
import type { HostedVmView } from '../domain/view.ts';
import type { Parts } from './parts.ts';
import { ensureNoSchedule, ensureSchedule, keepSchedules } from './schedules.ts';

const prefix = 'sweep/';
/** An orphan costs memory and a lease, and it is looked at twice before it is touched: minutes are soon enough. */
const cadence = '3 minutes';
/** Clusters are not all looked at in the same second. */
const jitter = '30 seconds';
/** Long enough for two looks at a large cluster whose name servers are slow. */
const longest = '15 minutes';

/** What hosted VMs say of themselves, by id. Undefined when none runs; rejects when it cannot be asked. */
export function hostedVmViews(client: Client): (id: string) => Promise<HostedVmView | undefined> {
  return async (id) => {
    try {
      return await client.workflow.getHandle(hostedVmWorkflowId(id)).query<HostedVmView>(hostedVmQueries.view);
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  };
}

/** What the sweep needs from the world: the inventory in force, what workflows say of themselves, and where it tells. */
export function sweepDeps(parts: Pick<Parts, 'inventory' | 'providers' | 'stores' | 'log'>, client: Client): SweepDeps {
  const hostedVmOf = hostedVmViews(client);
  const told = new Map<string, string>();
  return {
    hypervisorOf: parts.providers.hypervisorOf,
    nameServerOf: parts.providers.nameServerOf,
    inventory: () => {
      const known = parts.inventory.current();
      if (known === undefined) return Promise.reject(new Error('no inventory has been applied yet'));
      return Promise.resolve(known.inventory);
    },
    ledgerOf: (cluster) => client.workflow.getHandle(clusterWorkflowId(cluster)).query<LedgerView>('ledger'),
    hostedVmOf,
    report: async (report) => {
      // What stands as it stood is not said again every three minutes.
      const said = report.findings.map(({ reason }) => reason.text).join('\n');
      if (told.get(report.cluster) === said) return;
      told.set(report.cluster, said);
      for (const { severity, reason } of report.findings) {
        parts.log[severity === 'warning' ? 'warn' : 'info']({ cluster: report.cluster, ...reason.facts }, reason.text);
      }
      for (const [id, events] of eventsByHostedVm(report)) {
        const view = await hostedVmOf(id);
        if (view !== undefined) await parts.stores.registry.save(view, events);
      }
    },
  };
}

const dayMs = 86_400_000;

/** One line in the timeline of the hosted VM it concerns, once a day for as long as it is so. */
function eventsByHostedVm({ at, cluster, findings }: SweepReport): Map<string, UmbraEvent[]> {
  const events = new Map<string, UmbraEvent[]>();
  for (const { hostedVmId, reason } of findings) {
    if (hostedVmId === undefined) continue;
    const id = `sweep/${cluster}/${reason.code}/${JSON.stringify(reason.facts ?? {})}/${Math.floor(at / dayMs)}`;
    const event: UmbraEvent = {
      ...{ id, at, hostedVmId, kind: 'sweep-finding', actor: 'sweep', reason },
      facts: { cluster, ...reason.facts },
    };
    events.set(hostedVmId, [...(events.get(hostedVmId) ?? []), event]);
  }
  return events;
}

/** Keeps one Temporal Schedule per cluster of the inventory. */
export function keepSweeps(parts: Pick<Parts, 'inventory' | 'log'>, client: Client): Pick<Loop, 'stop'> {
  return keepSchedules(parts, 'the schedules of the sweep', ({ clusters }) =>
    ensureSchedules(
      client,
      clusters.map(({ name }) => name),
    ),
  );
}

async function ensureSchedules(client: Client, clusters: readonly string[]): Promise<void> {
  for (const cluster of clusters) {
    await ensureSchedule(client, {
      scheduleId: `${prefix}${cluster}`,
      spec: { intervals: [{ every: cadence }], jitter },
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 minute' },
      action: {
        type: 'startWorkflow',
        workflowType: 'sweep',
        workflowId: `${prefix}${cluster}`,
        taskQueue: taskQueues.workflows,
        args: [{ cluster }],
        workflowExecutionTimeout: longest,
      },
    });
  }
  for await (const { scheduleId } of client.schedule.list()) {
    if (!scheduleId.startsWith(prefix) || clusters.includes(scheduleId.slice(prefix.length))) continue;
    await ensureNoSchedule(client, scheduleId);
  }
}
