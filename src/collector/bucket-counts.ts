import type { DemandCount } from '../domain/demand.ts';
import type { EpochMs } from '../domain/time.ts';
import { row, rowWords } from './rows.ts';

/**
 * What a bucket held at one moment, made into `DemandCount`s only as they are read: 20,000 hosted VMs as objects,
 * once a second for the checkpoint, would be most of the collector's memory.
 */
export class BucketCounts implements Iterable<DemandCount> {
  readonly #at: EpochMs;
  readonly #idOf: (slot: number) => string | undefined;
  readonly #slots: Int32Array;
  readonly #rows: Uint32Array;
  readonly #sources: Uint32Array;
  readonly #tops: Uint32Array;
  readonly #estimates: Float32Array | undefined;

  /**
   * @param idOf the hosted VM of a number; the same answer for ever
   * @param slots hosted VMs that were asked for; all arrays follow their order
   * @param estimates client queries per second; undefined: not estimated
   */
  constructor(
    at: EpochMs,
    idOf: (slot: number) => string | undefined,
    slots: Int32Array,
    rows: Uint32Array,
    sources: Uint32Array,
    tops: Uint32Array,
    estimates: Float32Array | undefined,
  ) {
    this.#at = at;
    this.#idOf = idOf;
    this.#slots = slots;
    this.#rows = rows;
    this.#sources = sources;
    this.#tops = tops;
    this.#estimates = estimates;
  }

  *[Symbol.iterator](): Generator<DemandCount> {
    for (let i = 0; i < this.#slots.length; i += 1) {
      const hostedVmId = this.#idOf(this.#slots[i]!);
      if (hostedVmId === undefined) continue;
      const r = this.#rows.subarray(i * rowWords, (i + 1) * rowWords);
      const answers = r[row.answers]!;
      const estimate = this.#estimates?.[i];
      yield {
        hostedVmId,
        at: this.#at,
        answers,
        deduplicated: r[row.deduplicated]!,
        established: r[row.established]!,
        estimatedQps: estimate === undefined || Number.isNaN(estimate) ? null : Number(estimate.toPrecision(5)),
        sources: this.#sources[i]!,
        rcodes: split(r, rcodeColumns),
        types: split(r, typeColumns),
        tcp: r[row.tcp]!,
        responseBytes: r[row.bytes]!,
        topShare: answers === 0 ? 0 : Number((this.#tops[i]! / answers).toFixed(4)),
      };
    }
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
