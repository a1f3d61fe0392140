import type { EpochMs } from '../domain/time.ts';
import { BucketCounts } from './bucket-counts.ts';
import { row, rowWords } from './rows.ts';
import { HyperLogLogs, SpaceSavings } from './sketches.ts';

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
  counts(idOf: (slot: number) => string | undefined, estimates: Float64Array | undefined): BucketCounts {
    const count = this.touchedCount;
    const slots = this.touched.slice(0, count);
    const rows = new Uint32Array(count * rowWords);
    const sources = new Uint32Array(count);
    const tops = new Uint32Array(count);
    const estimated = estimates === undefined ? undefined : new Float32Array(count);
    for (let i = 0; i < count; i += 1) {
      const from = slots[i]! * rowWords;
      const to = i * rowWords;
      for (let word = 0; word < rowWords; word += 1) rows[to + word] = this.rows[from + word]!;
      const sketch = rows[to + row.sketch]!;
      sources[i] = rows[to + row.answers] === 0 ? 0 : Math.max(1, Math.round(this.sources.estimate(sketch)));
      tops[i] = this.tops.top(sketch);
      if (estimated !== undefined) estimated[i] = estimates![slots[i]!]!;
    }
    return new BucketCounts(this.at, idOf, slots, rows, sources, tops, estimated);
  }
}
