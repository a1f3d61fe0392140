import type { LedgerView } from '../../domain/cluster/ledger.ts';
import type { DemandSeries } from '../../domain/demand.ts';
import type { InstanceId } from '../../domain/instance.ts';
import type { HostedVmView } from '../../domain/view.ts';
import type { EpochMs } from '../../domain/time.ts';

/** Answers of the HTTP API that are not words of the domain. The API's schemas are their source. */

/** `/hosted-vms/:id` adds what is known of each instance by its id; `drift` is null when the cluster did not answer. */
export type HostedVmDetail = HostedVmView & {
  readonly heartbeats?: Readonly<Record<InstanceId, Beat>>;
  readonly drift?: Readonly<Record<InstanceId, readonly Drift[]>> | null;
};
export type Beat = {
  readonly at: EpochMs;
  readonly load?: { readonly qps?: number; readonly cpu?: number; readonly memory?: number };
};
export type Drift = {
  readonly key: string;
  readonly primary: string;
  readonly shadow: string;
  readonly kind: 'tier' | 'drift';
  readonly changed?: 'primary' | 'shadow';
};

/** Quantiles in this order: p10, p50, p90, p95, p99. */
export type Forecast = {
  readonly model: string;
  readonly start: EpochMs;
  readonly stepMs: number;
  readonly values: readonly (readonly number[])[];
};

/** JSON has no NaN: a missing step is null. */
type KnownSeries = Omit<DemandSeries, 'qps'> & { readonly qps: readonly (number | null)[] };

export type DemandAnswer = {
  readonly demand: KnownSeries;
  /** With what silent edges would have seen; null while none is silent. */
  readonly imputed: KnownSeries | null;
  readonly forecast: Forecast | null;
  readonly capacityQps: number;
};

export type EdgeStatus = {
  readonly edge: string;
  readonly lastBucketAt: EpochMs | null;
  readonly framesPerSecond: number;
  readonly observedShare: number | null;
  readonly senders: number;
  readonly silent: boolean;
};

/** Each cluster's ledger: what is given out, what is left, and what a lost node would mean. */
export type CapacityAnswer = { readonly clusters: readonly ({ readonly name: string } & LedgerView)[] };

/** How good the forecasts and risks have been. Any part may be missing while too little has been observed. */
export type ForesightAnswer = {
  readonly models?: readonly ModelScore[];
  readonly hostedVms?: readonly HostedVmScore[];
  readonly reliability?: readonly { readonly predicted: number; readonly observed: number; readonly count: number }[];
  readonly risk?: {
    readonly outcomes: number;
    readonly needs: number;
    readonly text: string;
    readonly healthWeights?: string;
  };
  readonly pool?: { readonly hits: number; readonly misses: number; readonly idleHours: number };
  readonly misses?: readonly {
    readonly hostedVmId: string;
    readonly at: EpochMs;
    readonly text: string;
    /** What was known then: predicted p90, risk. */
    readonly known: string;
  }[];
};

/** Shares of outcomes that fell below the predicted p90 and p99, over so many steps; 0.9 and 0.99 are honest. */
type Coverage = { readonly coverage90: number | null; readonly coverage99: number | null; readonly steps: number };

type ModelScore = Coverage & {
  readonly model: string;
  readonly hostedVms: number;
  /** Error relative to seasonal-naive; below 1 is better than it. */
  readonly relativeError: number | null;
};

export type HostedVmScore = Coverage & {
  readonly id: string;
  /** Null before the first fit. */
  readonly model: string | null;
  readonly why: string;
  /** Loss of each candidate in the backtest on this demand, seasonal-naive = 1. */
  readonly standings: readonly { readonly model: string; readonly relative: number }[];
  /** `alarm`: it has missed more than it may; `off`: it is not used until it does better. */
  readonly forecast: 'ok' | 'alarm' | 'off';
  readonly doubt: string | null;
  /** What has been learned of the capacity from demand and CPU. */
  readonly capacity: string | null;
};
