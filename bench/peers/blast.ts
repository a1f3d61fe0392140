import { once } from 'node:events';
import { connect } from 'node:net';

import { control, dnstapContentType, encodeControl, FrameReader } from '../../src/collector/frame-streams.ts';
import { stamp } from './stream.ts';
import type { Stream } from './stream.ts';

const piece = 2_000;

export type BlastOptions = {
  readonly socket: string;
  readonly stream: Stream;
  readonly frames: number;
  /** The time written into frame `i`. */
  readonly timeOf: (i: number) => number;
  /** At most so many a second; as fast as the other side takes them when left out. */
  readonly perSecond?: number;
};

/** A raw sender: the stream again and again through the handshake, until so many frames are sent. @returns seconds */
export async function blast({ socket: path, stream, frames, timeOf, perSecond }: BlastOptions): Promise<number> {
  const socket = connect(path);
  await once(socket, 'connect');
  const heard = new Set<number>();
  const waiting: (() => void)[] = [];
  const tell = (): void => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  const reader = new FrameReader({ data: () => undefined, control: ({ type }) => void heard.add(type) });
  socket.on('data', (chunk: Buffer) => {
    reader.push(chunk);
    tell();
  });
  socket.on('close', tell);
  socket.on('error', tell);
  const hears = async (type: number): Promise<void> => {
    while (!heard.has(type) && !socket.destroyed) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  socket.write(encodeControl(control.ready, [dnstapContentType]));
  await hears(control.accept);
  socket.write(encodeControl(control.start, [dnstapContentType]));
  const began = performance.now();
  const live = timeOf === Date.now;
  const stamped = new Map<number, number>();
  for (let sent = 0; sent < frames;) {
    const from = sent % stream.frames;
    const count = Math.min(piece, stream.frames - from, frames - sent);
    const at = timeOf(sent);
    // Live times change once a second; a sender that writes them more often would be the slower side.
    const stampAt = live ? Math.floor(at / 1_000) * 1_000 : at;
    if (stamped.get(from) !== stampAt) stamp(stream, from, from + count, stampAt);
    stamped.set(from, stampAt);
    // Drained means handed to the kernel: the bytes may be stamped again after it.
    if (!socket.write(stream.bytes.subarray(stream.starts[from], stream.starts[from + count])))
      await once(socket, 'drain');
    sent += count;
    const due = perSecond === undefined ? 0 : began + (sent / perSecond) * 1_000 - performance.now();
    if (due > 1) await new Promise((resolve) => setTimeout(resolve, due));
  }
  const seconds = (performance.now() - began) / 1_000;
  socket.write(encodeControl(control.stop));
  await hears(control.finish);
  socket.destroy();
  return seconds;
}
