import { bucketMs } from '../domain/demand.ts';
import type { EpochMs } from '../domain/time.ts';
import type { Attendance } from './attendance.ts';
import type { BindStatistics } from './bind-statistics.ts';
import type { Delivery } from './delivery.ts';
import type { CollectorLog } from './log.ts';
import type { LazyBatch, Spool } from './spool.ts';
import type { ClosedBucket } from './tally.ts';

export type BucketWriterDeps = {
  readonly edge: string;
  readonly startedAt: EpochMs;
  readonly clock: () => EpochMs;
  readonly attendance: Attendance;
  readonly statistics: BindStatistics;
  readonly spool: Spool;
  readonly delivery: Delivery;
  readonly log: CollectorLog;
};

/** Says of each bucket how much of the stream it saw, and hands it to the spool. */
export class BucketWriter {
  readonly #deps: BucketWriterDeps;
  /** Of the last bucket; null where nobody knows it. */
  observedShare: number | null = null;
  lastBucketAt: EpochMs | undefined;

  constructor(deps: BucketWriterDeps) {
    this.#deps = deps;
  }

  /** Spools closed buckets and wakes their delivery. A bucket that cannot be spooled is lost, and the log says so. */
  async write(closed: readonly ClosedBucket[]): Promise<void> {
    const { spool, delivery, log } = this.#deps;
    await Promise.all(
      closed.map(async (bucket) => {
        const batch = this.batchOf(bucket, true);
        this.observedShare = batch.buckets[0]!.observedShare;
        this.lastBucketAt = bucket.at;
        await spool.put(batch).catch((error: unknown) => {
          log('error', `spool: bucket of ${new Date(bucket.at).toISOString()} is lost: ${String(error)}`);
        });
        delivery.wake();
      }),
    );
  }

  /** @param final it has ended; else it is as far as it has come */
  batchOf(bucket: ClosedBucket, final: boolean): LazyBatch {
    const { edge, startedAt, clock, attendance, statistics, spool } = this.#deps;
    const now = clock();
    const attended = final
      ? attendance.take(bucket.at, now)
      : { senders: attendance.connected, intake: Math.min(1, (now - bucket.at) / bucketMs) };
    const read = bucket.frames + bucket.undecodable;
    const kept = bucket.shed === 0 ? 1 : read / (read + bucket.shed);
    // After a crash the rest of the bucket is ours; the earlier part was told by the checkpoint.
    const resumed =
      spool.crashed && bucket.at < startedAt ? Math.max(0, (bucket.at + bucketMs - startedAt) / bucketMs) : 1;
    const drops = final ? statistics.shareOf(bucket.at) : { share: null, dropped: 0 };
    const covered = statistics.servers >= attended.senders;
    return {
      edge,
      epoch: spool.epoch,
      seq: bucket.seq,
      buckets: [
        {
          edge,
          at: bucket.at,
          // The server's own count of what it dropped covers the time it was disconnected.
          observedShare: drops.share === null || !covered ? null : drops.share * kept * resumed,
          intake: attended.intake * kept * resumed,
          senders: bucket.frames > 0 ? Math.max(1, attended.senders) : attended.senders,
          frames: bucket.frames,
          dropped: drops.dropped,
          shed: bucket.shed,
          late: bucket.late,
          undecodable: bucket.undecodable,
          unknownNames: bucket.unknownNames,
        },
      ],
      counts: bucket.counts,
    };
  }
}
