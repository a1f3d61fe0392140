import type { DemandBatch, DemandSeries } from '../domain/demand.ts';
import type { EpochMs } from '../domain/time.ts';

/**
 * Which of the measures kept side by side is read. `established` is the part of `deduplicated` from known sources,
 * `topSource` the part of `answers` that went to the largest source, `nxdomain` what was asked about names that do not exist.
 */
export type DemandMeasure = 'answers' | 'deduplicated' | 'estimated' | 'established' | 'topSource' | 'nxdomain';

export type DemandQuery = {
  readonly hostedVmId: string;
  readonly from: EpochMs;
  readonly to: EpochMs;
  /** 10 s, 1 min, 5 min or 1 h; read from the matching roll-up. */
  readonly stepMs: number;
  /** `deduplicated` unless told. */
  readonly measure?: DemandMeasure;
  /** Fills in what a silent edge would have seen, by its mean of the quarter of an hour before. For display, never for decisions. */
  readonly imputed?: boolean;
};

export type EdgeStatus = {
  readonly edge: string;
  readonly lastBucketAt: EpochMs | null;
  readonly framesPerSecond: number;
  readonly observedShare: number | null;
  readonly senders: number;
  /** Answers of the last hour about names that no hosted VM has; only their number is kept. */
  readonly unknownNames?: number;
  readonly silent: boolean;
};

/** Demand of all hosted VMs, summed over edges, corrected for what the edges did not see. */
export interface DemandStore {
  /** Writes a batch once, whatever the number of calls. @throws ProviderError transient while the store is away */
  write(batch: DemandBatch): Promise<'written' | 'repeated'>;
  /** Queries per second, loss-corrected, summed over edges. A step in which no edge had a live sender is NaN. */
  read(query: DemandQuery): Promise<DemandSeries>;
  /** As `read`, several measures of the same steps in one round trip. */
  readMeasures<M extends DemandMeasure>(
    query: Omit<DemandQuery, 'measure' | 'imputed'> & { readonly measures: readonly M[] },
  ): Promise<Record<M, DemandSeries>>;
  /** As `read`, for many hosted VMs in one round trip; keyed by hosted VM id. */
  readMany(
    query: Omit<DemandQuery, 'hostedVmId'> & { hostedVmIds: readonly string[] },
  ): Promise<Map<string, DemandSeries>>;
  edges(now: EpochMs): Promise<EdgeStatus[]>;
  /** Rolls 10 s up to 1 min, 5 min and 1 h, makes partitions and drops what retention says. Idempotent. */
  maintain(now: EpochMs): Promise<void>;
}
