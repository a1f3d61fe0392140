/**
 * Frame Streams, the transport of dnstap: length-prefixed data frames between control frames.
 * Source: https://farsightsec.github.io/fstrm/ ("Frame Streams protocol").
 */

export const dnstapContentType = 'protobuf:dnstap.Dnstap';

/** Longer control frames are refused: the protocol's own limit. */
const maxControlBytes = 512;
/** A dnstap frame carries at most two DNS messages of 64 KiB; anything longer is not dnstap. */
export const maxDataBytes = 128 * 1024;

export const control = { accept: 1, start: 2, stop: 3, ready: 4, finish: 5 } as const;

const contentTypeField = 1;

/** Why a stream was given up; the code names the error in metrics. */
export class FrameStreamsError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'FrameStreamsError';
    this.code = code;
  }
}

export type ControlFrame = { readonly type: number; readonly contentTypes: readonly string[] };

/** Encodes a control frame, escape and length included. */
export function encodeControl(type: number, contentTypes: readonly string[] = []): Buffer {
  const fields = contentTypes.map((name) => {
    const field = Buffer.alloc(8 + name.length);
    field.writeUInt32BE(contentTypeField, 0);
    field.writeUInt32BE(name.length, 4);
    field.write(name, 8, 'latin1');
    return field;
  });
  const body = Buffer.concat([Buffer.alloc(4), ...fields]);
  body.writeUInt32BE(type, 0);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
}

/** A data frame: its length, then itself. */
export function encodeData(payload: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(payload.length, 0);
  return Buffer.concat([head, payload]);
}

function decodeControl(bytes: Buffer, start: number, end: number): ControlFrame {
  if (end - start < 4) throw new FrameStreamsError('control-malformed', 'a control frame without a type');
  const type = bytes.readUInt32BE(start);
  const contentTypes: string[] = [];
  let at = start + 4;
  while (at < end) {
    const field = end - at >= 8 ? bytes.readUInt32BE(at) : 0;
    const length = end - at >= 8 ? bytes.readUInt32BE(at + 4) : 0;
    if (field !== contentTypeField || length > 256 || at + 8 + length > end) {
      throw new FrameStreamsError('control-malformed', 'a control frame with a broken field');
    }
    contentTypes.push(bytes.toString('latin1', at + 8, at + 8 + length));
    at += 8 + length;
  }
  return { type, contentTypes };
}

export interface FrameSink {
  /** `bytes[start..end)` is one frame; the memory is reused after the call. */
  data(bytes: Buffer, start: number, end: number): void;
  control(frame: ControlFrame): void;
}

/**
 * Cuts a byte stream into frames. Whole frames are handed on where they lie; only what a chunk cuts in two is copied.
 * Holds at most one frame: 128 KiB.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  #carry: Buffer = Buffer.alloc(0);
  #have = 0;
  #need = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Bytes of an unfinished frame. */
  get pendingBytes(): number {
    return this.#have;
  }

  /** @throws FrameStreamsError when the stream cannot be Frame Streams; the connection is to be closed then */
  push(chunk: Buffer): void {
    const sink = this.#sink;
    const end = chunk.length;
    let at = this.#have > 0 ? this.#complete(chunk, 0) : 0;
    for (;;) {
      while (end - at >= 4) {
        const length = ((chunk[at]! << 24) | (chunk[at + 1]! << 16) | (chunk[at + 2]! << 8) | chunk[at + 3]!) >>> 0;
        if (length === 0) break;
        if (length > maxDataBytes) throw tooLong(length);
        const next = at + 4 + length;
        if (next > end) break;
        sink.data(chunk, at + 4, next);
        at = next;
      }
      if (at >= end) return;
      // Control frames and frames that a chunk cuts in two are rare: one way for both.
      this.#need = 4;
      at = this.#complete(chunk, at);
    }
  }

  /** Takes what the unfinished frame still needs. @returns where in the chunk it stopped */
  #complete(chunk: Buffer, at: number): number {
    for (;;) {
      const missing = Math.min(this.#need - this.#have, chunk.length - at);
      if (this.#carry.length < this.#need) this.#grow();
      chunk.copy(this.#carry, this.#have, at, at + missing);
      this.#have += missing;
      at += missing;
      if (this.#have < this.#need) return at;
      const length = this.#carry.readUInt32BE(0);
      if (length > maxDataBytes) throw tooLong(length);
      if (this.#need === 4) this.#need = length > 0 ? 4 + length : 8;
      else if (length === 0 && this.#need === 8) this.#need = 8 + this.#controlLength();
      else {
        const need = this.#need;
        this.#have = 0;
        this.#need = 0;
        if (length > 0) this.#sink.data(this.#carry, 4, need);
        else this.#sink.control(decodeControl(this.#carry, 8, need));
        return at;
      }
    }
  }

  #controlLength(): number {
    const length = this.#carry.readUInt32BE(4);
    if (length < 4 || length > maxControlBytes) {
      throw new FrameStreamsError(
        'control-too-long',
        `a control frame of ${length} bytes; 4 to ${maxControlBytes} are allowed`,
      );
    }
    return length;
  }

  #grow(): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(1_024, 2 ** Math.ceil(Math.log2(this.#need))));
    this.#carry.copy(larger, 0, 0, this.#have);
    this.#carry = larger;
  }
}

function tooLong(length: number): FrameStreamsError {
  return new FrameStreamsError('frame-too-long', `a frame of ${length} bytes; ${maxDataBytes} are allowed`);
}
