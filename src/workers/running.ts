import type { Worker } from '@temporalio/worker';

export type Running = {
  /** Finishes what is being done, for at most the workers' `shutdownForceTime`, and stops. */
  stop(): Promise<void>;
  /** Rejects when a worker dies by itself; resolves after `stop`. */
  readonly done: Promise<void>;
};

/** Runs workers together: when one dies the others end too, because half a worker process helps nobody. */
export function runTogether(workers: readonly Worker[]): Running {
  const runs = workers.map((worker) => worker.run());
  const shutdownAll = (): void => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  const done = Promise.all(runs).then(
    () => undefined,
    async (error: unknown) => {
      shutdownAll();
      await Promise.allSettled(runs);
      throw error;
    },
  );
  // Whoever does not look at `done` still learns of it from `stop`.
  done.catch(() => undefined);
  return {
    async stop() {
      shutdownAll();
      await done;
    },
    done,
  };
}
