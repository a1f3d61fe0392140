import type { DemandStore } from '../ports/demand-store.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { HeartbeatStore, InventoryStore, Registry } from '../ports/registry.ts';
import { openDemandStore } from '../providers/postgres/demand.ts';
import { createEventLog } from '../providers/postgres/events.ts';
import { createForecastStore } from '../providers/postgres/forecasts.ts';
import type { BeliefStore } from '../ports/belief-store.ts';
import type { FitLedger } from '../ports/fit-ledger.ts';
import { createBeliefStore } from '../providers/postgres/beliefs.ts';
import { createFitLedger } from '../providers/postgres/fit-ledger.ts';
import type { CpuSampleStore } from '../ports/cpu-samples.ts';
import type { OutcomeStore } from '../ports/outcome-store.ts';
import { createCpuSampleStore } from '../providers/postgres/cpu-samples.ts';
import { createOutcomeStore } from '../providers/postgres/outcomes.ts';
import type { ForecastStore } from '../ports/forecast-store.ts';
import { createPushLedger } from '../providers/postgres/pushes.ts';
import type { PushLedger } from '../ports/push-ledger.ts';
import { createHeartbeatStore } from '../providers/postgres/heartbeats.ts';
import { createInventoryStore } from '../providers/postgres/inventory.ts';
import { migrate } from '../providers/postgres/migrate.ts';
import { openSql } from '../providers/postgres/pool.ts';
import type { NotifyingSql } from '../providers/postgres/pool.ts';
import { createRegistry } from '../providers/postgres/registry.ts';

export type Stores = {
  readonly sql: NotifyingSql;
  readonly registry: Registry;
  readonly inventory: InventoryStore;
  readonly heartbeats: HeartbeatStore;
  readonly demand: DemandStore;
  readonly events: EventLog;
  readonly pushes: PushLedger;
  readonly forecasts: ForecastStore;
  readonly fits: FitLedger;
  readonly beliefs: BeliefStore;
  readonly outcomes: OutcomeStore;
  readonly cpuSamples: CpuSampleStore;
};

/** Opens the store without asking it anything: it may be away when a process starts. */
export function openStores(postgresUrl: string): Stores {
  const sql = openSql(postgresUrl);
  return {
    sql,
    registry: createRegistry(sql),
    inventory: createInventoryStore(sql),
    heartbeats: createHeartbeatStore(sql),
    demand: openDemandStore(sql),
    events: createEventLog(sql),
    pushes: createPushLedger(sql),
    forecasts: createForecastStore(sql),
    fits: createFitLedger(sql),
    beliefs: createBeliefStore(sql),
    outcomes: createOutcomeStore(sql),
    cpuSamples: createCpuSampleStore(sql),
  };
}

const retryMs = 1_000;

/** Brings the schema up to date; waits while the store is away, saying so once. Safe in every process: under one lock. */
export async function migrateWhenThere(
  sql: NotifyingSql,
  log: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  let said = false;
  for (;;) {
    try {
      const done = await migrate(sql);
      if (done.length > 0) log(`store: schema brought up to date by ${done.join(', ')}`);
      return;
    } catch (error) {
      if (signal?.aborted === true) throw error;
      const away = (error as { failureClass?: string }).failureClass === 'transient';
      if (!away) throw error;
      if (!said) log(`store: ${error instanceof Error ? error.message : String(error)}; waiting for it`);
      said = true;
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }
}
