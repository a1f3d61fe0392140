/**
 * The simulator's only source of time. `sleep` is work somebody waits for (a task, a delayed answer); `every` is the
 * cluster's own heartbeat and never keeps virtual time moving by itself.
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after this time, or as soon as `awake` aborts. */
  sleep(ms: number, awake?: AbortSignal): Promise<void>;
  /** Runs `tick` at this period until the returned function is called. */
  every(periodMs: number, tick: () => void): () => void;
  close(): void;
}

export class RealClock implements Clock {
  readonly #timers = new Set<NodeJS.Timeout>();

  now(): number {
    return Date.now();
  }

  sleep(ms: number, awake?: AbortSignal): Promise<void> {
    if (ms <= 0 || awake?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#timers.delete(timer);
        awake?.removeEventListener('abort', end);
        resolve();
      };
      // A timer cannot wait longer than 2^31 ms; nothing here lasts 24 days.
      const timer = setTimeout(end, Math.min(ms, 2 ** 31 - 1));
      this.#timers.add(timer);
      awake?.addEventListener('abort', end);
    });
  }

  every(periodMs: number, tick: () => void): () => void {
    const timer = setInterval(tick, periodMs);
    timer.unref();
    this.#timers.add(timer);
    return () => {
      clearInterval(timer);
      this.#timers.delete(timer);
    };
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}

type Alarm = { at: number; readonly order: number; readonly background: boolean; readonly ring: () => void };

/**
 * Time that jumps: as soon as somebody sleeps, the clock moves to the next alarm. Tasks of minutes end at once and in
 * the order they would have ended in. `advance` moves it by hand, for what happens while nobody waits.
 */
export class VirtualClock implements Clock {
  #now: number;
  #alarms: Alarm[] = [];
  #order = 0;
  #jumping = false;
  #closed = false;

  constructor(startMs: number) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  sleep(ms: number, awake?: AbortSignal): Promise<void> {
    if (ms <= 0 || awake?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        this.#alarms = this.#alarms.filter((other) => other !== alarm);
        awake?.removeEventListener('abort', end);
        resolve();
      };
      const alarm: Alarm = { at: this.#now + ms, order: this.#order++, background: false, ring: end };
      this.#alarms.push(alarm);
      awake?.addEventListener('abort', end);
      this.#jumpSoon();
    });
  }

  every(periodMs: number, tick: () => void): () => void {
    const alarm: Alarm = {
      at: this.#now + periodMs,
      order: this.#order++,
      background: true,
      ring: () => {
        tick();
        alarm.at += periodMs;
        this.#alarms.push(alarm);
      },
    };
    this.#alarms.push(alarm);
    return () => {
      this.#alarms = this.#alarms.filter((other) => other !== alarm);
    };
  }

  /** Lets this much time pass, ringing every alarm on the way. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (let next = this.#next(); next !== undefined && next.at <= end; next = this.#next()) {
      this.#ring(next);
      await new Promise(setImmediate);
    }
    this.#now = Math.max(this.#now, end);
  }

  close(): void {
    this.#closed = true;
    this.#alarms = [];
  }

  #next(): Alarm | undefined {
    return this.#alarms.reduce<Alarm | undefined>(
      (first, alarm) =>
        first === undefined || alarm.at < first.at || (alarm.at === first.at && alarm.order < first.order)
          ? alarm
          : first,
      undefined,
    );
  }

  #ring(alarm: Alarm): void {
    this.#alarms = this.#alarms.filter((other) => other !== alarm);
    this.#now = Math.max(this.#now, alarm.at);
    alarm.ring();
  }

  /** One turn of the event loop between jumps, so that whoever woke can act before the next one wakes. */
  #jumpSoon(): void {
    if (this.#jumping) return;
    this.#jumping = true;
    setImmediate(() => {
      this.#jumping = false;
      if (this.#closed || !this.#alarms.some((alarm) => !alarm.background)) return;
      const next = this.#next();
      if (next) this.#ring(next);
      if (this.#alarms.some((alarm) => !alarm.background)) this.#jumpSoon();
    });
  }
}
