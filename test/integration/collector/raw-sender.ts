import { once } from 'node:events';
import { connect } from 'node:net';
import type { NetConnectOpts, Socket } from 'node:net';

import {
  control,
  dnstapContentType,
  encodeControl,
  encodeData,
  FrameReader,
} from '../../../src/collector/frame-streams.ts';

/** A name server's side of Frame Streams, step by step. */
export class RawSender {
  readonly socket: Socket;
  readonly heard: number[] = [];
  #waiting: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    const reader = new FrameReader({ data: () => undefined, control: ({ type }) => void this.heard.push(type) });
    socket.on('data', (chunk: Buffer) => {
      reader.push(chunk);
      this.#tell();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.#tell());
  }

  static async connect(to: NetConnectOpts): Promise<RawSender> {
    const socket = connect(to);
    await once(socket, 'connect');
    return new RawSender(socket);
  }

  /** Connects, shakes hands and starts. */
  static async started(to: NetConnectOpts): Promise<RawSender> {
    const sender = await RawSender.connect(to);
    await sender.start();
    return sender;
  }

  static of(socket: Socket): RawSender {
    return new RawSender(socket);
  }

  async start(): Promise<void> {
    this.socket.write(encodeControl(control.ready, [dnstapContentType]));
    if (!(await this.hears(control.accept))) throw new Error('no ACCEPT');
    this.socket.write(encodeControl(control.start, [dnstapContentType]));
  }

  send(frame: Uint8Array): void {
    this.socket.write(encodeData(frame));
  }

  /** @returns whether the other side said FINISH */
  async stop(): Promise<boolean> {
    this.socket.write(encodeControl(control.stop));
    const finished = await this.hears(control.finish);
    this.socket.destroy();
    return finished;
  }

  /** Waits for a control frame. @returns false when the connection ended without it */
  async hears(type: number): Promise<boolean> {
    while (!this.heard.includes(type)) {
      if (this.socket.destroyed) return false;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return true;
  }

  async closed(): Promise<void> {
    while (!this.socket.destroyed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
