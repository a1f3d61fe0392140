import type { EpochMs } from '../domain/time.ts';

/** Time and timers, so that tests can bring their own. */
export type Clock = {
  now(): EpochMs;
  /** Calls back after a while; the function it returns calls that off. */
  after(ms: number, then: () => void): () => void;
};

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, then) => {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};
