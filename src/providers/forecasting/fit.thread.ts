import { modelNamed } from '../../planning/forecast/models.ts';
import type { FitJob, FitOutcome } from '../../ports/forecaster.ts';
import { fitLibrary, libraryModels } from './library-models.ts';
import type { LibraryModel } from './library-models.ts';

/** One fit in a worker thread. The answer is plain JSON. */
export default async function fit(job: FitJob): Promise<FitOutcome> {
  const before = process.cpuUsage();
  const library = libraryModels.find((name) => name === job.model);
  const state =
    library === undefined
      ? modelNamed(job.model, {
          horizonSteps: job.horizonSteps,
          ...(job.utcOffsetMs === undefined ? {} : { utcOffsetMs: job.utcOffsetMs }),
        }).fit(job.history, job.previous)
      : await fitQuietly(library, job);
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1000;
  return 'kind' in state ? { ...state, cpuMs } : { kind: 'fitted', state, cpuMs };
}

/** A library that cannot fit a series (its optimiser fails, WASM panics) is an unfit model, not a broken thread. */
async function fitQuietly(model: LibraryModel, job: FitJob): ReturnType<typeof fitLibrary> {
  try {
    return await fitLibrary(model, job.history, job.horizonSteps);
  } catch (error) {
    return {
      kind: 'unfit',
      why: `${model} failed on this history: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}
