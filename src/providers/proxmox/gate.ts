/** Lets a bounded number of calls through at once; urgent ones go to the head of the queue. */
export class Gate {
  readonly #limit: number;
  #inside = 0;
  readonly #urgent: (() => void)[] = [];
  readonly #others: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  async pass<T>(work: () => Promise<T>, urgent = false): Promise<T> {
    if (this.#inside >= this.#limit) {
      await new Promise<void>((enter) => (urgent ? this.#urgent : this.#others).push(enter));
    } else {
      this.#inside += 1;
    }
    try {
      return await work();
    } finally {
      // The place is handed over, not given back, so that nobody slips in between.
      const next = this.#urgent.shift() ?? this.#others.shift();
      if (next === undefined) this.#inside -= 1;
      else next();
    }
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
