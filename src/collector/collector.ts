import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

import { bucketMs } from '../domain/demand.ts';
import type { EpochMs } from '../domain/time.ts';
import type { DemandStore } from '../ports/demand-store.ts';
import { Attendance } from './attendance.ts';
import { BindStatistics } from './bind-statistics.ts';
import { metricsOf } from './collector-metrics.ts';
import { Delivery } from './delivery.ts';
import type { FrameStreamsError } from './frame-streams.ts';
import { keepNames, recallNames } from './kept-names.ts';
import { keepSources, recallSources } from './kept-sources.ts';
import { listen } from './listeners.ts';
import type { Addresses, Listen } from './listeners.ts';
import type { CollectorLog } from './log.ts';
import type { NameSource, RegisteredName } from './names.ts';
import { Overload } from './overload.ts';
import { Sender } from './sender.ts';
import { Spool } from './spool.ts';
import type { LazyBatch } from './spool.ts';
import { defaultTallyOptions, Tally } from './tally.ts';
import type { ClosedBucket, TallyOptions, TallyTotals } from './tally.ts';

/** How often the collector looks at the clock: the finest step of everything it does by time. */
const tickMs = 200;
/** What a kill may lose. Less often when a checkpoint is expensive: it may take a fiftieth of the time. */
const checkpointMs = 1_000;
const checkpointCostFactor = 50;
const keepSourcesMs = 300_000;
const defaultMaxSenders = 256;
const defaultSpoolBytes = 256 * 1024 * 1024;
/** A stop waits this long for the store; what is left is in the spool. */
const farewellMs = 1_500;

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
  const clock = options.clock ?? Date.now;
  const log = options.log ?? (() => undefined);
  const { edge, spoolDir } = options;
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
  const urls = options.statistics === undefined ? [] : [options.statistics].flat();
  const statistics = new BindStatistics(urls, log);
  const delivery = new Delivery(spool, options.store, log);
  const senders = new Set<Sender>();
  const figures = {
    bytes: 0,
    shed: 0,
    lagMs: 0,
    refused: 0,
    accepted: 0,
    observedShare: null as number | null,
    lastBucketAt: undefined as EpochMs | undefined,
    streamErrors: {} as Record<string, number>,
    framesAtCheckpoint: 0,
  };

  const known = { fromSource: false };
  const register = (vms: readonly RegisteredName[]): void => {
    tally.register(vms);
    for (const complaint of tally.names.complaints) log('warn', `names: ${complaint}`);
  };
  const unsubscribe = options.names((vms) => {
    known.fromSource = true;
    register(vms);
    void keepNames(spoolDir, vms);
  });
  // Until the source has answered (the store may be away) the names of the last run are counted.
  const lastNames = known.fromSource ? undefined : await recallNames(spoolDir);
  if (lastNames !== undefined && !known.fromSource) register(lastNames);

  const toBatch = (bucket: ClosedBucket, final: boolean): LazyBatch => {
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
  };

  const write = (closed: readonly ClosedBucket[]): Promise<unknown> =>
    Promise.all(
      closed.map(async (bucket) => {
        const batch = toBatch(bucket, true);
        figures.observedShare = batch.buckets[0]!.observedShare;
        figures.lastBucketAt = bucket.at;
        await spool.put(batch).catch((error: unknown) => {
          log('error', `spool: bucket of ${new Date(bucket.at).toISOString()} is lost: ${String(error)}`);
        });
        delivery.wake();
      }),
    );

  const checkpoints = { due: 0, running: undefined as Promise<void> | undefined };
  const checkpoint = (): Promise<void> => {
    const began = performance.now();
    figures.framesAtCheckpoint = countFrames(tally.totals);
    const written = spool.checkpoint(tally.peek().map((bucket) => toBatch(bucket, false)));
    checkpoints.due = performance.now() + Math.max(checkpointMs, (performance.now() - began) * checkpointCostFactor);
    checkpoints.running = written
      .catch((error: unknown) => log('error', `spool: checkpoint failed: ${String(error)}`))
      .finally(() => (checkpoints.running = undefined));
    return checkpoints.running;
  };
  /** Ends of streams share checkpoints: a sender that says STOP again and again costs no more than one that does not. */
  const settle = async (): Promise<void> => {
    await checkpoints.running;
    const wait = Math.min(checkpointMs, checkpoints.due - checkpointMs + tickMs / 2 - performance.now());
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    await (checkpoints.running ?? checkpoint());
  };

  const moment = {
    bucket: Math.floor(startedAt / bucketMs),
    keepSourcesAt: performance.now() + keepSourcesMs,
    lookedAt: -1,
  };
  const tick = (): void => {
    const now = clock();
    const bucket = Math.floor(now / bucketMs);
    overload.judge();
    // The counters are read as the bucket ends, not up to a tick later.
    const endsIn = (bucket + 1) * bucketMs - now;
    if (statistics.servers > 0 && endsIn <= tickMs && moment.lookedAt !== bucket) {
      moment.lookedAt = bucket;
      setTimeout(() => void statistics.look(bucket * bucketMs), endsIn);
    }
    moment.bucket = bucket;
    const closed = tally.close(now);
    // Silence is told too: each bucket exists whether or not a frame came.
    tally.openNow();
    if (closed.length > 0) void write(closed);
    const monotonic = performance.now();
    for (const sender of senders) sender.checkPace(monotonic);
    if (monotonic > checkpoints.due && countFrames(tally.totals) !== figures.framesAtCheckpoint) void checkpoint();
    if (monotonic > moment.keepSourcesAt) {
      moment.keepSourcesAt = monotonic + keepSourcesMs;
      void keepSources(spoolDir, seed, tally.sightings.established());
    }
  };

  const onSocket = (socket: Socket, peer: string): void => {
    if (senders.size >= (options.maxSenders ?? defaultMaxSenders)) {
      figures.refused += 1;
      socket.destroy();
      return;
    }
    figures.accepted += 1;
    const identity = { key: '', frames: 0, told: false };
    const sender = new Sender(
      socket,
      {
        frame(bytes, start, end) {
          identity.frames += 1;
          if (!identity.told) introduce(identity, peer, bytes, start, end);
          if (overload.setAside()) {
            figures.shed += 1;
            tally.shed();
          } else tally.frame(bytes, start, end);
        },
        chunkDone(ms, bytes) {
          const now = clock();
          tally.advance(now);
          figures.bytes += bytes;
          if (identity.frames > 0) {
            const { responseSeconds, responseNanoseconds } = tally.scanner;
            if (responseSeconds > 0) figures.lagMs = now - responseSeconds * 1_000 - responseNanoseconds / 1e6;
            attendance.count(identity.key, identity.frames);
            identity.frames = 0;
          }
          overload.spent(ms);
        },
        started() {
          identity.key = peer;
          attendance.arrive(peer, clock());
          log('info', `a name server sends dnstap by ${peer.split(' ')[0] ?? ''}`);
        },
        stopping: settle,
        closed(problem, orderly) {
          senders.delete(sender);
          if (identity.key !== '') attendance.leave(identity.key, clock(), orderly);
          if (problem !== undefined) noteProblem(problem, peer);
        },
      },
      () => performance.now(),
    );
    senders.add(sender);
  };
  /** Servers behind one address are told apart by the identity they are configured with. */
  const introduce = (
    who: { key: string; told: boolean },
    peer: string,
    bytes: Buffer,
    start: number,
    end: number,
  ): void => {
    who.told = true;
    const { scanner } = tally;
    if (!scanner.scan(bytes, start, end) || scanner.identityEnd === 0) return;
    const key = `${peer} ${bytes.toString('latin1', scanner.identityStart, Math.min(scanner.identityEnd, scanner.identityStart + 64))}`;
    attendance.rename(who.key, key);
    who.key = key;
  };
  const noteProblem = (problem: FrameStreamsError, peer: string): void => {
    figures.streamErrors[problem.code] = (figures.streamErrors[problem.code] ?? 0) + 1;
    log('warn', `a dnstap stream by ${peer.split(' ')[0] ?? ''} was given up: ${problem.message}`, {
      code: problem.code,
    });
  };

  tally.openNow();
  if (statistics.servers > 0) await statistics.look((moment.bucket - 1) * bucketMs);
  const listeners = await listen(options.listen, onSocket, log).catch(async (error: unknown) => {
    unsubscribe();
    await delivery.stop();
    throw error;
  });
  const timer = setInterval(tick, tickMs);

  const stats = (): CollectorStats => ({
    frames: { ...tally.totals, shed: figures.shed },
    bytes: figures.bytes,
    streamErrors: { ...figures.streamErrors },
    connections: { accepted: figures.accepted, refused: figures.refused },
    batches: { written: delivery.written, repeated: delivery.repeated },
    senders: [...senders].filter((sender) => sender.isStarted).length,
    lagMs: figures.lagMs,
    observedShare: figures.observedShare,
    kept: overload.kept,
    names: tally.names.size,
    spool: { ...spool.size, condensed: spool.condensed, dropped: spool.dropped },
    storeFailing: delivery.failing !== undefined,
    lastBucketAt: figures.lastBucketAt,
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
      clearInterval(timer);
      unsubscribe();
      const closing = listeners.close();
      for (const sender of senders) sender.close();
      await closing;
      if (statistics.servers > 0) await statistics.look(moment.bucket * bucketMs);
      await write([...tally.close(clock()), ...tally.closeAll()]);
      await keepSources(spoolDir, seed, tally.sightings.established());
      const deadline = performance.now() + farewellMs;
      while (spool.size.files > 0 && delivery.failing === undefined && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await delivery.stop();
    },
  };
}

function countFrames(totals: TallyTotals): number {
  return Object.values(totals).reduce((sum, count) => sum + count, 0);
}
