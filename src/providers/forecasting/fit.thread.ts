import { isLibraryModel, modelNamed } from '../../planning/forecast/models.ts';
import type { FitJob, FitOutcome } from '../../ports/forecaster.ts';
import type { LibraryModelName } from '../../planning/forecast/models.ts';
import { fitLibrary } from './library-models.ts';

/** One fit in a worker thread. The answer is plain JSON. */
export default async function fit(job: FitJob): Promise<FitOutcome> {
  const before = process.cpuUsage();
  const state = isLibraryModel(job.model)
    ? await fitQuietly(job.model, job)
    : modelNamed(job.model, {
        horizonSteps: job.horizonSteps,
        ...(job.utcOffsetMs === undefined ? {} : { utcOffsetMs: job.utcOffsetMs }),
      }).fit(job.history, job.previous);
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1000;
  return 'kind' in state ? { ...state, cpuMs } : { kind: 'fitted', state, cpuMs };
}

/** A library that cannot fit a series (its optimiser fails, WASM panics) is an unfit model, not a broken thread. */
async function fitQuietly(model: LibraryModelName, job: FitJob): ReturnType<typeof fitLibrary> {
  try {
    return await fitLibrary(model, job.history, job.horizonSteps);
  } catch (error) {
    return {
      kind: 'unfit',
      why: `${model} failed on this history: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}
