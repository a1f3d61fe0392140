import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Worker } from '@temporalio/worker';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { createFleetActivities } from '../../../src/activities/fleet.ts';
import { keepFleetForecasts } from '../../../src/composition/fleet-forecasts.ts';
import { openStores } from '../../../src/composition/stores.ts';
import type { Stores } from '../../../src/composition/stores.ts';
import { taskQueues } from '../../../src/domain/cluster-messages.ts';
import { minuteMs } from '../../../src/domain/time.ts';
import { createEvaluator } from '../../../src/foresight/evaluator.ts';
import { createFleetForecaster, isLarge } from '../../../src/foresight/fleet-forecaster.ts';
import type { FleetForecasterDeps } from '../../../src/foresight/fleet-forecaster.ts';
import { predict } from '../../../src/planning/forecast/speak.ts';
import type { ChunkReport, FleetForecaster } from '../../../src/ports/fleet-forecaster.ts';
import { threadPredictor } from '../../../src/providers/forecasting/threads.ts';
import { writeFleetDemand } from '../../support/fleet-demand.ts';
import { startTestPostgres } from '../../support/postgres.ts';
import type { FreshDatabase, TestPostgres } from '../../support/postgres.ts';
import { specOf } from '../../support/spec-of.ts';
import { quietly } from '../../support/stage.ts';
import { devServer, workflowBundle } from '../../support/temporal.ts';

jest.setTimeout(60_000);
quietly();

const ids = Array.from({ length: 40 }, (_, n) => `vm-${String(n).padStart(2, '0')}`);
const now = Math.floor(Date.now() / (5 * minuteMs)) * 5 * minuteMs;
const predictor = threadPredictor();

let postgres: TestPostgres;
let database: FreshDatabase;
let stores: Stores;
beforeAll(async () => void (postgres = await startTestPostgres()), 60_000);
afterAll(async () => {
  await postgres.stop();
  await predictor.close();
});
beforeEach(async () => {
  database = await postgres.fresh();
  stores = openStores(database.url);
});
afterEach(async () => {
  await stores.sql.close();
  await database.drop();
});

/** The fleet of this test, large from 31 hosted VMs on. */
function fleetDeps(changes: Partial<FleetForecasterDeps> = {}): FleetForecasterDeps {
  const specs = ids.map((id) => specOf(id));
  return {
    demand: stores.demand,
    forecasts: stores.forecasts,
    predictor,
    specs: () => specs,
    batchAbove: 30,
    ...changes,
  };
}

/** Runs the activity as a worker would; `after` is what an attempt before had told. */
function attempt(fleet: FleetForecaster, after?: ChunkReport, told?: (report: ChunkReport) => void) {
  const activity = new MockActivityEnvironment({ heartbeatDetails: after });
  activity.on('heartbeat', (report: ChunkReport) => told?.(report));
  const report = activity.run(createFleetActivities({ fleet }).forecastChunk, { hostedVmIds: ids, now });
  return { activity, report: report as Promise<ChunkReport> };
}

async function storedIds(): Promise<string[]> {
  const rows = await stores.sql.query<{ id: string }>('select hosted_vm_id as id from forecasts order by 1');
  return rows.map(({ id }) => id);
}

describe('a batch of forecasts', () => {
  test('is made only for a large fleet, in chunks of hundreds', () => {
    const many = Array.from({ length: 620 }, (_, n) => specOf(`vm-${n}`));
    const chunks = createFleetForecaster(fleetDeps({ specs: () => many })).chunks();
    expect(chunks.map((chunk) => chunk.length)).toEqual([250, 250, 120]);
    expect(new Set(chunks.flat()).size).toBe(620);
    expect(createFleetForecaster(fleetDeps({ specs: () => many.slice(0, 30) })).chunks()).toEqual([]);
  });

  test('is what an evaluation reads, and the same forecast as it would have made itself', async () => {
    await writeFleetDemand(stores.sql, ids, 3, now);
    const { report } = attempt(
      createFleetForecaster(fleetDeps({ specs: () => ids.slice(0, 12).map((id) => specOf(id)) })),
    );
    // The others have left the inventory since the chunk was cut.
    expect(await report).toEqual({ done: 40, stored: 12, silent: 0, failed: 0 });
    expect(await storedIds()).toEqual(ids.slice(0, 12));

    const asked: string[] = [];
    const evaluatorOf = (large: boolean) =>
      createEvaluator({
        demand: stores.demand,
        registry: stores.registry,
        forecasts: stores.forecasts,
        beliefs: stores.beliefs,
        predictor: {
          predict: (job) => {
            asked.push(large ? 'large' : 'small');
            return Promise.resolve(predict(job));
          },
        },
        isLarge: () => large,
        healthOf: () => Promise.resolve(undefined),
      });
    const request = { instances: [], serving: [], failoversAt: [], now: now + minuteMs };
    const read = await evaluatorOf(true).evaluate({ ...request, spec: specOf('vm-03') });
    expect(asked).toEqual([]);
    const made = await evaluatorOf(false).evaluate({ ...request, spec: specOf('vm-03') });
    expect(asked).toEqual(['small']);
    expect(read.model).toBe('seasonal-naive-day');
    expect({ ...read, peak: null, risk: null }).toEqual({ ...made, peak: null, risk: null });
    expect(read.peak!.p90 / made.peak!.p90).toBeCloseTo(1, 3);
    expect(read.risk.score).toBeCloseTo(made.risk.score, 4);

    // One the batch has left out, or whose forecast has grown old, is forecast on the way.
    await evaluatorOf(true).evaluate({ ...request, spec: specOf('vm-20') });
    await evaluatorOf(true).evaluate({ ...request, spec: specOf('vm-03'), now: now + 10 * minuteMs });
    expect(asked).toEqual(['small', 'large', 'large']);
  });

  test('says of how many too little is known', async () => {
    await writeFleetDemand(stores.sql, ids, 1 / 24, now);
    expect(await attempt(createFleetForecaster(fleetDeps())).report).toEqual({
      done: 40,
      stored: 0,
      silent: 40,
      failed: 0,
    });
  });

  test('is not spoilt by one hosted VM in trouble', async () => {
    await writeFleetDemand(stores.sql, ids, 1, now);
    const fleet = createFleetForecaster(
      fleetDeps({
        demand: {
          readMeasures: (query) =>
            query.hostedVmId === 'vm-07'
              ? Promise.reject(new Error('its history cannot be read'))
              : stores.demand.readMeasures(query),
        },
      }),
    );
    const { report } = attempt(fleet);
    expect(await report).toEqual({ done: 40, stored: 39, silent: 0, failed: 1, trouble: 'its history cannot be read' });
    expect(await storedIds()).toEqual(ids.filter((id) => id !== 'vm-07'));
  });

  test('goes on after a lost attempt where that had told it was, and ends when it is called off', async () => {
    await writeFleetDemand(stores.sql, ids, 1, now);
    const fleet = createFleetForecaster(fleetDeps());
    // Called off in the middle: what was told is stored.
    const told: ChunkReport[] = [];
    const first = attempt(fleet, undefined, (report) => {
      told.push(report);
      if (report.done >= 12) first.activity.cancel();
    });
    await expect(first.report).rejects.toThrow(/CANCELLED/);
    const last = told.at(-1)!;
    expect(last).toMatchObject({ done: 12, stored: 12 });
    expect(await storedIds()).toEqual(ids.slice(0, 12));

    await stores.sql.query('delete from forecasts');
    const second = attempt(fleet, last);
    expect(await second.report).toMatchObject({ done: 40, stored: 40 });
    expect(await storedIds()).toEqual(ids.slice(12));
  });

  test('is tried again when the store is away: then it is not the hosted VMs that are in trouble', async () => {
    const away = { readMeasures: () => Promise.reject(new Error('the store is away')) };
    await expect(attempt(createFleetForecaster(fleetDeps({ demand: away }))).report).rejects.toThrow(
      'the store is away',
    );
    expect(await storedIds()).toEqual([]);
  });
});

describe('the schedule of the batch', () => {
  let env: TestWorkflowEnvironment;
  beforeAll(async () => {
    env = await devServer();
  });
  afterAll(() => env.teardown());

  test('is there while the fleet is large, forecasts all of it, and goes when it has become small', async () => {
    await writeFleetDemand(stores.sql, ids, 1, now);
    let size = ids.length;
    let changed = (): void => undefined;
    const deps = fleetDeps({ specs: () => ids.slice(0, size).map((id) => specOf(id)) });
    const fleet = createFleetForecaster(deps);
    const common = { connection: env.nativeConnection, namespace: 'default' };
    const workers = [
      await Worker.create({ ...common, taskQueue: taskQueues.workflows, workflowBundle: workflowBundle() }),
      await Worker.create({
        ...common,
        taskQueue: taskQueues.forecasting,
        activities: createFleetActivities({ fleet }),
      }),
    ];
    const running = workers.map((worker) => worker.run());
    const kept = keepFleetForecasts(
      {
        inventory: {
          current: () => ({ revision: 1, inventory: { clusters: [], zones: [], hostedVms: [] } }),
          onChange: (listener) => {
            changed = listener;
            return () => undefined;
          },
          close: () => Promise.resolve(),
        },
        log: { warn: () => undefined } as never,
      },
      env.client,
      () => isLarge(deps),
    );
    const schedules = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const { scheduleId } of env.client.schedule.list()) found.push(scheduleId);
      return found;
    };
    try {
      await until('a forecast of each', async () => (await storedIds()).length === ids.length);
      await until('the workflow to tell what it did', async () => {
        for await (const run of env.client.workflow.list({ query: `WorkflowType = 'fleetForecast'` })) {
          if (run.status.name !== 'COMPLETED') continue;
          expect(await env.client.workflow.getHandle(run.workflowId, run.runId).result()).toMatch(
            /^40 forecasts in \d+\.\d s; 0 with less than two hours of demand$/,
          );
          return true;
        }
        return false;
      });
      expect(await schedules()).toEqual(['fleet-forecast']);
      size = 30;
      changed();
      await until('the schedule to go', async () => (await schedules()).length === 0);
    } finally {
      await kept.stop();
      for (const worker of workers) worker.shutdown();
      await Promise.all(running);
    }
  });
});

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited 30 s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
