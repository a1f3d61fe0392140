import { Piscina } from 'piscina';
import { ProviderError } from '../../ports/errors.ts';
import type { FitJob, FitOutcome, Forecaster, Prediction, Predictor } from '../../ports/forecaster.ts';
import { modelNames } from '../../planning/forecast/models.ts';

export type ThreadOptions = {
  /** Threads at most; one is enough for 10,000 hosted VMs. */
  readonly threads?: number;
  /** Fits that may wait; beyond it `fit` rejects, and the caller tries again at the next tick. */
  readonly waiting?: number;
};

/** Megabytes a thread's heap may grow to. Four weeks of 5-minute steps and a WASM library take about 150. */
const threadHeapMiB = 512;

/** Threads that run `name`.thread; they start on first use and end when they were idle for so long. */
function threadsFor(name: 'fit' | 'predict', idleMs: number, { threads = 1, waiting = 4_096 }: ThreadOptions): Piscina {
  const source = import.meta.url.endsWith('.ts');
  const task = new URL(`./${name}.thread.${source ? 'ts' : 'js'}`, import.meta.url).href;
  return new Piscina({
    filename: source ? new URL('../../../tools/typescript-thread.mjs', import.meta.url).href : task,
    workerData: { module: task },
    minThreads: 0,
    maxThreads: threads,
    maxQueue: waiting,
    idleTimeout: idleMs,
    concurrentTasksPerWorker: 1,
    resourceLimits: { maxOldGenerationSizeMb: threadHeapMiB },
  });
}

function failed(operation: string, target: string, error: unknown): ProviderError {
  const message = error instanceof Error ? error.message : String(error);
  const about = { provider: 'forecaster', operation, target, failureClass: 'transient' } as const;
  return new ProviderError({ ...about, message }, { cause: error });
}

/** A forecast is made every 5 minutes where there is need: a thread that has just become warm is kept till then. */
const predictIdleMs = 6 * 60_000;

/** Threads of their own for forecasts: a first fit takes seconds, and no forecast should wait for it. */
export function threadPredictor(options: ThreadOptions = {}): Predictor {
  const pool = threadsFor('predict', predictIdleMs, options);
  return {
    async predict(job, signal) {
      try {
        return (await pool.run(job, signal === undefined ? {} : { signal })) as Prediction;
      } catch (error) {
        signal?.throwIfAborted();
        throw failed('predict', 'a forecast', error);
      }
    },
    close: () => pool.destroy(),
  };
}

/** A pool of worker threads that fit models, so that no event loop waits for one. Threads start on first use and end when idle. */
export function threadForecaster(options: ThreadOptions = {}): Forecaster {
  const pool = threadsFor('fit', 30_000, options);
  return {
    models: modelNames,
    async fit(job: FitJob, signal?: AbortSignal): Promise<FitOutcome> {
      if (!modelNames.some((name) => name === job.model)) {
        throw new ProviderError({
          ...{ provider: 'forecaster', operation: 'fit', target: job.model, failureClass: 'permanent' },
          message: `there is no such model; there are ${modelNames.join(', ')}`,
        });
      }
      try {
        return (await pool.run(job, signal === undefined ? {} : { signal })) as FitOutcome;
      } catch (error) {
        signal?.throwIfAborted();
        throw failed('fit', job.model, error);
      }
    },
    close: () => pool.destroy(),
  };
}
