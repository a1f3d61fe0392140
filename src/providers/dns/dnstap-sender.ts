import { connect } from 'node:net';
import { isIPv4 } from 'node:net';
import type { Socket } from 'node:net';
import { addressData, recordType } from './record.ts';

/** Where frames go: TCP, or a unix socket by its path. */
export type DnstapTarget = { readonly host: string; readonly port: number } | { readonly unix: string };

/** One answer as dnstap's AUTH_RESPONSE tells it. */
type AnswerSent = {
  readonly client: { readonly address: string; readonly port: number };
  readonly server: { readonly address: string; readonly port: number };
  readonly tcp: boolean;
  readonly atMs: number;
  readonly response: Buffer;
};

export type DnstapSender = {
  send(answer: AnswerSent): void;
  readonly counts: () => { readonly sent: number; readonly dropped: number };
  close(): Promise<void>;
};

/** Frames waiting while nobody listens; as BIND's output queue. Newer frames are dropped and counted. */
const maxWaiting = 16_384;
/** A receiver that does not read must not let our memory grow. */
const maxUnsentBytes = 4 * 1024 * 1024;
const reconnectMs = 500;

const contentType = Buffer.from('protobuf:dnstap.Dnstap');
const control = { accept: 1, start: 2, stop: 3, ready: 4, finish: 5 } as const;

function controlFrame(type: number, withContentType: boolean): Buffer {
  const frame = Buffer.alloc(withContentType ? 20 + contentType.length : 12);
  frame.writeUInt32BE(0, 0);
  frame.writeUInt32BE(frame.length - 8, 4);
  frame.writeUInt32BE(type, 8);
  if (withContentType) {
    frame.writeUInt32BE(1, 12);
    frame.writeUInt32BE(contentType.length, 16);
    contentType.copy(frame, 20);
  }
  return frame;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}

const number = (field: number, value: number): Buffer => Buffer.from([...varint(field << 3), ...varint(value)]);
const fixed32 = (field: number, value: number): Buffer => {
  const bytes = Buffer.alloc(5);
  bytes[0] = (field << 3) | 5;
  bytes.writeUInt32LE(value, 1);
  return bytes;
};
const block = (field: number, value: Buffer): Buffer =>
  Buffer.concat([Buffer.from([...varint((field << 3) | 2), ...varint(value.length)]), value]);

/** dnstap.proto: Dnstap{identity=1, message=14, type=15}, Message{type=1 ... response_message=14}. */
function dnstapFrame(identity: Buffer, answer: AnswerSent): Buffer {
  const v4 = isIPv4(answer.client.address);
  const address = (text: string): Buffer => addressData(v4 ? recordType.A : recordType.AAAA, text);
  const message = Buffer.concat([
    number(1, 2),
    number(2, v4 ? 1 : 2),
    number(3, answer.tcp ? 2 : 1),
    block(4, address(answer.client.address)),
    block(5, address(answer.server.address)),
    number(6, answer.client.port),
    number(7, answer.server.port),
    number(12, Math.floor(answer.atMs / 1_000)),
    fixed32(13, Math.floor((answer.atMs % 1_000) * 1e6)),
    block(14, answer.response),
  ]);
  const dnstap = Buffer.concat([block(1, identity), block(14, message), number(15, 1)]);
  const frame = Buffer.alloc(4 + dnstap.length);
  frame.writeUInt32BE(dnstap.length, 0);
  dnstap.copy(frame, 4);
  return frame;
}

/** Sends frames to one receiver over bidirectional Frame Streams; connects again for as long as it is open. */
export function startDnstapSender(target: DnstapTarget, identityText: string): DnstapSender {
  const identity = Buffer.from(identityText);
  const state: { socket: Socket | undefined; ready: boolean; closed: boolean; retry: NodeJS.Timeout | undefined } = {
    socket: undefined,
    ready: false,
    closed: false,
    retry: undefined,
  };
  let waiting: Buffer[] = [];
  let sent = 0;
  let dropped = 0;

  function open(): void {
    const socket = 'unix' in target ? connect(target.unix) : connect({ host: target.host, port: target.port });
    let received = Buffer.alloc(0);
    state.socket = socket;
    socket.on('connect', () => socket.write(controlFrame(control.ready, true)));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 8 && received.length >= 8 + received.readUInt32BE(4)) {
        const end = 8 + received.readUInt32BE(4);
        const type = received.readUInt32BE(0) === 0 && end >= 12 ? received.readUInt32BE(8) : 0;
        received = received.subarray(end);
        if (type === control.accept && !state.ready) begin(socket);
        else if (type === control.finish) socket.end();
      }
      // A receiver only ever sends small control frames; anything else is not one.
      if (received.length > 1_024) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      state.ready = false;
      if (!state.closed) state.retry = setTimeout(open, reconnectMs);
    });
  }

  function begin(socket: Socket): void {
    state.ready = true;
    socket.write(controlFrame(control.start, true));
    const queue = waiting;
    waiting = [];
    sent += queue.length;
    socket.write(Buffer.concat(queue));
  }

  open();

  return {
    send(answer) {
      if (state.closed) return;
      const frame = dnstapFrame(identity, answer);
      if (state.ready && state.socket !== undefined && state.socket.writableLength < maxUnsentBytes) {
        sent += 1;
        state.socket.write(frame);
      } else if (!state.ready && waiting.length < maxWaiting) waiting.push(frame);
      else dropped += 1;
    },
    counts: () => ({ sent, dropped: dropped + (state.closed ? waiting.length : 0) }),
    async close() {
      state.closed = true;
      clearTimeout(state.retry);
      const { socket } = state;
      if (socket === undefined || socket.destroyed) return;
      if (!state.ready) {
        socket.destroy();
        return;
      }
      const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      socket.write(controlFrame(control.stop, false));
      // The receiver answers FINISH; one that does not must not hold us.
      const giveUp = setTimeout(() => socket.destroy(), 500);
      await gone;
      clearTimeout(giveUp);
    },
  };
}
