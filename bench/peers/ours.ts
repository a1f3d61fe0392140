import { startCollector } from '../../src/collector/collector.ts';
import { nameOf } from './stream.ts';

/**
 * Our collector as a process of its own: `{socket, spoolDir, names, sources, shed, eventsPerSecond}` as JSON.
 * `eventsPerSecond` makes its clock follow the frames, so that a stream that comes faster than life is still spread
 * over time as in life. Each line on standard input is answered with its figures.
 */
const options = JSON.parse(process.argv[2]!) as {
  socket: string;
  spoolDir: string;
  names: number;
  sources: boolean;
  shed: boolean;
  eventsPerSecond?: number;
  startedAt?: number;
};
const sums = { answers: 0, corrected: 0, batches: 0 };
const correctedByName = new Map<string, number>();
const counter: { frames: () => number } = { frames: () => 0 };
const { eventsPerSecond, startedAt = 0 } = options;
const collector = await startCollector({
  edge: 'bench',
  listen: { unix: options.socket },
  store: {
    write(batch) {
      const shares = new Map(batch.buckets.map((bucket) => [bucket.at, bucket.observedShare ?? bucket.intake ?? 1]));
      for (const count of batch.counts) {
        sums.answers += count.answers;
        const corrected = count.answers / shares.get(count.at)!;
        sums.corrected += corrected;
        correctedByName.set(count.hostedVmId, (correctedByName.get(count.hostedVmId) ?? 0) + corrected);
      }
      sums.batches += 1;
      return Promise.resolve('written' as const);
    },
  },
  spoolDir: options.spoolDir,
  shed: options.shed,
  tally: { sources: options.sources },
  names: (listener) => {
    listener(
      Array.from({ length: options.names }, (_, i) => ({ hostedVmId: nameOf(i), names: [nameOf(i)], ttlSeconds: 30 })),
    );
    return () => undefined;
  },
  ...(eventsPerSecond === undefined
    ? {}
    : { clock: () => startedAt + Math.floor((counter.frames() / eventsPerSecond) * 1_000) }),
});
counter.frames = () => {
  const { shed, ...frames } = collector.stats().frames;
  return shed + Object.values(frames).reduce((sum, n) => sum + n, 0);
};
process.stdin.on('data', (line: Buffer) => {
  const ends = line.toString().startsWith('end');
  void (ends ? collector.close() : Promise.resolve()).then(() => {
    const { frames, evicted } = collector.stats();
    const memory = process.memoryUsage();
    const largest = ends ? [...correctedByName].sort(([, a], [, b]) => b - a).slice(0, 20) : [];
    process.stdout.write(`${JSON.stringify({ frames, evicted, ...sums, rss: memory.rss, memory, largest })}\n`);
  });
});
process.stdout.write('ready\n');
