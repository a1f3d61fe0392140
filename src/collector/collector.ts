import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';

import { startLoop } from '../background/loop.ts';
import type { EpochMs } from '../domain/time.ts';
import type { DemandStore } from '../ports/demand-store.ts';
import { Attendance } from './attendance.ts';
import { BindStatistics } from './bind-statistics.ts';
import { BucketTurns } from './bucket-turns.ts';
import { BucketWriter } from './bucket-writer.ts';
import { Checkpoints } from './checkpoints.ts';
import { metricsOf } from './collector-metrics.ts';
import { Delivery } from './delivery.ts';
import { Intake } from './intake.ts';
import { followNames } from './kept-names.ts';
import { keepSources, recallSources } from './kept-sources.ts';
import { listen } from './listeners.ts';
import type { Addresses, Listen } from './listeners.ts';
import type { CollectorLog } from './log.ts';
import type { NameSource } from './names.ts';
import { Overload } from './overload.ts';
import { Spool } from './spool.ts';
import { defaultTallyOptions, Tally } from './tally.ts';
import type { TallyOptions, TallyTotals } from './tally.ts';

/** How often the collector looks at the clock: the finest step of everything it does by time. */
const tickMs = 200;
const keepSourcesMs = 300_000;
const defaultMaxSenders = 256;
const defaultSpoolBytes = 256 * 1024 * 1024;
/** A stop waits this long for the store; what is left is in the spool. */
const drainTimeoutMs = 1_500;

export type CollectorOptions = {
  /** Name of this site; the store sums over edges. */
  readonly edge: string;
  readonly listen: Listen;
  readonly store: Pick<DemandStore, 'write'>;
  /** Folder of this collector alone: batches the store has not taken, the last names, the known sources. */
  readonly spoolDir: string;
  readonly names: NameSource;
  readonly clock?: () => EpochMs;
  readonly log?: CollectorLog;
  /** BIND statistics channels, `http://127.0.0.1:8053`, one for each server that sends here. Drops are corrected by them. */
  readonly statistics?: string | readonly string[];
  readonly maxSenders?: number;
  readonly maxSpoolBytes?: number;
  /** False: an overloaded collector slows its senders down instead of sampling. True unless told. */
  readonly shed?: boolean;
  readonly tally?: Partial<Omit<TallyOptions, 'seed'>>;
};

/** Figures of one collector, for metrics, the dashboard and tests. */
export type CollectorStats = {
  readonly frames: Readonly<TallyTotals & { shed: number }>;
  readonly bytes: number;
  readonly streamErrors: Readonly<Record<string, number>>;
  readonly connections: Readonly<Record<'accepted' | 'refused', number>>;
  readonly batches: Readonly<Record<'written' | 'repeated', number>>;
  /** Streams under way. */
  readonly senders: number;
  readonly lagMs: number;
  readonly observedShare: number | null;
  readonly kept: number;
  readonly names: number;
  readonly spool: {
    readonly files: number;
    readonly bytes: number;
    readonly oldestAt: EpochMs | undefined;
    readonly condensed: number;
    readonly dropped: number;
  };
  readonly storeFailing: boolean;
  readonly lastBucketAt: EpochMs | undefined;
  readonly evicted: number;
};

export type Collector = {
  /** Where it listens, with the ports the system chose. */
  readonly addresses: Addresses;
  /** Prometheus' text format. */
  metrics(): Promise<string>;
  stats(): CollectorStats;
  /** Looks at the TLS certificates now; by itself it looks every two seconds. */
  reloadCertificates(): Promise<boolean>;
  /** Feeds frames without a socket: a recording. */
  feed(bytes: Buffer, start: number, end: number): void;
  /** Ends the connections, writes what is open and waits a little for the store. Nothing is lost. */
  close(): Promise<void>;
};

/**
 * Receives dnstap, counts answers per hosted VM and 10 s bucket of event time, and writes them to the store.
 * @throws Error that names the listener or folder that cannot be used
 */
export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const { edge, spoolDir, clock = Date.now, log = () => undefined } = options;
  await mkdir(spoolDir, { recursive: true, mode: 0o700 });
  const startedAt = clock();
  const maxBytes = options.maxSpoolBytes ?? defaultSpoolBytes;
  const spool = await Spool.open({ dir: spoolDir, edge, maxBytes, now: startedAt, log });
  const recalled = await recallSources(spoolDir);
  const seed = recalled?.seed ?? randomBytes(4).readInt32LE();
  const tally = new Tally({ ...defaultTallyOptions, ...options.tally, seed }, startedAt, () => spool.nextSeq());
  if (recalled !== undefined) tally.sightings.restore(recalled.keys);
  const overload = new Overload(options.shed ?? true, randomBytes(4).readInt32LE());
  const attendance = new Attendance();
  const statistics = new BindStatistics([options.statistics ?? []].flat(), log);
  const delivery = new Delivery(spool, options.store, log);
  const buckets = new BucketWriter({ edge, startedAt, clock, attendance, statistics, spool, delivery, log });
  const checkpoints = new Checkpoints(tally, buckets, spool, log);
  const settle = (): Promise<void> => checkpoints.settle();
  const maxSenders = options.maxSenders ?? defaultMaxSenders;
  const intake = new Intake({ maxSenders, clock, tally, overload, attendance, settle, log });
  const unsubscribe = await followNames(options.names, spoolDir, (vms) => {
    tally.register(vms);
    for (const complaint of tally.names.complaints) log('warn', `names: ${complaint}`);
  });

  const turns = new BucketTurns({ clock, tally, buckets, statistics });
  tally.openNow();
  await statistics.look(turns.previousAt);
  const listeners = await listen(options.listen, (socket, peer) => intake.accept(socket, peer), log).catch(
    async (error: unknown) => {
      unsubscribe();
      await delivery.stop();
      throw error;
    },
  );
  const failed = (error: unknown): void => log('error', `collector: ${String(error)}`);
  const ticks = startLoop({
    everyMs: tickMs,
    firstAfterMs: tickMs,
    round: () => {
      overload.judge();
      turns.turn();
      intake.checkPace();
      checkpoints.writeWhenDue();
    },
    failed,
  });
  const keep = (): Promise<void> => keepSources(spoolDir, seed, tally.sightings.established());
  const keeping = startLoop({ everyMs: keepSourcesMs, firstAfterMs: keepSourcesMs, round: keep, failed });

  const stats = (): CollectorStats => ({
    frames: { ...tally.totals, shed: intake.shed },
    bytes: intake.bytes,
    streamErrors: { ...intake.streamErrors },
    connections: { ...intake.connections },
    batches: { written: delivery.written, repeated: delivery.repeated },
    senders: intake.started,
    lagMs: intake.lagMs,
    observedShare: buckets.observedShare,
    kept: overload.kept,
    names: tally.names.size,
    spool: { ...spool.size, condensed: spool.condensed, dropped: spool.dropped },
    storeFailing: delivery.failing !== undefined,
    lastBucketAt: buckets.lastBucketAt,
    evicted: tally.sightings.evicted,
  });

  return {
    addresses: listeners.addresses,
    metrics: metricsOf(edge, stats),
    stats,
    reloadCertificates: () => listeners.reloadCertificates(),
    feed(bytes, start, end) {
      tally.advance(clock());
      tally.frame(bytes, start, end);
    },
    async close() {
      await Promise.all([ticks.stop(), keeping.stop()]);
      unsubscribe();
      const closing = listeners.close();
      intake.close();
      await closing;
      await turns.finish();
      await keep();
      const deadline = performance.now() + drainTimeoutMs;
      while (spool.size.files > 0 && delivery.failing === undefined && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await delivery.stop();
    },
  };
}
