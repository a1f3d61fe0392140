import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { EpochMs } from '../domain/time.ts';
import type { Attendance } from './attendance.ts';
import type { FrameStreamsError } from './frame-streams.ts';
import type { CollectorLog } from './log.ts';
import type { Overload } from './overload.ts';
import { Sender } from './sender.ts';
import type { Tally } from './tally.ts';

export type IntakeDeps = {
  readonly maxSenders: number;
  readonly clock: () => EpochMs;
  readonly tally: Tally;
  readonly overload: Overload;
  readonly attendance: Attendance;
  /** Resolves when what a sender has sent is safe. */
  readonly settle: () => Promise<void>;
  readonly log: CollectorLog;
};

/** Who a connection is: its peer until its first frame has named the server. */
type Identity = { readonly peer: string; key: string; frames: number; told: boolean };

/** Takes connections of name servers and gives their frames to the tally. */
export class Intake {
  readonly #deps: IntakeDeps;
  readonly #senders = new Set<Sender>();
  readonly streamErrors: Record<string, number> = {};
  readonly connections = { accepted: 0, refused: 0 };
  bytes = 0;
  shed = 0;
  /** Age of the newest event when it was read. */
  lagMs = 0;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
  }

  /** Streams under way. */
  get started(): number {
    return [...this.#senders].filter((sender) => sender.isStarted).length;
  }

  accept(socket: Socket, peer: string): void {
    if (this.#senders.size >= this.#deps.maxSenders) {
      this.connections.refused += 1;
      socket.destroy();
      return;
    }
    this.connections.accepted += 1;
    const { attendance, clock, log, settle } = this.#deps;
    const identity: Identity = { peer, key: '', frames: 0, told: false };
    const sender = new Sender(
      socket,
      {
        frame: (bytes, start, end) => this.#frame(identity, bytes, start, end),
        chunkDone: (ms, bytes) => this.#chunk(identity, ms, bytes),
        started() {
          identity.key = peer;
          attendance.arrive(peer, clock());
          log('info', `a name server sends dnstap by ${kindOf(peer)}`);
        },
        stopping: settle,
        closed: (problem, orderly) => {
          this.#senders.delete(sender);
          if (identity.key !== '') attendance.leave(identity.key, clock(), orderly);
          if (problem !== undefined) this.#note(problem, peer);
        },
      },
      () => performance.now(),
    );
    this.#senders.add(sender);
  }

  /** Disconnects senders that are too slow. */
  checkPace(): void {
    const now = performance.now();
    for (const sender of this.#senders) sender.checkPace(now);
  }

  close(): void {
    for (const sender of this.#senders) sender.close();
  }

  #frame(identity: Identity, bytes: Buffer, start: number, end: number): void {
    const { overload, tally } = this.#deps;
    identity.frames += 1;
    if (!identity.told) this.#introduce(identity, bytes, start, end);
    if (overload.setAside()) {
      this.shed += 1;
      tally.shed();
    } else tally.frame(bytes, start, end);
  }

  #chunk(identity: Identity, ms: number, bytes: number): void {
    const { clock, tally, attendance, overload } = this.#deps;
    const now = clock();
    tally.advance(now);
    this.bytes += bytes;
    if (identity.frames > 0) {
      const { responseSeconds, responseNanoseconds } = tally.scanner;
      if (responseSeconds > 0) this.lagMs = now - responseSeconds * 1_000 - responseNanoseconds / 1e6;
      attendance.count(identity.key, identity.frames);
      identity.frames = 0;
    }
    overload.spent(ms);
  }

  /** Servers behind one address are told apart by the identity they are configured with. */
  #introduce(identity: Identity, bytes: Buffer, start: number, end: number): void {
    identity.told = true;
    const { tally, attendance } = this.#deps;
    const { scanner } = tally;
    if (!scanner.scan(bytes, start, end) || scanner.identityEnd === 0) return;
    const { identityStart } = scanner;
    const name = bytes.toString('latin1', identityStart, Math.min(scanner.identityEnd, identityStart + 64));
    const key = `${identity.peer} ${name}`;
    attendance.rename(identity.key, key);
    identity.key = key;
  }

  #note({ code, message }: FrameStreamsError, peer: string): void {
    this.streamErrors[code] = (this.streamErrors[code] ?? 0) + 1;
    this.#deps.log('warn', `a dnstap stream by ${kindOf(peer)} was given up: ${message}`, { code });
  }
}

/** `tcp`, `tls` or `unix`. */
function kindOf(peer: string): string {
  return peer.split(' ')[0] ?? '';
}
