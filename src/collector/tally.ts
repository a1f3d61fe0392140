import { bucketMs } from '../domain/demand.ts';
import type { EpochMs } from '../domain/time.ts';
import type { BucketCounts } from './bucket-counts.ts';
import { Bucket } from './buckets.ts';
import { clientSubnet, headerBytes, nameEnd, u16 } from './dns-answer.ts';
import { authResponse, clientResponse, DnstapScanner, tcp } from './dnstap.ts';
import { NameTable } from './names.ts';
import type { RegisteredName } from './names.ts';
import { prefixesOf } from './prefixes.ts';
import type { Prefixes } from './prefixes.ts';
import { row } from './rows.ts';
import { sighting, Sightings, ticksPerSecond } from './sightings.ts';
import { mix } from './sketches.ts';

/** libfstrm holds frames for up to 2 s (`dns.md` 2): a bucket stays open this long after its end. */
export const watermarkMs = 3_000;
/** A server's clock may run ahead of ours by this much; later events are refused as if they were late. */
const aheadMs = 20_000;

export type TallyOptions = {
  /** False counts names only: no sources, no duplicates, no estimate. */
  readonly sources: boolean;
  /** Resolvers whose client subnets are believed when duplicates and caps are decided, as prefixes. Default none. */
  readonly trustedSubnetSenders: readonly string[];
  readonly perSourceCap: number;
  readonly pairs: number;
  readonly sourceEntries: number;
  readonly seed: number;
};

export const defaultTallyOptions: Omit<TallyOptions, 'seed'> = {
  sources: true,
  trustedSubnetSenders: [],
  // 200 a second over all hosted VMs: a public resolver's /24 that serves a whole country.
  perSourceCap: 2_000,
  pairs: 2 ** 19,
  sourceEntries: 2 ** 17,
};

/** A bucket that is over, ready to be written. */
export type ClosedBucket = {
  readonly seq: number;
  readonly at: EpochMs;
  readonly frames: number;
  readonly shed: number;
  readonly late: number;
  readonly undecodable: number;
  readonly unknownNames: number;
  readonly counts: BucketCounts;
};

/** What became of all frames since the start. Their sum is the number of data frames. */
export type TallyTotals = {
  /** Answers to a registered name. */
  answers: number;
  /** Responses about registered names that gave no answer. */
  unanswered: number;
  unknownNames: number;
  /** Queries, resolver traffic, updates: not a response to a client's question. */
  otherKinds: number;
  late: number;
  undecodable: number;
};

/** The hot path: one dnstap frame in, a few counters up. No allocation, no clock, no exception. */
export class Tally {
  readonly scanner = new DnstapScanner();
  readonly totals: TallyTotals = { answers: 0, unanswered: 0, unknownNames: 0, otherKinds: 0, late: 0, undecodable: 0 };
  readonly #options: TallyOptions;
  readonly #sightings: Sightings;
  readonly #trusted: Prefixes;
  readonly #nextSeq: () => number;
  readonly #open = new Map<number, Bucket>();
  readonly #spare: Bucket[] = [];
  #names: NameTable;
  readonly #slots = new Map<string, number>();
  readonly #ids: (string | undefined)[] = [];
  #ttls = new Uint16Array(64);
  #estimates = new Float64Array(64);
  #current: Bucket | undefined;
  #currentNumber = -1;
  #oldest = 0;
  #newest = 0;
  #now: EpochMs;
  readonly #origin: EpochMs;
  readonly #originSeconds: number;
  #estimatedAt = 0;
  /** Newest event seen, for the lag. */
  newestEventMs = 0;

  constructor(options: TallyOptions, now: EpochMs, nextSeq: () => number) {
    this.#options = options;
    this.#nextSeq = nextSeq;
    this.#trusted = prefixesOf(options.trustedSubnetSenders);
    this.#sightings = new Sightings({
      pairs: options.sources ? options.pairs : 2,
      sources: options.sources ? options.sourceEntries : 2,
      perSourceCap: options.perSourceCap,
      seed: options.seed,
    });
    this.#names = new NameTable([], () => 0);
    this.#origin = now;
    this.#originSeconds = Math.floor(now / 1_000) - 60;
    this.#now = now;
    this.#oldest = Math.floor((now - watermarkMs) / bucketMs);
    this.advance(now);
  }

  get names(): NameTable {
    return this.#names;
  }

  get sightings(): Sightings {
    return this.#sightings;
  }

  /** Takes effect with the next frame; counts of open buckets stay with the hosted VM they were made for. */
  register(vms: readonly RegisteredName[]): void {
    const named = new Set(vms.map(({ hostedVmId }) => hostedVmId));
    const gone = [...this.#slots].filter(([id]) => !named.has(id));
    for (const [id] of gone) this.#slots.delete(id);
    for (const { hostedVmId } of vms) {
      if (this.#slots.has(hostedVmId)) continue;
      this.#slots.set(hostedVmId, this.#ids.length);
      this.#ids.push(hostedVmId);
    }
    if (this.#ids.length > this.#ttls.length) {
      const capacity = 2 ** Math.ceil(Math.log2(this.#ids.length));
      const ttls = new Uint16Array(capacity);
      ttls.set(this.#ttls);
      this.#ttls = ttls;
      this.#estimates = new Float64Array(capacity);
      for (const bucket of this.#open.values()) bucket.grow(capacity);
    }
    for (const { hostedVmId, ttlSeconds } of vms)
      this.#ttls[this.#slots.get(hostedVmId)!] = Math.min(65_535, ttlSeconds);
    this.#names = new NameTable(vms, (id) => this.#slots.get(id)!);
    if (this.#options.sources && gone.length > 0) this.#sightings.forget(new Set(gone.map(([, slot]) => slot)));
  }

  /** Moves the window of buckets that still take events. */
  advance(now: EpochMs): void {
    this.#now = now;
    this.#newest = Math.floor((now + aheadMs) / bucketMs);
    const oldest = Math.floor((now - watermarkMs) / bucketMs);
    // An open bucket that is over waits for `close`; it takes no more events.
    if (oldest > this.#oldest) this.#oldest = oldest;
    if (this.#currentNumber < this.#oldest) {
      this.#currentNumber = -1;
      this.#current = undefined;
    }
  }

  /** The bucket of this moment: frames that tell no time are counted there. */
  #bucketNow(): Bucket {
    return this.#bucket(Math.floor(this.#now / bucketMs));
  }

  #bucket(number: number): Bucket {
    const found = this.#open.get(number);
    if (found !== undefined) return found;
    const bucket = this.#spare.pop() ?? new Bucket(this.#ttls.length);
    bucket.open(number, bucketMs, this.#nextSeq(), this.#ttls.length);
    this.#open.set(number, bucket);
    return bucket;
  }

  /** Counts a frame that was set aside unread. */
  shed(): void {
    (this.#current ?? this.#bucketNow()).shed += 1;
  }

  /** Counts one frame: `bytes[start..end)`. */
  frame(bytes: Buffer, start: number, end: number): void {
    const scanner = this.scanner;
    if (!scanner.scan(bytes, start, end)) {
      this.#undecodable();
      return;
    }
    let seconds = scanner.responseSeconds;
    let nanoseconds = scanner.responseNanoseconds;
    if (seconds === 0) {
      seconds = scanner.querySeconds;
      nanoseconds = scanner.queryNanoseconds;
    }
    const number = Math.floor(seconds / 10);
    if (number !== this.#currentNumber && !this.#turnTo(number)) {
      this.totals.late += 1;
      this.#bucketNow().late += 1;
      return;
    }
    const bucket = this.#current!;
    bucket.frames += 1;
    if (scanner.messageType !== authResponse && scanner.messageType !== clientResponse) {
      this.totals.otherKinds += 1;
      return;
    }
    const message = scanner.responseMessageStart;
    const messageEnd = scanner.responseMessageEnd;
    if (messageEnd - message < headerBytes + 5) {
      this.#brokenIn(bucket);
      return;
    }
    const flags = bytes[message + 2]!;
    if ((flags & 0x80) === 0) {
      this.#brokenIn(bucket);
      return;
    }
    if ((flags & 0x78) !== 0 || bytes[message + 4] !== 0 || bytes[message + 5] !== 1) {
      this.totals.otherKinds += 1;
      return;
    }
    const nameAt = message + headerBytes;
    const questionAt = nameEnd(bytes, nameAt, messageEnd);
    if (questionAt < 0 || messageEnd - questionAt < 4) {
      this.#brokenIn(bucket);
      return;
    }
    const slot = this.#names.find(bytes, nameAt, questionAt);
    if (slot < 0) {
      this.totals.unknownNames += 1;
      bucket.unknownNames += 1;
      return;
    }
    const at = bucket.touch(slot);
    const rows = bucket.rows;
    const rcode = bytes[message + 3]! & 0x0f;
    rows[at + rcodeColumn(rcode)]! += 1;
    const answered = rcode === 0 && (flags & 0x02) === 0 && u16(bytes, message + 6) > 0;
    if (!answered) {
      this.totals.unanswered += 1;
      return;
    }
    this.totals.answers += 1;
    const type = u16(bytes, questionAt);
    const isTcp = scanner.socketProtocol !== 1 && scanner.socketProtocol !== 0;
    rows[at + row.answers]! += 1;
    rows[at + row.bytes]! += messageEnd - message;
    rows[at + typeColumn(type)]! += 1;
    if (isTcp) rows[at + row.tcp]! += 1;
    if (!this.#options.sources) {
      rows[at + row.deduplicated]! += 1;
      rows[at + row.established]! += 1;
      return;
    }
    this.#countSource(
      bytes,
      at,
      bucket,
      slot,
      type,
      isTcp && scanner.socketProtocol === tcp,
      seconds,
      nanoseconds,
      questionAt + 4,
    );
  }

  #countSource(
    bytes: Buffer,
    at: number,
    bucket: Bucket,
    slot: number,
    type: number,
    isTcp: boolean,
    seconds: number,
    nanoseconds: number,
    afterQuestion: number,
  ): void {
    const scanner = this.scanner;
    const { sources, tops, rows } = bucket;
    const key = this.#key(bytes, scanner.queryAddressStart, scanner.queryAddressEnd, 0, 0);
    let distinct = key;
    let decisive = key;
    const message = scanner.responseMessageStart;
    if (u16(bytes, message + 10) > 0) {
      const subnet = clientSubnet(bytes, message, afterQuestion, scanner.responseMessageEnd);
      if (subnet >= 0) {
        // The subnet is a better count of clients, but anyone can write one: only a trusted sender's decides anything.
        const family = u16(bytes, subnet);
        const prefixBytes = Math.min(family === 1 ? 3 : 7, (bytes[subnet + 2]! + 7) >> 3);
        const end = Math.min(subnet + 4 + prefixBytes, scanner.responseMessageEnd);
        distinct = this.#key(bytes, subnet + 4, end, family, bytes[subnet + 2]!);
        if (this.#trusted.size > 0 && this.#trusted.has(bytes, scanner.queryAddressStart, scanner.queryAddressEnd)) {
          decisive = distinct;
        }
      }
    }
    const sketch = rows[at + row.sketch]!;
    tops.add(sketch, decisive >>> 0);
    const now = (seconds - this.#originSeconds) * ticksPerSecond + Math.floor(nanoseconds / 10_000_000);
    const up = Math.floor((this.#now - this.#origin) / 10);
    // Address records of one source are one wish: A, AAAA and HTTPS of a page arrive together.
    const seen = this.#sightings.see(slot, decisive, now, bucket.number, this.#ttls[slot]!, isTcp, up);
    if ((seen & sighting.newInBucket) !== 0 || distinct !== decisive) sources.add(sketch, mix(distinct));
    if ((seen & sighting.counts) === 0 || !isAddressType(type)) return;
    rows[at + row.deduplicated]! += 1;
    if ((seen & sighting.established) !== 0) rows[at + row.established]! += 1;
  }

  /** IPv4 by its /24, IPv6 by its /56. */
  #key(bytes: Buffer, from: number, to: number, family: number, prefix: number): number {
    let high = (family << 8) | prefix;
    let low = 0;
    const used = Math.min(to - from, to - from <= 4 ? 3 : 7);
    for (let i = 0; i < used; i += 1) {
      const byte = bytes[from + i]!;
      if (i < 3) low = (low << 8) | byte;
      else high = Math.imul(high, 257) + byte + 1;
    }
    return this.#sightings.key(high, low);
  }

  #turnTo(number: number): boolean {
    if (!(number >= this.#oldest && number <= this.#newest)) return false;
    this.#current = this.#bucket(number);
    this.#currentNumber = number;
    this.newestEventMs = number * bucketMs;
    return true;
  }

  #undecodable(): void {
    this.totals.undecodable += 1;
    this.#bucketNow().undecodable += 1;
  }

  #brokenIn(bucket: Bucket): void {
    bucket.frames -= 1;
    bucket.undecodable += 1;
    this.totals.undecodable += 1;
  }

  /** The buckets whose watermark has passed, oldest first. A bucket without frames is told too: silence was observed. */
  close(now: EpochMs): ClosedBucket[] {
    this.advance(now);
    const closed: ClosedBucket[] = [];
    for (const number of [...this.#open.keys()].sort((a, b) => a - b)) {
      if (number >= this.#oldest) continue;
      closed.push(this.#snapshot(number, true));
      this.#spare.push(this.#open.get(number)!);
      this.#open.delete(number);
    }
    return closed;
  }

  /** All open buckets, whether over or not: the collector ends. */
  closeAll(): ClosedBucket[] {
    const numbers = [...this.#open.keys()].sort((a, b) => a - b);
    const closed = numbers.map((number) => this.#snapshot(number, true));
    this.#open.clear();
    this.#current = undefined;
    this.#currentNumber = -1;
    return closed;
  }

  /** What the open buckets hold now, for the checkpoint. */
  peek(): ClosedBucket[] {
    return [...this.#open.keys()].sort((a, b) => a - b).map((number) => this.#snapshot(number, false));
  }

  /** Opens the bucket of this moment even when no frame has come. */
  openNow(): void {
    this.#bucketNow();
  }

  #snapshot(number: number, final: boolean): ClosedBucket {
    const bucket = this.#open.get(number)!;
    const estimates = final && this.#options.sources ? this.#estimate(bucket) : undefined;
    return {
      seq: bucket.seq,
      at: bucket.at,
      frames: bucket.frames,
      shed: bucket.shed,
      late: bucket.late,
      undecodable: bucket.undecodable,
      unknownNames: bucket.unknownNames,
      counts: bucket.counts((slot) => this.#ids[slot], estimates),
    };
  }

  #estimate(bucket: Bucket): Float64Array {
    const end = bucket.at / 1_000 + bucketMs / 1_000;
    const elapsed = this.#estimatedAt === 0 ? bucketMs / 1_000 : Math.max(0, end - this.#estimatedAt);
    this.#estimatedAt = Math.max(end, this.#estimatedAt);
    this.#sightings.estimate((end - this.#originSeconds) * ticksPerSecond, elapsed, this.#ttls, this.#estimates);
    return this.#estimates;
  }
}

function isAddressType(type: number): boolean {
  return type === 1 || type === 28 || type === 65;
}

function rcodeColumn(rcode: number): number {
  if (rcode === 0) return row.noerror;
  if (rcode === 3) return row.nxdomain;
  if (rcode === 2) return row.servfail;
  return rcode === 5 ? row.refused : row.otherRcode;
}

function typeColumn(type: number): number {
  if (type === 1) return row.a;
  if (type === 28) return row.aaaa;
  return type === 65 ? row.https : row.otherType;
}
