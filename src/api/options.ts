import type { Client } from '@temporalio/client';
import type { EpochMs } from '../domain/time.ts';
import type { InstanceId } from '../domain/instance.ts';
import type { HostedVmView } from '../domain/view.ts';
import type { DemandStore } from '../ports/demand-store.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { ConfigDrift } from '../ports/hypervisor.ts';
import type { PushLedger } from '../ports/push-ledger.ts';
import type { HeartbeatStore, InventoryStore, Registry } from '../ports/registry.ts';
import type { Access } from './access.ts';
import type { Finding } from './doctor.ts';

/** Where everything of this installation answers; shown by `umbra status`. Empty: not known here. */
export type Addresses = {
  readonly dashboard: string;
  readonly api: string;
  readonly temporal: string;
  readonly temporalUi: string;
  readonly dns: string;
  readonly dnstap: string;
  readonly proxmox: string;
};

/** Quantiles p10, p50, p90, p95, p99 by step, in queries per second. */
type ForecastAnswer = {
  readonly model: string;
  readonly start: EpochMs;
  readonly stepMs: number;
  readonly values: readonly (readonly number[])[];
};

type ForecastSource = {
  newest(hostedVmId: string): Promise<ForecastAnswer | undefined>;
  /** What the foresight page shows: scores, coverage, calibration. */
  foresight?(): Promise<unknown>;
};

export type ApiStores = {
  readonly registry: Registry;
  readonly inventory: InventoryStore;
  readonly heartbeats: HeartbeatStore;
  readonly demand: DemandStore;
  readonly events: EventLog;
  readonly pushes: PushLedger;
};

type Log = {
  info(facts: object, text: string): void;
  warn(facts: object, text: string): void;
  error(facts: object, text: string): void;
};

export type ApiOptions = {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly client: Client;
  readonly stores: ApiStores;
  readonly forecasts?: ForecastSource;
  /** Per shadow, how it differs from the primary. Asked when a page is opened, so it may take a second. */
  readonly drift?: (view: HostedVmView) => Promise<Readonly<Record<InstanceId, readonly ConfigDrift[]>>>;
  /** Nodes, headroom and budget per cluster; the clusters' own ledgers unless given. */
  readonly capacity?: () => Promise<unknown>;
  /** What `umbra doctor` shows; `examine` of ./doctor.ts does the looking. */
  readonly doctor?: () => Promise<readonly Finding[]>;
  /** Folder of the built dashboard. */
  readonly webRoot?: string;
  /** Tokens and names; `tokensNeeded` is added here from `host`. */
  readonly access: Omit<Access, 'tokensNeeded'>;
  readonly addresses: () => Partial<Addresses>;
  /** Further parts whose health `status` tells; each resolves to a word on how it is, or rejects. */
  readonly components?: Readonly<Record<string, () => Promise<string>>>;
  /** Secret of the guests' heartbeat tokens; without it heartbeats are off. */
  readonly heartbeatSecret?: Buffer;
  /** A listener of its own for guests: heartbeats and nothing else. */
  readonly heartbeats?: { readonly host: string; readonly port: number };
  /** Vantage points that must agree; the workflows' own default unless given. */
  readonly quorum?: number;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly now?: () => EpochMs;
};

export type RunningApi = { readonly url: string; readonly heartbeatUrl?: string; close(): Promise<void> };
