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
export type Drift = { readonly key: string; readonly primary: string; readonly shadow: string };

/** Quantiles in this order: p10, p50, p90, p95, p99. */
export type Forecast = {
  readonly model: string;
  readonly start: EpochMs;
  readonly stepMs: number;
  readonly values: readonly (readonly number[])[];
};

/** JSON has no NaN: a missing step is null. */
export type DemandAnswer = {
  readonly demand: Omit<DemandSeries, 'qps'> & { readonly qps: readonly (number | null)[] };
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
  readonly reliability?: readonly { readonly predicted: number; readonly observed: number; readonly count: number }[];
  readonly pool?: { readonly hits: number; readonly misses: number; readonly idleHours: number };
  readonly misses?: readonly {
    readonly hostedVmId: string;
    readonly at: EpochMs;
    readonly text: string;
    /** What was known then: predicted p90, risk. */
    readonly known: string;
  }[];
};

type ModelScore = {
  readonly model: string;
  readonly hostedVms: number;
  /** Error relative to seasonal-naive; below 1 is better than it. */
  readonly relativeError: number | null;
  /** Share of outcomes that fell below the predicted p90; 0.9 is honest. */
  readonly coverage90: number | null;
};
