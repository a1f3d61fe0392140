import type { DemandStore } from '../ports/demand-store.ts';
import { ProviderError } from '../ports/errors.ts';
import type { CollectorLog } from './log.ts';
import type { Spool } from './spool.ts';

/** A store that is away is asked again after one second, then more rarely; when it is back an hour's spool is there in minutes. */
const firstRetryMs = 1_000;
const longestRetryMs = 10_000;

/** Sends spooled batches to the store, oldest first, one at a time, until told to stop. */
export class Delivery {
  readonly #spool: Spool;
  readonly #store: Pick<DemandStore, 'write'>;
  readonly #log: CollectorLog;
  #stopped = false;
  #wake: (() => void) | undefined;
  #news = false;
  readonly #running: Promise<void>;
  /** Since when the store does not answer, by the wall clock of the attempts; undefined when it does. */
  failing: { readonly attempts: number; readonly why: string } | undefined;
  written = 0;
  repeated = 0;

  constructor(spool: Spool, store: Pick<DemandStore, 'write'>, log: CollectorLog) {
    this.#spool = spool;
    this.#store = store;
    this.#log = log;
    this.#running = this.#run();
  }

  /** There is something new to send. */
  wake(): void {
    this.#news = true;
    this.#wake?.();
  }

  /** Ends after the batch under way. What is left stays in the spool. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#news = false;
      const batch = await this.#spool.oldest();
      if (batch === undefined) {
        await this.#pause(60_000);
        continue;
      }
      try {
        const outcome = await this.#store.write(batch);
        this[outcome] += 1;
        if (this.failing !== undefined) this.#log('info', `the store is back after ${this.failing.attempts} attempts`);
        this.failing = undefined;
        await this.#spool.remove(batch);
      } catch (error) {
        await this.#failed(batch, error);
      }
    }
  }

  async #failed(batch: Parameters<Spool['reject']>[0], error: unknown): Promise<void> {
    const why = error instanceof Error ? error.message : String(error);
    // Only a batch that is itself wrong is given up; a store without its schema or a wrong token is mended by a human.
    if (error instanceof ProviderError && error.failureClass === 'invalid') {
      await this.#spool.reject(batch, why);
      return;
    }
    const attempts = (this.failing?.attempts ?? 0) + 1;
    if (attempts === 1) this.#log('warn', `the store takes no demand, spooling to disk: ${why}`);
    this.failing = { attempts, why };
    await this.#pause(Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(attempts - 1, 6)));
  }

  async #pause(ms: number): Promise<void> {
    if (this.#stopped || (this.#news && this.failing === undefined)) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      // A new batch is no reason to ask a failing store sooner; the end of the collector is.
      this.#wake = () => {
        if (this.failing !== undefined && !this.#stopped) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}
