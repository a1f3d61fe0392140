import { performance } from 'node:perf_hooks';
import type { BucketWriter } from './bucket-writer.ts';
import type { CollectorLog } from './log.ts';
import type { Spool } from './spool.ts';
import type { Tally, TallyTotals } from './tally.ts';

/** What a kill may lose. Less often when a checkpoint is expensive: it may take a fiftieth of the time. */
const checkpointMs = 1_000;
const costFactor = 50;
/** How finely the collector looks at the clock. */
const precisionMs = 100;

/** Puts open buckets on disk, so that a kill loses a second and not a bucket. */
export class Checkpoints {
  readonly #tally: Tally;
  readonly #buckets: BucketWriter;
  readonly #spool: Spool;
  readonly #log: CollectorLog;
  #dueAt = 0;
  #framesWritten = 0;
  #running: Promise<void> | undefined;

  constructor(tally: Tally, buckets: BucketWriter, spool: Spool, log: CollectorLog) {
    this.#tally = tally;
    this.#buckets = buckets;
    this.#spool = spool;
    this.#log = log;
  }

  /** Writes one when it is time and something has come since the last. */
  writeWhenDue(): void {
    if (performance.now() > this.#dueAt && countFrames(this.#tally.totals) !== this.#framesWritten) void this.#write();
  }

  /** Ends of streams share checkpoints: a sender that says STOP again and again costs no more than one that does not. */
  async settle(): Promise<void> {
    await this.#running;
    const wait = Math.min(checkpointMs, this.#dueAt - checkpointMs + precisionMs - performance.now());
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    await (this.#running ?? this.#write());
  }

  #write(): Promise<void> {
    const began = performance.now();
    this.#framesWritten = countFrames(this.#tally.totals);
    const written = this.#spool.checkpoint(this.#tally.peek().map((bucket) => this.#buckets.batchOf(bucket, false)));
    this.#dueAt = performance.now() + Math.max(checkpointMs, (performance.now() - began) * costFactor);
    this.#running = written
      .catch((error: unknown) => this.#log('error', `spool: checkpoint failed: ${String(error)}`))
      .finally(() => (this.#running = undefined));
    return this.#running;
  }
}

function countFrames(totals: TallyTotals): number {
  return Object.values(totals).reduce((sum, count) => sum + count, 0);
}
