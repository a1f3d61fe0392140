/** Lets a bounded number of calls through at once; urgent ones go to the head of the queue. */
export class Gate {
  readonly #limit: number;
  #inside = 0;
  readonly #urgent = new Set<() => void>();
  readonly #others = new Set<() => void>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @param signal - who waits leaves the queue when it aborts. @throws what `work` throws, or the signal's reason */
  async pass<T>(work: () => Promise<T>, urgent = false, signal?: AbortSignal): Promise<T> {
    if (this.#inside >= this.#limit) await this.#turn(urgent ? this.#urgent : this.#others, signal);
    else this.#inside += 1;
    try {
      return await work();
    } finally {
      // The place is handed over, not given back, so that nobody slips in between.
      const queue = this.#urgent.size > 0 ? this.#urgent : this.#others;
      const [next] = queue;
      if (next === undefined) this.#inside -= 1;
      else {
        queue.delete(next);
        next();
      }
    }
  }

  async #turn(queue: Set<() => void>, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((enter, leave) => {
      const gone = (): void => {
        queue.delete(called);
        leave(signal?.reason as Error);
      };
      const called = (): void => {
        signal?.removeEventListener('abort', gone);
        enter();
      };
      queue.add(called);
      signal?.addEventListener('abort', gone, { once: true });
    });
  }
}

/** Gates by key, made on first use. */
export class Gates {
  readonly #limit: number;
  readonly #gates = new Map<string, Gate>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  of(key: string): Gate {
    let gate = this.#gates.get(key);
    if (gate === undefined) {
      gate = new Gate(this.#limit);
      this.#gates.set(key, gate);
    }
    return gate;
  }
}
