import type { EpochMs } from './time.ts';

/** Width of the narrowest bucket the collector writes. */
export const bucketMs = 10_000;

/** What one edge saw for one hosted VM in one bucket, by event time. Counts, not rates. */
export type DemandCount = {
  readonly hostedVmId: string;
  /** Start of the bucket, a multiple of `bucketMs`. */
  readonly at: EpochMs;
  /** More than one bucket in one count: a collector whose spool was full. Spread evenly over the batch's buckets in it. */
  readonly spanMs?: number;
  /** Answers as they were sent. */
  readonly answers: number;
  /** Answers after the duplicate window and the per-source cap. */
  readonly deduplicated: number;
  /** The part of `deduplicated` from sources known for a while or proven by TCP; all of it when left out. */
  readonly established?: number;
  /** Cache-gap estimate of client queries per second behind resolvers; NaN is sent as null. */
  readonly estimatedQps: number | null;
  /** Distinct client subnets (HyperLogLog). */
  readonly sources: number;
  /** Answers by rcode of everything asked under these names, answered or not. */
  readonly rcodes: Readonly<Record<string, number>>;
  readonly types: Readonly<Record<string, number>>;
  readonly tcp: number;
  readonly responseBytes: number;
  /** Share of all answers that came from the largest source. */
  readonly topShare: number;
};

/** One bucket of one edge: which part of the stream it observed, so that a gap is never taken for silence. */
export type EdgeBucket = {
  readonly edge: string;
  readonly at: EpochMs;
  /** 0..1 by drop counters and connected time; null when the server gives no counters. 0 senders: the bucket is missing. */
  readonly observedShare: number | null;
  readonly senders: number;
  readonly frames: number;
  readonly dropped: number;
  readonly late: number;
  readonly undecodable: number;
  /** 0..1: what the collector itself took in, by connected time and by its own shedding; 1 when left out. */
  readonly intake?: number;
  /** Whole frames the collector set aside unread because it could not keep up. */
  readonly shed?: number;
  /** Responses about names of no hosted VM: one bounded bucket for all of them. */
  readonly unknownNames?: number;
};

/** Written as one transaction; (edge, epoch, seq) makes a repeat harmless. */
export type DemandBatch = {
  readonly edge: string;
  /** Rises at every start of a collector; persisted by its spool. */
  readonly epoch: number;
  readonly seq: number;
  readonly buckets: readonly EdgeBucket[];
  readonly counts: readonly DemandCount[];
};

/** A regular series: queries per second at `start + i * stepMs`; NaN is missing (as null in JSON). */
export type DemandSeries = { readonly start: EpochMs; readonly stepMs: number; readonly qps: readonly number[] };
