import { isCancellation, proxyActivities } from '@temporalio/workflow';
import type { FleetActivities } from '../activities/fleet.ts';
import { taskQueues } from '../domain/cluster-messages.ts';
import { secondMs } from '../domain/time.ts';
import { reasonOf } from './trouble.ts';

type ChunkReport = Awaited<ReturnType<FleetActivities['forecastChunk']>>;

const act = proxyActivities<FleetActivities>({
  taskQueue: taskQueues.forecasting,
  priority: { priorityKey: 5 },
  startToCloseTimeout: '4 minutes',
  heartbeatTimeout: '30 seconds',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { initialInterval: '2 seconds', backoffCoefficient: 2, maximumInterval: '20 seconds', maximumAttempts: 5 },
});

/** Chunks under way at the same time: evaluations need the rest of a worker's places. */
const chunksAtOnce = 2;

/**
 * Forecasts of a large fleet, run by a schedule every five minutes: what it stores is what evaluations read. A chunk
 * that cannot be done is left out, and its hosted VMs make their own forecasts when they are evaluated.
 * @returns one line of what was done
 */
export async function fleetForecast(): Promise<string> {
  const startedAt = Date.now();
  const waiting = await act.chunksOfFleet();
  const reports: ChunkReport[] = [];
  let lost = 0;
  const turn = async (): Promise<void> => {
    for (let chunk = waiting.shift(); chunk !== undefined; chunk = waiting.shift()) {
      try {
        reports.push(await act.forecastChunk({ hostedVmIds: chunk, now: startedAt }));
      } catch (error) {
        if (isCancellation(error)) throw error;
        reasonOf(error, `forecasting ${chunk.length} hosted VMs`);
        lost += chunk.length;
      }
    }
  };
  await Promise.all(Array.from({ length: chunksAtOnce }, turn));
  const total = (pick: (report: ChunkReport) => number): number => reports.reduce((sum, each) => sum + pick(each), 0);
  const failed = total((report) => report.failed) + lost;
  const seconds = ((Date.now() - startedAt) / secondMs).toFixed(1);
  const trouble = reports.find((report) => report.trouble !== undefined)?.trouble;
  return (
    `${total((report) => report.stored)} forecasts in ${seconds} s; ${total((report) => report.silent)} with less than two hours of demand` +
    (failed === 0 ? '' : `; ${failed} failed${trouble === undefined ? '' : `, the first: ${trouble}`}`)
  );
}
