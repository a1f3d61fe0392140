import { readFileSync } from 'node:fs';

import { DnstapScanner } from '../../src/collector/dnstap.ts';
import { encodeData, FrameReader } from '../../src/collector/frame-streams.ts';

/** Frames as they lie on the wire, with the places where their time is written. */
export type Stream = {
  readonly bytes: Buffer;
  readonly frames: number;
  /** Where each frame begins in `bytes`; one more for the end. */
  readonly starts: Uint32Array;
  readonly secondsAt: Uint32Array;
  readonly nanosecondsAt: Uint32Array;
  /** How many frames are about each name, where that is known. */
  readonly perName?: Uint32Array;
};

/** The data frames of a recording, without its control frames. */
export function recordedStream(file: string): Stream {
  const frames: Buffer[] = [];
  const reader = new FrameReader({
    data: (bytes, start, end) => void frames.push(Buffer.from(bytes.subarray(start, end))),
    control: () => undefined,
  });
  reader.push(readFileSync(file));
  return streamOf(frames);
}

/** A seeded stream: `sources` clients and `names` names, both Zipf, answers of an authoritative server. */
export function generatedStream(count: number, sources: number, names: number, seed: number): Stream {
  const random = generator(seed);
  const pickName = zipf(names, random);
  const pickSource = zipf(sources, random);
  const perName = new Uint32Array(names);
  const frames = Array.from({ length: count }, () => {
    const name = pickName();
    perName[name]! += 1;
    return responseFrame(name, pickSource(), random());
  });
  return { ...streamOf(frames), perName };
}

export const nameOf = (i: number): string => `vm-${String(i).padStart(5, '0')}.vm.example`;

/** Writes one time into the frames `from..to`. */
export function stamp(stream: Stream, from: number, to: number, atMs: number): void {
  const seconds = Math.floor(atMs / 1_000);
  const nanoseconds = Math.floor(atMs % 1_000) * 1_000_000;
  const { bytes, secondsAt, nanosecondsAt } = stream;
  for (let i = from; i < to; i += 1) {
    const at = secondsAt[i]!;
    if (at === 0) continue;
    let rest = seconds;
    for (let k = 0; k < 5; k += 1) {
      bytes[at + k] = (rest % 128) + (k < 4 ? 128 : 0);
      rest = Math.floor(rest / 128);
    }
    bytes.writeUInt32LE(nanoseconds, nanosecondsAt[i]);
  }
}

function streamOf(frames: readonly Buffer[]): Stream {
  const bytes = Buffer.concat(frames.map((frame) => encodeData(frame)));
  const starts = new Uint32Array(frames.length + 1);
  const secondsAt = new Uint32Array(frames.length);
  const nanosecondsAt = new Uint32Array(frames.length);
  const scanner = new DnstapScanner();
  let at = 0;
  frames.forEach((frame, i) => {
    starts[i] = at;
    scanner.scan(bytes, at + 4, at + 4 + frame.length);
    const isResponse = scanner.responseSecondsAt > 0;
    secondsAt[i] = isResponse ? scanner.responseSecondsAt : scanner.querySecondsAt;
    nanosecondsAt[i] = isResponse ? scanner.responseNanosecondsAt : scanner.queryNanosecondsAt;
    at += 4 + frame.length;
    starts[i + 1] = at;
  });
  return { bytes, frames: frames.length, starts, secondsAt, nanosecondsAt };
}

/** A frame as Knot writes it, made by hand: a benchmark of ours should not need a protobuf library to begin. */
function responseFrame(name: number, source: number, dice: number): Buffer {
  const labels = nameOf(name).split('.');
  const qname = Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);
  const type = dice < 0.15 ? 28 : 1;
  const record = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 30, 0, type === 28 ? 16 : 4]);
  const address = Buffer.alloc(type === 28 ? 16 : 4, 10);
  const header = Buffer.from([0, 1, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
  const dns = Buffer.concat([header, qname, Buffer.from([0, type, 0, 1]), record, address]);
  const client = Buffer.from([20 + (source >> 16), (source >> 8) & 255, source & 255, 53]);
  const message = Buffer.concat([
    Buffer.from([0x08, 2, 0x10, 1, 0x18, 1, 0x22, 4]),
    client,
    Buffer.from([0x2a, 4, 127, 0, 0, 1, 0x30, 0xb5, 0x87, 3, 0x38, 53]),
    Buffer.from([0x60, 0x80, 0x80, 0x80, 0x80, 0x01, 0x6d, 0, 0, 0, 0, 0x72, dns.length]),
    dns,
  ]);
  const identity = Buffer.from('edge-bench-1');
  const length = message.length < 128 ? [message.length] : [(message.length & 127) | 128, message.length >> 7];
  return Buffer.concat([
    Buffer.from([0x0a, identity.length]),
    identity,
    Buffer.from([0x72, ...length]),
    message,
    Buffer.from([0x78, 1]),
  ]);
}

/** Draws from 0..n-1 with probability as 1/(rank + 1). */
function zipf(n: number, random: () => number): () => number {
  const cumulated = new Float64Array(n);
  let sum = 0;
  for (let i = 0; i < n; i += 1) {
    sum += 1 / (i + 1);
    cumulated[i] = sum;
  }
  return () => {
    const wanted = random() * sum;
    let low = 0;
    let high = n - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulated[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** Seeded uniform numbers (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
