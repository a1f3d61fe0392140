import type { Contender, Fit } from '../planning/backtest/rolling.ts';
import type { ModelState } from '../planning/forecast/model.ts';
import { fitsIn, modelNamed, refitSteps, windowSteps } from '../planning/forecast/models.ts';
import type { ModelOptions } from '../planning/forecast/models.ts';
import type { Forecaster } from '../ports/forecaster.ts';
import { Ending, exitCodes } from './exit.ts';

/** How the product would run this model: its own daily, a library at every forecast (the reference compares it so). */
export function contenderOf(name: string, stepMs: number, options: ModelOptions): Contender {
  let model;
  try {
    model = modelNamed(name, options);
  } catch (error) {
    throw new Ending(exitCodes.usage, error instanceof Error ? error.message : String(error), { cause: error });
  }
  return { model, refitSteps: refitSteps(name, stepMs), windowSteps: windowSteps(name, stepMs) };
}

/** Fits in a thread, so that Ctrl-C is heard. */
export function fitBy(forecaster: Forecaster, horizonSteps: number, signal?: AbortSignal): Fit {
  return async (model, history, previous) => {
    if (fitsIn(model) === 'place') return inPlace()(model, history, previous);
    try {
      const outcome = await forecaster.fit({ model, history, previous, horizonSteps }, signal);
      if (outcome.kind === 'unfit') return { fitted: outcome, cpuMs: outcome.cpuMs };
      return { fitted: outcome.state, cpuMs: outcome.cpuMs };
    } catch (error) {
      if (signal?.aborted === true) return { fitted: { kind: 'unfit', why: 'stopped' }, cpuMs: 0 };
      throw error;
    }
  };
}

/** For models that cost nothing, and the reference. */
export function inPlace(): Fit {
  return (model, history, previous: ModelState | undefined) => {
    const started = cpuNowMs();
    const fitted = modelNamed(model).fit(history, previous);
    return Promise.resolve({ fitted, cpuMs: cpuNowMs() - started });
  };
}

/** CPU of this process so far, all its threads together: nothing else runs while a model predicts. */
export function cpuNowMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
