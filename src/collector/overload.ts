import { performance } from 'node:perf_hooks';
import type { EventLoopUtilization } from 'node:perf_hooks';

/** Judged this often; three bad judgements in a row begin shedding. */
const judgeMs = 100;
const patience = 3;
/** The loop is full, and it is us who fill it: another part of the process is no reason to lose frames. */
const fullLoop = 0.97;
const ownPart = 0.5;
/** Below this there is room to take more again. */
const roomyLoop = 0.85;
const leastKept = 1 / 64;

/**
 * Decides which part of the frames is read when the process cannot keep up. Frames set aside are chosen evenly by a
 * seeded generator, so what is counted is a fair sample, and the share is known.
 */
export class Overload {
  readonly #enabled: boolean;
  #kept = 1;
  #bad = 0;
  #busyMs = 0;
  #last: EventLoopUtilization = performance.eventLoopUtilization();
  #judgedAt = performance.now();
  #random: number;

  constructor(enabled: boolean, seed: number) {
    this.#enabled = enabled;
    this.#random = seed | 1;
  }

  /** Part of the frames that is read: 1 unless overloaded. */
  get kept(): number {
    return this.#kept;
  }

  /** Time spent on one chunk. */
  spent(ms: number): void {
    this.#busyMs += ms;
  }

  /** Whether this frame is set aside. Xorshift (Marsaglia 2003). */
  setAside(): boolean {
    if (this.#kept === 1) return false;
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return (x >>> 0) / 4_294_967_296 >= this.#kept;
  }

  /** Called now and then; cheap. */
  judge(): void {
    const now = performance.now();
    const passed = now - this.#judgedAt;
    if (!this.#enabled || passed < judgeMs) return;
    const current = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(current, this.#last);
    const own = this.#busyMs / passed;
    this.#last = current;
    this.#judgedAt = now;
    this.#busyMs = 0;
    if (utilization > fullLoop && own > ownPart) {
      this.#bad += 1;
      if (this.#bad >= patience) this.#kept = Math.max(leastKept, this.#kept * 0.8);
    } else {
      this.#bad = 0;
      if (utilization < roomyLoop) this.#kept = Math.min(1, this.#kept * 1.1);
    }
  }
}
