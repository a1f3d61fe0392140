/** Sketches: fixed memory per hosted VM and bucket, whatever the number of sources. Kept in pools that are reused. */

/** Registers of a HyperLogLog: 2^10 gives an error of 1.04/sqrt(1024) = 3.3 %. */
const hllBits = 10;
const registers = 1 << hllBits;
const alpha = 0.7213 / (1 + 1.079 / registers);
const inverse = new Float64Array(64).map((_, rank) => 2 ** -rank);

/** Up to this many sources are kept as they are, in one cache line; most hosted VMs never see more in ten seconds. */
const few = 16;

/** HyperLogLog (Flajolet et al. 2007) with linear counting for small sets: one kilobyte, once there are more than a few. */
export class HyperLogLogs {
  #registers = new Uint8Array(0);
  #dense = 0;
  #hashes = new Uint32Array(0);
  /** How many hashes a sketch has, or minus one minus the number of its registers. */
  #state = new Int32Array(0);
  #used = 0;

  /** A cleared one. @returns its number */
  take(): number {
    if (this.#used === this.#state.length) {
      const capacity = Math.max(64, Math.ceil(this.#used * 1.5));
      this.#state = grown(this.#state, new Int32Array(capacity));
      this.#hashes = grown(this.#hashes, new Uint32Array(capacity * few));
    }
    this.#state[this.#used] = 0;
    this.#used += 1;
    return this.#used - 1;
  }

  /** @param hash 32 well-mixed bits of the source */
  add(which: number, hash: number): void {
    const state = this.#state[which]!;
    if (state < 0) {
      this.#register(-1 - state, hash);
      return;
    }
    const hashes = this.#hashes;
    const from = which * few;
    const key = hash >>> 0;
    for (let at = from; at < from + state; at += 1) if (hashes[at] === key) return;
    if (state < few) {
      hashes[from + state] = key;
      this.#state[which] = state + 1;
      return;
    }
    const dense = this.#takeDense();
    this.#state[which] = -1 - dense;
    for (let at = from; at < from + few; at += 1) this.#register(dense, hashes[at]!);
    this.#register(dense, hash);
  }

  #takeDense(): number {
    const from = this.#dense * registers;
    if (from === this.#registers.length) {
      const capacity = Math.max(64, Math.ceil(this.#dense * 1.5)) * registers;
      this.#registers = grown(this.#registers, new Uint8Array(capacity));
    }
    this.#registers.fill(0, from, from + registers);
    this.#dense += 1;
    return this.#dense - 1;
  }

  #register(dense: number, hash: number): void {
    const at = dense * registers + (hash >>> (32 - hllBits));
    // The guard bit ends the run of zeros where the hash ends.
    const rank = Math.clz32((hash << hllBits) | (1 << (hllBits - 1))) + 1;
    if (this.#registers[at]! < rank) this.#registers[at] = rank;
  }

  estimate(which: number): number {
    const state = this.#state[which]!;
    if (state >= 0) return state;
    let sum = 0;
    let zeros = 0;
    const end = -state * registers;
    for (let at = end - registers; at < end; at += 1) {
      const rank = this.#registers[at]!;
      sum += inverse[rank]!;
      if (rank === 0) zeros += 1;
    }
    const estimate = (alpha * registers * registers) / sum;
    return estimate <= 2.5 * registers && zeros > 0 ? registers * Math.log(registers / zeros) : estimate;
  }

  clear(): void {
    this.#used = 0;
    this.#dense = 0;
  }
}

function grown<Words extends Uint8Array | Uint32Array | Int32Array>(old: Words, larger: Words): Words {
  larger.set(old);
  return larger;
}

/** Counters of a space-saving sketch: a source with more than an eighth of the answers is always among them. */
const counters = 8;
const stride = counters * 3;

/** Space-saving top sources (Metwally et al. 2005): key, count and how much of the count may belong to others. */
export class SpaceSavings {
  #words = new Uint32Array(0);
  #used = 0;

  take(): number {
    const from = this.#used * stride;
    if (from + stride > this.#words.length) {
      const larger = new Uint32Array(Math.max(64, Math.ceil(this.#used * 1.5)) * stride);
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#words.fill(0, from, from + stride);
    this.#used += 1;
    return this.#used - 1;
  }

  add(which: number, key: number): void {
    const words = this.#words;
    const from = which * stride;
    let least = from;
    for (let at = from; at < from + counters; at += 1) {
      const count = words[at + counters]!;
      if (words[at] === key && count > 0) {
        words[at + counters] = count + 1;
        return;
      }
      if (count < words[least + counters]!) least = at;
    }
    const count = words[least + counters]!;
    words[least] = key;
    words[least + counters] = count + 1;
    words[least + 2 * counters] = count;
  }

  /** What the largest source certainly sent: never more than the truth, so that many equal sources show no top. */
  top(which: number): number {
    let top = 0;
    const from = which * stride;
    for (let at = from; at < from + counters; at += 1) {
      top = Math.max(top, this.#words[at + counters]! - this.#words[at + 2 * counters]!);
    }
    return top;
  }

  clear(): void {
    this.#used = 0;
  }
}

/** Mixes 32 bits (Murmur3's finalizer): every bit of the input moves every bit of the output. */
export function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
}
