import { bucketMs } from '../domain/demand.ts';
import type { EpochMs } from '../domain/time.ts';
import type { BindStatistics } from './bind-statistics.ts';
import type { BucketWriter } from './bucket-writer.ts';
import type { Tally } from './tally.ts';

/** BIND's counters are read as a bucket ends, not up to a look at the clock later. */
const soonMs = 200;

/** Ends buckets when their time is over, and reads the servers' own counters at that moment. */
export class BucketTurns {
  readonly #clock: () => EpochMs;
  readonly #tally: Tally;
  readonly #buckets: BucketWriter;
  readonly #statistics: BindStatistics;
  #bucket: number;
  #lookedAt = -1;

  constructor(deps: {
    readonly clock: () => EpochMs;
    readonly tally: Tally;
    readonly buckets: BucketWriter;
    readonly statistics: BindStatistics;
  }) {
    this.#clock = deps.clock;
    this.#tally = deps.tally;
    this.#buckets = deps.buckets;
    this.#statistics = deps.statistics;
    this.#bucket = Math.floor(deps.clock() / bucketMs);
  }

  /** Start of the bucket before the current one. */
  get previousAt(): EpochMs {
    return (this.#bucket - 1) * bucketMs;
  }

  turn(): void {
    const now = this.#clock();
    const bucket = Math.floor(now / bucketMs);
    const endsInMs = (bucket + 1) * bucketMs - now;
    if (this.#statistics.servers > 0 && endsInMs <= soonMs && this.#lookedAt !== bucket) {
      this.#lookedAt = bucket;
      setTimeout(() => void this.#statistics.look(bucket * bucketMs), endsInMs);
    }
    this.#bucket = bucket;
    const closed = this.#tally.close(now);
    // Silence is told too: each bucket exists whether or not a frame came.
    this.#tally.openNow();
    if (closed.length > 0) void this.#buckets.write(closed);
  }

  /** Ends everything that is open. */
  async finish(): Promise<void> {
    await this.#statistics.look(this.#bucket * bucketMs);
    await this.#buckets.write([...this.#tally.close(this.#clock()), ...this.#tally.closeAll()]);
  }
}
