import { startLoop } from '../background/loop.ts';
import type { Loop } from '../background/loop.ts';
import { minuteMs } from '../domain/time.ts';
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
  readonly #loop: Loop;
  /** Since when the store does not answer, by the wall clock of the attempts; undefined when it does. */
  failing: { readonly attempts: number; readonly why: string } | undefined;
  written = 0;
  repeated = 0;

  constructor(spool: Spool, store: Pick<DemandStore, 'write'>, log: CollectorLog) {
    this.#spool = spool;
    this.#store = store;
    this.#log = log;
    this.#loop = startLoop({
      everyMs: () =>
        this.failing === undefined
          ? minuteMs
          : Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(this.failing.attempts - 1, 6)),
      round: (signal) => this.#sendAll(signal),
      failed: (error) => log('error', `spool: ${String(error)}; looking again in a minute`),
    });
  }

  /** There is something new to send; no reason to ask a failing store sooner. */
  wake(): void {
    if (this.failing === undefined) this.#loop.wake();
  }

  /** Ends after the batch under way. What is left stays in the spool. */
  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  async #sendAll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const batch = await this.#spool.oldest();
      if (batch === undefined) return;
      try {
        const outcome = await this.#store.write(batch);
        this[outcome] += 1;
      } catch (error) {
        if (await this.#isGivenUp(batch, error)) continue;
        return;
      }
      if (this.failing !== undefined) this.#log('info', `the store is back after ${this.failing.attempts} attempts`);
      this.failing = undefined;
      await this.#spool.remove(batch);
    }
  }

  /** Only a batch that is itself wrong is given up; a store without its schema or a wrong token is mended by a human. */
  async #isGivenUp(batch: Parameters<Spool['reject']>[0], error: unknown): Promise<boolean> {
    const why = error instanceof Error ? error.message : String(error);
    if (error instanceof ProviderError && error.failureClass === 'invalid') {
      await this.#spool.reject(batch, why);
      return true;
    }
    const attempts = (this.failing?.attempts ?? 0) + 1;
    if (attempts === 1) this.#log('warn', `the store takes no demand, spooling to disk: ${why}`);
    this.failing = { attempts, why };
    return false;
  }
}
