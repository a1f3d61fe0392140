import { mix } from './sketches.ts';

/** Time here is in hundredths of a second since the collector's origin: 32 bits last 497 days. */
export const ticksPerSecond = 100;

/** A source that repeats a question within this is one event at most, whatever the TTL says. */
const longestWindowSeconds = 30;
/** A TTL of zero is still cached for the length of a page's own lookups. */
const shortestWindowSeconds = 1;
/** The cache-gap estimate forgets with this time constant (`dns.md` 6: good from ten TTLs of 30 s). */
const memorySeconds = 300;
/** A gap that ends with the TTL says "at least this often": resolvers and clocks jitter by as much. */
const shortestIdleSeconds = 0.05;
/** Less than this is left of a source that has not asked for a while. */
const forgottenBelow = 0.02;

/** A source is established when seen in this many minutes, or once over TCP: a spoofed address is neither. */
const establishedMinutes = 3;
const validated = 255;

const pairWords = 8;
const pair = { tag: 0, slot: 1, counted: 2, bucket: 3, asked: 4, idle: 5 } as const;
const sourceWords = 8;
const source = { tag: 0, minutes: 1, lastMinute: 2, bucket: 3, answers: 4 } as const;

/** What a sighting means; a bit set. */
export const sighting = { newInBucket: 1, counts: 2, established: 4, capped: 8 } as const;

export type SightingsOptions = {
  /** Entries for pairs of hosted VM and source; a power of two. 32 bytes each. */
  readonly pairs: number;
  /** Entries for sources; a power of two. 32 bytes each. */
  readonly sources: number;
  /** Deduplicated answers that one source may add in one bucket, over all hosted VMs. */
  readonly perSourceCap: number;
  /** Secret of this process, so that nobody can choose addresses that collide. */
  readonly seed: number;
};

/**
 * Remembers which source asked for which hosted VM, in tables of fixed size: the duplicate window, the per-source
 * cap, the cache-gap estimate and which sources are established. When a table is full the older of two entries goes:
 * its source then counts as new, so a flood can cost precision but never memory.
 */
export class Sightings {
  readonly #pairs: Int32Array;
  readonly #pairFloats: Float32Array;
  readonly #pairMask: number;
  readonly #sources: Int32Array;
  readonly #sourceMask: number;
  readonly #cap: number;
  readonly #seed: number;
  /** Entries that went before their time. */
  evicted = 0;

  constructor(options: SightingsOptions) {
    this.#pairs = new Int32Array(options.pairs * pairWords);
    this.#pairFloats = new Float32Array(this.#pairs.buffer);
    this.#pairMask = options.pairs - 2;
    this.#sources = new Int32Array(options.sources * sourceWords);
    this.#sourceMask = options.sources - 2;
    this.#cap = options.perSourceCap;
    this.#seed = options.seed;
  }

  /** A name for a source that means nothing outside this process. */
  key(high: number, low: number): number {
    return mix(mix(high ^ this.#seed) ^ low) | 0;
  }

  /**
   * @param now ticks of the event
   * @param upTicks how long the collector has looked
   * @returns a set of `sighting` bits
   */
  see(
    slot: number,
    key: number,
    now: number,
    bucket: number,
    ttlSeconds: number,
    isTcp: boolean,
    upTicks: number,
  ): number {
    const tag = mix(key ^ Math.imul(slot + 1, 0x9e3779b1)) | 1;
    const pairs = this.#pairs;
    let at = ((tag >>> 1) & this.#pairMask) * pairWords;
    let result = 0;
    if (pairs[at + pair.tag] !== tag || pairs[at + pair.slot] !== slot) {
      const other = at + pairWords;
      if (pairs[other + pair.tag] === tag && pairs[other + pair.slot] === slot) at = other;
      else {
        // The emptier or older of the two makes room.
        if (
          pairs[at + pair.tag] !== 0 &&
          (pairs[other + pair.tag] === 0 || pairs[other + pair.counted]! < pairs[at + pair.counted]!)
        ) {
          at = other;
        }
        if (pairs[at + pair.tag] !== 0) this.evicted += 1;
        pairs[at + pair.tag] = tag;
        pairs[at + pair.slot] = slot;
        pairs[at + pair.counted] = now;
        pairs[at + pair.bucket] = bucket;
        this.#pairFloats[at + pair.asked] = 1;
        this.#pairFloats[at + pair.idle] = Math.min(memorySeconds, Math.max(upTicks / ticksPerSecond, 1));
        return sighting.newInBucket | this.#judge(key, now, bucket, isTcp);
      }
    }
    if (pairs[at + pair.bucket] !== bucket) {
      pairs[at + pair.bucket] = bucket;
      result = sighting.newInBucket;
    }
    const gap = now - pairs[at + pair.counted]!;
    const window =
      ttlSeconds < shortestWindowSeconds
        ? shortestWindowSeconds
        : ttlSeconds > longestWindowSeconds
          ? longestWindowSeconds
          : ttlSeconds;
    if (gap < window * ticksPerSecond) return result;
    const idle = gap / ticksPerSecond - ttlSeconds;
    // Asking before the TTL is over is prefetching or a second cache: it says nothing about demand.
    if (idle >= 0) {
      this.#pairFloats[at + pair.asked]! += 1;
      this.#pairFloats[at + pair.idle]! += idle < shortestIdleSeconds ? shortestIdleSeconds : idle;
    }
    pairs[at + pair.counted] = now;
    return result | this.#judge(key, now, bucket, isTcp);
  }

  /** An event that is no duplicate: does its source still count in this bucket, and is it established? */
  #judge(key: number, now: number, bucket: number, isTcp: boolean): number {
    const sources = this.#sources;
    const tag = key | 1;
    const minute = (now / (60 * ticksPerSecond)) | 0;
    let at = ((key >>> 1) & this.#sourceMask) * sourceWords;
    if (sources[at + source.tag] !== tag) {
      const other = at + sourceWords;
      if (sources[other + source.tag] === tag) at = other;
      else {
        if (
          sources[at + source.tag] !== 0 &&
          (sources[other + source.tag] === 0 || sources[other + source.minutes]! < sources[at + source.minutes]!)
        ) {
          at = other;
        }
        sources.fill(0, at, at + sourceWords);
        sources[at + source.tag] = tag;
        sources[at + source.lastMinute] = -1;
      }
    }
    if (sources[at + source.lastMinute] !== minute) {
      sources[at + source.lastMinute] = minute;
      if (sources[at + source.minutes]! < validated) sources[at + source.minutes]! += 1;
    }
    if (isTcp) sources[at + source.minutes] = validated;
    if (sources[at + source.bucket] !== bucket) {
      sources[at + source.bucket] = bucket;
      sources[at + source.answers] = 0;
    }
    if (sources[at + source.answers]! >= this.#cap) return sighting.capped;
    sources[at + source.answers]! += 1;
    return sources[at + source.minutes]! >= establishedMinutes
      ? sighting.counts | sighting.established
      : sighting.counts;
  }

  /**
   * Demand behind each hosted VM's resolvers, in client queries per second: the sum over sources of asked / idle time
   * (`dns.md` 6, after cache-gap methods: Wills et al., IMC 2003). Also forgets a little; call it once a bucket.
   * @param into by hosted VM number; filled anew
   */
  estimate(now: number, elapsedSeconds: number, ttlOf: Uint16Array, into: Float64Array): void {
    into.fill(0);
    const kept = Math.exp(-elapsedSeconds / memorySeconds);
    const pairs = this.#pairs;
    const floats = this.#pairFloats;
    for (let at = 0; at < pairs.length; at += pairWords) {
      if (pairs[at + pair.tag] === 0) continue;
      const slot = pairs[at + pair.slot]!;
      const since = (now - pairs[at + pair.counted]!) / ticksPerSecond - (ttlOf[slot] ?? 0);
      const asked = floats[at + pair.asked]!;
      if (asked < forgottenBelow && since > memorySeconds) {
        pairs[at + pair.tag] = 0;
        continue;
      }
      const idle = floats[at + pair.idle]! + (since > 0 ? since : 0);
      into[slot]! += asked / Math.max(idle, shortestIdleSeconds);
      floats[at + pair.asked] = asked * kept;
      floats[at + pair.idle] = floats[at + pair.idle]! * kept;
    }
  }

  /** Forgets the pairs of hosted VMs that are no longer registered. */
  forget(slots: ReadonlySet<number>): void {
    for (let at = 0; at < this.#pairs.length; at += pairWords) {
      if (slots.has(this.#pairs[at + pair.slot]!)) this.#pairs[at + pair.tag] = 0;
    }
  }

  /** Keys of the established sources, to be found again after a restart. They mean nothing without the seed. */
  established(): Int32Array {
    const keys: number[] = [];
    for (let at = 0; at < this.#sources.length; at += sourceWords) {
      if (this.#sources[at + source.minutes]! >= establishedMinutes) keys.push(this.#sources[at + source.tag]!);
    }
    return Int32Array.from(keys);
  }

  restore(keys: Int32Array): void {
    for (const key of keys) {
      const at = ((key >>> 1) & this.#sourceMask) * sourceWords;
      const free = this.#sources[at + source.tag] === 0 ? at : at + sourceWords;
      this.#sources[free + source.tag] = key;
      this.#sources[free + source.minutes] = establishedMinutes;
      this.#sources[free + source.lastMinute] = -1;
      this.#sources[free + source.bucket] = -1;
    }
  }
}
