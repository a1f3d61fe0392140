import type { DemandCount } from '../domain/demand.ts';
import type { EpochMs } from '../domain/time.ts';
import { HyperLogLogs, SpaceSavings } from './sketches.ts';

/** Words of one hosted VM: a cache line, since one answer touches most of them. */
export const rowWords = 16;

/** Where each count lies in a row. */
export const row = {
  touched: 0,
  answers: 1,
  deduplicated: 2,
  established: 3,
  tcp: 4,
  bytes: 5,
  noerror: 6,
  nxdomain: 7,
  servfail: 8,
  refused: 9,
  otherRcode: 10,
  a: 11,
  aaaa: 12,
  https: 13,
  otherType: 14,
  sketch: 15,
} as const;

/** Counts of one bucket of event time, by the number of the hosted VM. Reused when its time is over. */
export class Bucket {
  at: EpochMs = 0;
  /** `at / 10 s`. */
  number = 0;
  rows: Uint32Array;
  readonly sources = new HyperLogLogs();
  readonly tops = new SpaceSavings();
  touched: Int32Array;
  touchedCount = 0;
  frames = 0;
  shed = 0;
  late = 0;
  undecodable = 0;
  unknownNames = 0;
  /** Identity of the batch this bucket will be written as; given when it opens. */
  seq = 0;

  constructor(slots: number) {
    this.rows = new Uint32Array(slots * rowWords);
    this.touched = new Int32Array(slots);
  }

  open(number: number, bucketMs: number, seq: number, slots: number): void {
    this.number = number;
    this.at = number * bucketMs;
    this.seq = seq;
    this.grow(slots);
    const { rows, touched } = this;
    for (let i = 0; i < this.touchedCount; i += 1) rows.fill(0, touched[i]! * rowWords, (touched[i]! + 1) * rowWords);
    this.sources.clear();
    this.tops.clear();
    this.touchedCount = 0;
    this.frames = 0;
    this.shed = 0;
    this.late = 0;
    this.undecodable = 0;
    this.unknownNames = 0;
  }

  /** Room for hosted VMs that were registered while the bucket is open. */
  grow(slots: number): void {
    if (slots <= this.touched.length) return;
    const rows = new Uint32Array(slots * rowWords);
    rows.set(this.rows);
    this.rows = rows;
    const touched = new Int32Array(slots);
    touched.set(this.touched);
    this.touched = touched;
  }

  /** Where this hosted VM's row begins. */
  touch(slot: number): number {
    const at = slot * rowWords;
    if (this.rows[at + row.touched] === 0) {
      this.rows[at + row.touched] = 1;
      this.touched[this.touchedCount] = slot;
      this.touchedCount += 1;
      this.rows[at + row.sketch] = this.sources.take();
      this.tops.take();
    }
    return at;
  }

  /**
   * What was counted so far, one entry for each hosted VM that was asked for.
   * @param estimates client queries per second by hosted VM number; undefined: not estimated
   */
  counts(idOf: (slot: number) => string | undefined, estimates: Float64Array | undefined): DemandCount[] {
    const result: DemandCount[] = [];
    for (let i = 0; i < this.touchedCount; i += 1) {
      const slot = this.touched[i]!;
      const hostedVmId = idOf(slot);
      if (hostedVmId === undefined) continue;
      const r = this.rows.subarray(slot * rowWords, (slot + 1) * rowWords);
      const answers = r[row.answers]!;
      const estimate = estimates?.[slot];
      result.push({
        hostedVmId,
        at: this.at,
        answers,
        deduplicated: r[row.deduplicated]!,
        established: r[row.established]!,
        estimatedQps: estimate === undefined || Number.isNaN(estimate) ? null : Number(estimate.toPrecision(5)),
        sources: answers === 0 ? 0 : Math.max(1, Math.round(this.sources.estimate(r[row.sketch]!))),
        rcodes: split(r, rcodeColumns),
        types: split(r, typeColumns),
        tcp: r[row.tcp]!,
        responseBytes: r[row.bytes]!,
        topShare: answers === 0 ? 0 : Number((this.tops.top(r[row.sketch]!) / answers).toFixed(4)),
      });
    }
    return result;
  }
}

const rcodeColumns = [
  ['NOERROR', row.noerror],
  ['NXDOMAIN', row.nxdomain],
  ['SERVFAIL', row.servfail],
  ['REFUSED', row.refused],
  ['OTHER', row.otherRcode],
] as const;

const typeColumns = [
  ['A', row.a],
  ['AAAA', row.aaaa],
  ['HTTPS', row.https],
  ['OTHER', row.otherType],
] as const;

function split(r: Uint32Array, columns: readonly (readonly [string, number])[]): Record<string, number> {
  const result: Record<string, number> = {};
  for (const [name, column] of columns) if (r[column]! > 0) result[name] = r[column]!;
  return result;
}
