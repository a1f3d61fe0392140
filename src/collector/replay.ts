import { open } from 'node:fs/promises';

import type { EpochMs } from '../domain/time.ts';
import { DnstapScanner } from './dnstap.ts';
import { FrameReader } from './frame-streams.ts';

/** Read at once from the file. */
const chunkBytes = 64 * 1024;

export type ReplayOptions = {
  /** A recorded stream as `fstrm_capture`, BIND or Knot write it. */
  readonly file: string;
  /** 1 is as it was recorded, 10 ten times as fast, Infinity as fast as it can be read. */
  readonly speed: number;
  /** `now` moves the recording to the present, `recorded` leaves its times: take the collector's clock from here then. */
  readonly times: 'now' | 'recorded';
  readonly wallClock?: () => EpochMs;
  readonly signal?: AbortSignal;
};

export type Replay = {
  /** The time the recording has reached. */
  readonly clock: () => EpochMs;
  /** Feeds the recording. @returns how many frames it had */
  run(feed: (bytes: Buffer, start: number, end: number) => void): Promise<number>;
};

/**
 * Prepares a recording for `startCollector`: `const replay = await openReplay(...)`, its `clock` as the collector's
 * when the times are the recorded ones, then `replay.run((bytes, start, end) => collector.feed(bytes, start, end))`.
 * @throws Error that names the file when it is not a dnstap recording
 */
export async function openReplay(options: ReplayOptions): Promise<Replay> {
  const wall = options.wallClock ?? Date.now;
  const first = await firstEventOf(options.file);
  const begun = wall();
  const state = { reached: first };
  const moving = options.times === 'recorded';
  return {
    clock: moving ? () => Math.floor(state.reached) : wall,
    async run(feed) {
      const scanner = new DnstapScanner();
      let frames = 0;
      for await (const frame of framesIn(options.file)) {
        if (options.signal?.aborted === true) break;
        const at = eventOf(scanner, frame) ?? state.reached;
        const due = begun + (at - first) / options.speed;
        const wait = due - wall();
        // Frames of less than a timer's precision go together.
        if (wait > 5) await pause(wait, options.signal);
        if (at > state.reached) state.reached = at;
        if (!moving) moveTo(scanner, frame, Number.isFinite(options.speed) ? due : wall());
        feed(frame, 0, frame.length);
        frames += 1;
        // A collector closes its buckets between our frames.
        if (frames % 20_000 === 0) await pause(0, options.signal);
      }
      return frames;
    },
  };
}

async function firstEventOf(file: string): Promise<EpochMs> {
  const scanner = new DnstapScanner();
  for await (const frame of framesIn(file)) {
    const at = eventOf(scanner, frame);
    if (at !== undefined) return at;
  }
  throw new Error(`${file} holds no dnstap frame with a time`);
}

function eventOf(scanner: DnstapScanner, frame: Buffer): EpochMs | undefined {
  if (!scanner.scan(frame, 0, frame.length)) return undefined;
  const { responseSeconds, querySeconds } = scanner;
  if (responseSeconds > 0) return responseSeconds * 1_000 + scanner.responseNanoseconds / 1e6;
  return querySeconds > 0 ? querySeconds * 1_000 + scanner.queryNanoseconds / 1e6 : undefined;
}

/** Writes another time over the recorded ones, in place: seconds of our century have five bytes each way. */
function moveTo(scanner: DnstapScanner, frame: Buffer, at: EpochMs): void {
  const seconds = Math.floor(at / 1_000);
  const nanoseconds = Math.floor((at % 1_000) * 1e6);
  for (const offset of [scanner.querySecondsAt, scanner.responseSecondsAt]) {
    if (offset > 0) writeVarint5(frame, offset, seconds);
  }
  for (const offset of [scanner.queryNanosecondsAt, scanner.responseNanosecondsAt]) {
    if (offset > 0) frame.writeUInt32LE(nanoseconds, offset);
  }
}

function writeVarint5(frame: Buffer, at: number, value: number): void {
  for (let i = 0; i < 5; i += 1) {
    frame[at + i] = (value % 128) + (i < 4 ? 128 : 0);
    value = Math.floor(value / 128);
  }
}

async function* framesIn(file: string): AsyncGenerator<Buffer> {
  const handle = await open(file, 'r');
  try {
    let frames: Buffer[] = [];
    const reader = new FrameReader({
      data: (bytes, start, end) => void frames.push(Buffer.from(bytes.subarray(start, end))),
      control: () => undefined,
    });
    for (;;) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(chunkBytes), 0, chunkBytes);
      if (bytesRead === 0) return;
      frames = [];
      try {
        reader.push(buffer.subarray(0, bytesRead));
      } catch (error) {
        throw new Error(`${file} is not a Frame Streams recording: ${(error as Error).message}`, { cause: error });
      }
      yield* frames;
    }
  } finally {
    await handle.close();
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
