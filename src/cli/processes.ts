import type { Forecaster } from '../ports/forecaster.ts';

/** Every process, put together: loaded when it is asked for, because `umbra list` should not wait for Temporal's native code. */
export async function composition() {
  return await import('../composition.ts');
}

/** Fits models in threads, so that Ctrl-C is heard. */
export async function openForecaster(): Promise<Forecaster> {
  return (await import('../composition/forecaster.ts')).openForecaster();
}
