import type { Forecaster } from '../ports/forecaster.ts';
import { threadForecaster } from '../providers/forecasting/threads.ts';

/** What the worker fits models with, for the command line: it loads nothing else of composition. */
export function openForecaster(): Forecaster {
  return threadForecaster();
}
