import { Piscina } from 'piscina';
import { ProviderError } from '../../ports/errors.ts';
import type { FitJob, FitOutcome, Forecaster } from '../../ports/forecaster.ts';
import { allModels } from '../../planning/forecast/models.ts';

export type ThreadOptions = {
  /** Threads at most; one is enough for 10,000 hosted VMs. */
  readonly threads?: number;
  /** Fits that may wait; beyond it `fit` rejects, and the caller tries again at the next tick. */
  readonly waiting?: number;
};

/** Megabytes a thread's heap may grow to. Four weeks of 5-minute steps and a WASM library take about 150. */
const threadHeapMiB = 512;

/** A pool of worker threads that fit models, so that no event loop waits for one. Threads start on first use and end when idle. */
export function threadForecaster({ threads = 1, waiting = 4_096 }: ThreadOptions = {}): Forecaster {
  const source = import.meta.url.endsWith('.ts');
  const task = new URL(source ? './fit.thread.ts' : './fit.thread.js', import.meta.url).href;
  const pool = new Piscina({
    filename: source ? new URL('../../../tools/typescript-thread.mjs', import.meta.url).href : task,
    workerData: { module: task },
    minThreads: 0,
    maxThreads: threads,
    maxQueue: waiting,
    idleTimeout: 30_000,
    concurrentTasksPerWorker: 1,
    resourceLimits: { maxOldGenerationSizeMb: threadHeapMiB },
  });
  const models = allModels().map(({ name }) => name);
  return {
    models,
    async fit(job: FitJob, signal?: AbortSignal): Promise<FitOutcome> {
      const about = { provider: 'forecaster', operation: 'fit', target: job.model };
      if (!models.includes(job.model)) {
        throw new ProviderError({
          ...about,
          failureClass: 'permanent',
          message: `there is no such model; there are ${models.join(', ')}`,
        });
      }
      try {
        return (await pool.run(job, signal === undefined ? {} : { signal })) as FitOutcome;
      } catch (error) {
        signal?.throwIfAborted();
        const message = error instanceof Error ? error.message : String(error);
        throw new ProviderError({ ...about, failureClass: 'transient', message }, { cause: error });
      }
    },
    close: () => pool.destroy(),
  };
}
