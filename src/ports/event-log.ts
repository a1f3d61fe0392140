import type { UmbraEvent } from '../domain/event.ts';

/** For what is done beside a hosted VM's workflow: inventories applied, calls refused. */
export interface EventLog {
  /** Writes each event once, by its id. @throws ProviderError transient while the store is away */
  append(events: readonly UmbraEvent[]): Promise<void>;
}
