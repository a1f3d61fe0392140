import { bucketMs } from '../domain/demand.ts';
import { minuteMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';

/** A server that has been away this long is not waited for any more: it was taken out of service. */
const forgottenAfterMs = 10 * minuteMs;
/** How fast a server's usual traffic follows its traffic: one bucket counts a fifth. */
const smoothing = 0.2;

type Piece = { readonly from: EpochMs; readonly to: EpochMs };

type Attendant = {
  connections: number;
  /** Connected since, or away since. */
  since: EpochMs;
  /** Connected time of buckets not yet told. */
  pieces: Piece[];
  frames: number;
  usualFrames: number;
  /** Before it was first seen nobody knows whether it existed. */
  readonly knownSince: EpochMs;
};

export type Attended = {
  /** Servers that were connected at some moment of the bucket. */
  readonly senders: number;
  /** 0..1: what part of the usual stream came from connected servers, in time. */
  readonly intake: number;
};

/** Which name servers should be connected, and what part of a bucket's stream came from those that were. */
export class Attendance {
  readonly #attendants = new Map<string, Attendant>();

  arrive(key: string, now: EpochMs): void {
    const known = this.#attendants.get(key);
    if (known === undefined) {
      const fresh = { connections: 1, since: now, pieces: [], frames: 0, usualFrames: 0, knownSince: now };
      this.#attendants.set(key, fresh);
      return;
    }
    if (known.connections === 0) known.since = now;
    known.connections += 1;
  }

  /** @param orderly it said STOP: it has nothing more to send and is not missed */
  leave(key: string, now: EpochMs, orderly: boolean): void {
    const known = this.#attendants.get(key);
    if (known === undefined) return;
    known.connections -= 1;
    if (known.connections > 0) return;
    // A farewell stands for the rest of the bucket it happened in.
    const to = orderly ? (Math.floor(now / bucketMs) + 1) * bucketMs : now;
    known.pieces.push({ from: known.since, to });
    known.since = now;
    if (orderly) known.usualFrames = 0;
  }

  /** A connection told who it is with its first frame: what it was called until then is forgotten. */
  rename(key: string, to: string): void {
    const known = this.#attendants.get(key);
    if (known === undefined || key === to) return;
    known.connections -= 1;
    if (known.connections === 0 && known.usualFrames === 0) this.#attendants.delete(key);
    this.arrive(to, known.since);
  }

  count(key: string, frames: number): void {
    const known = this.#attendants.get(key);
    if (known !== undefined) known.frames += frames;
  }

  /** Servers connected now. */
  get connected(): number {
    return [...this.#attendants.values()].filter(({ connections }) => connections > 0).length;
  }

  /** Tells one bucket; called once for each, oldest first, after its end. */
  take(from: EpochMs, now: EpochMs): Attended {
    const to = from + bucketMs;
    let senders = 0;
    let expected = 0;
    let attended = 0;
    for (const [key, one] of this.#attendants) {
      const pieces = one.connections > 0 ? [...one.pieces, { from: one.since, to: now }] : one.pieces;
      const ms = pieces.reduce((sum, piece) => sum + overlap(piece, from, to), 0);
      if (ms > 0) senders += 1;
      const weight = one.usualFrames > 0 ? one.usualFrames : ms > 0 ? Math.max(one.frames, 1) : 0;
      expected += weight;
      attended += weight * (one.knownSince > from ? 1 : Math.min(1, ms / bucketMs));
      if (ms > 0) {
        one.usualFrames += one.usualFrames === 0 ? one.frames : smoothing * (one.frames - one.usualFrames);
        one.frames = 0;
      }
      one.pieces = one.pieces.filter((piece) => piece.to > to);
      if (one.connections === 0 && now - one.since > forgottenAfterMs) this.#attendants.delete(key);
    }
    return { senders, intake: expected === 0 ? 1 : attended / expected };
  }
}

function overlap(piece: Piece, from: EpochMs, to: EpochMs): number {
  return Math.max(0, Math.min(piece.to, to) - Math.max(piece.from, from));
}
