/** Rounds in the background: one at a time, never faster than asked for, ended by `stop`. */
export type Loop = {
  /** A round soon: at once, or after the one under way, which may have looked too early. */
  wake(): void;
  /** Like `wake`; resolves when that round has ended, and rejects with what it threw. After `stop` it resolves at once. */
  next(): Promise<void>;
  /** Begins no other round. Resolves when the one under way, whose signal is aborted, has ended. */
  stop(): Promise<void>;
};

export type LoopOptions = {
  /** From the begin of one round to the begin of the next; a round that takes longer is followed at once. */
  readonly everyMs: number | (() => number);
  /** Rounds, the first one too, begin at multiples of `everyMs` of wall time plus this. */
  readonly offsetMs?: number;
  /** The first round begins at once unless told. */
  readonly firstAfterMs?: number;
  /** False: the process may end while only this loop waits. */
  readonly holdsProcess?: boolean;
  readonly round: (signal: AbortSignal) => unknown;
  /** Told of a round that threw. The loop goes on. */
  readonly failed: (error: unknown) => void;
};

type Waiter = { readonly resolve: () => void; readonly reject: (error: unknown) => void };

/** The only place that repeats something in the background: whoever does so gets the same start, pace, and end. */
export function startLoop(options: LoopOptions): Loop {
  const { round, failed, everyMs, offsetMs } = options;
  const end = new AbortController();
  const loop: { timer?: NodeJS.Timeout; running?: Promise<void> | undefined; waiting: Waiter[]; again: boolean } = {
    waiting: [],
    again: false,
  };

  const begin = (): void => {
    clearTimeout(loop.timer);
    if (end.signal.aborted) return;
    if (loop.running !== undefined) {
      loop.again = true;
      return;
    }
    const began = performance.now();
    const waiting = loop.waiting.splice(0);
    loop.again = false;
    loop.running = runOnce(waiting).then(() => {
      loop.running = undefined;
      if (end.signal.aborted) for (const { resolve } of loop.waiting.splice(0)) resolve();
      else if (loop.again) begin();
      else plan(began);
    });
  };

  const runOnce = async (waiting: readonly Waiter[]): Promise<void> => {
    try {
      await round(end.signal);
      for (const { resolve } of waiting) resolve();
    } catch (error) {
      failed(error);
      for (const { reject } of waiting) reject(error);
    }
  };

  const plan = (began: number): void => {
    const step = typeof everyMs === 'number' ? everyMs : everyMs();
    beginAfter(offsetMs === undefined ? began + step - performance.now() : step - modulo(Date.now() - offsetMs, step));
  };

  const beginAfter = (ms: number): void => {
    loop.timer = setTimeout(begin, Math.max(0, ms));
    if (options.holdsProcess === false) loop.timer.unref();
  };

  if (offsetMs !== undefined) plan(performance.now());
  else if (options.firstAfterMs !== undefined) beginAfter(options.firstAfterMs);
  else begin();
  return {
    wake: begin,
    next: () => {
      if (end.signal.aborted) return Promise.resolve();
      const ended = new Promise<void>((resolve, reject) => loop.waiting.push({ resolve, reject }));
      begin();
      return ended;
    },
    stop: async () => {
      end.abort();
      clearTimeout(loop.timer);
      await loop.running;
    },
  };
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
