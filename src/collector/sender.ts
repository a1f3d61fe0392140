import type { Socket } from 'node:net';

import { control, dnstapContentType, encodeControl, FrameReader, FrameStreamsError } from './frame-streams.ts';
import type { ControlFrame } from './frame-streams.ts';

/** A name server says READY at once. */
const handshakeMs = 10_000;
/** A frame that has begun is sent on: nobody stops in its middle for this long. */
const frameMs = 30_000;

type Phase = 'new' | 'ready' | 'started' | 'stopped';

export interface SenderEvents {
  /** One data frame of a started stream. */
  frame(bytes: Buffer, start: number, end: number): void;
  /** A chunk has been read, so many milliseconds were spent on it. */
  chunkDone(ms: number, bytes: number): void;
  started(): void;
  /** The sender said STOP. FINISH is answered when this resolves: what was received is safe then. */
  stopping(): Promise<void>;
  /** @param problem why the stream was given up; undefined when it ended in order or the connection broke */
  closed(problem: FrameStreamsError | undefined, orderly: boolean): void;
}

/**
 * One connection of a name server, by the letter of Frame Streams: READY, ACCEPT, START, data, STOP, FINISH, or
 * one-directional START, data, STOP. Whoever deviates is disconnected and the deviation has a name.
 */
export class Sender {
  readonly #socket: Socket;
  readonly #events: SenderEvents;
  readonly #reader: FrameReader;
  readonly #clock: () => number;
  #phase: Phase = 'new';
  #bidirectional = false;
  #closed = false;
  #orderly = false;
  #deadline: number;

  constructor(socket: Socket, events: SenderEvents, monotonicMs: () => number) {
    this.#socket = socket;
    this.#events = events;
    this.#clock = monotonicMs;
    this.#deadline = monotonicMs() + handshakeMs;
    this.#reader = new FrameReader({
      data: (bytes, start, end) => {
        if (this.#phase !== 'started') throw new FrameStreamsError('data-before-start', 'a data frame before START');
        events.frame(bytes, start, end);
      },
      control: (frame) => this.#control(frame),
    });
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.#ended(undefined));
    // The other side closed without STOP: nothing more comes.
    socket.on('end', () => socket.end());
  }

  get isStarted(): boolean {
    return this.#phase === 'started';
  }

  #take(chunk: Buffer): void {
    if (this.#closed) return;
    const began = this.#clock();
    try {
      this.#reader.push(chunk);
      const now = this.#clock();
      if (this.#phase === 'started' || this.#phase === 'stopped') {
        if (this.#reader.pendingBytes === 0) this.#deadline = Infinity;
        else if (this.#deadline === Infinity || chunk.length > this.#reader.pendingBytes)
          this.#deadline = now + frameMs;
      }
      this.#events.chunkDone(now - began, chunk.length);
    } catch (error) {
      if (!(error instanceof FrameStreamsError)) throw error;
      this.close(error);
    }
  }

  /** Disconnects a sender that is too slow. */
  checkPace(now: number): void {
    if (now < this.#deadline) return;
    const what = this.#phase === 'started' ? 'in the middle of a frame' : 'in the handshake';
    this.close(new FrameStreamsError('stalled', `nothing more came ${what}`));
  }

  close(problem?: FrameStreamsError): void {
    this.#ended(problem);
    this.#socket.destroy();
  }

  #ended(problem: FrameStreamsError | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events.closed(problem, this.#orderly);
  }

  #control({ type, contentTypes }: ControlFrame): void {
    if (type === control.ready && this.#phase === 'new') {
      requireDnstap(contentTypes);
      this.#bidirectional = true;
      this.#phase = 'ready';
      this.#socket.write(encodeControl(control.accept, [dnstapContentType]));
    } else if (type === control.start && (this.#phase === 'ready' || this.#phase === 'new')) {
      requireDnstap(contentTypes);
      this.#phase = 'started';
      this.#deadline = Infinity;
      this.#events.started();
    } else if (type === control.stop && this.#phase === 'started') {
      this.#phase = 'stopped';
      this.#orderly = true;
      void this.#finish();
    } else {
      throw new FrameStreamsError('control-unexpected', `control frame of type ${type} while ${this.#phase}`);
    }
  }

  async #finish(): Promise<void> {
    await this.#events.stopping().catch(() => undefined);
    if (this.#closed) return;
    if (this.#bidirectional) this.#socket.write(encodeControl(control.finish));
    this.#socket.end();
  }
}

function requireDnstap(contentTypes: readonly string[]): void {
  // A stream that names no type may carry anything; the scanner finds out.
  if (contentTypes.length === 0 || contentTypes.includes(dnstapContentType)) return;
  throw new FrameStreamsError(
    'content-type',
    `a stream of ${contentTypes.join(', ')}; ${dnstapContentType} is read here`,
  );
}
