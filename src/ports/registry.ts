import type { UmbraEvent } from '../domain/event.ts';
import type { HealthFinding } from '../domain/health.ts';
import type { Instance, InstanceId } from '../domain/instance.ts';
import type { Inventory } from '../domain/inventory.ts';
import type { EpochMs } from '../domain/time.ts';
import type { HostedVmView } from '../domain/view.ts';

export type EventQuery = {
  readonly hostedVmId?: string;
  readonly before?: EpochMs;
  readonly kinds?: readonly string[];
  readonly limit: number;
};

/** The projection that feeds lists. It can be rebuilt from the workflows, and they from Proxmox's markers. */
export interface Registry {
  /** Stores the newest view (older `at` is ignored) and the events (by id, once), and wakes the listeners. */
  save(view: HostedVmView, events: readonly UmbraEvent[]): Promise<void>;
  views(): Promise<HostedVmView[]>;
  view(id: string): Promise<HostedVmView | undefined>;
  events(query: EventQuery): Promise<UmbraEvent[]>;
  /** Every instance that should be watched, with its hosted VM. */
  watched(): Promise<{ readonly hostedVmId: string; readonly instance: Instance; readonly serving: boolean }[]>;
  /** Calls back with a hosted VM's id after each `save`. */
  onChange(listener: (hostedVmId: string) => void): Promise<() => Promise<void>>;
}

export type InventoryRevision = {
  readonly revision: number;
  readonly appliedAt: EpochMs;
  readonly by: string;
  readonly inventory: Inventory;
  readonly text: string;
  /** Which Umbra this is: made once per store, and kept in its backup. */
  readonly installation: string;
};

/** Numbered revisions of the inventory; nothing is ever overwritten. */
export interface InventoryStore {
  current(): Promise<InventoryRevision | undefined>;
  /** Refuses (undefined) when `expected` is no longer the current revision. */
  append(inventory: Inventory, text: string, by: string, expected: number): Promise<InventoryRevision | undefined>;
  onChange(listener: (revision: number) => void): Promise<() => Promise<void>>;
}

export type Heartbeat = {
  readonly instance: InstanceId;
  readonly at: EpochMs;
  readonly load?: {
    readonly qps?: number;
    readonly cpu?: number;
    readonly memory?: number;
    /** Milliseconds an operation of its disks took since the beat before; absent when there was none. */
    readonly diskMs?: number;
  };
  readonly finding?: HealthFinding;
  /** Of the newest minute over its usual value; absent until enough beats have told it. Read only. */
  readonly diskLatencyRatio?: number;
};

/** Guests' heartbeats: only the newest per instance is kept. */
export interface HeartbeatStore {
  record(beats: readonly Heartbeat[]): Promise<void>;
  newest(instances: readonly InstanceId[]): Promise<Map<InstanceId, Heartbeat>>;
}
