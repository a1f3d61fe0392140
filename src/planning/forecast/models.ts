import { autoModel } from './auto.ts';
import type { ForecastModel } from './model.ts';
import { ownModel } from './own/own.ts';
import { pathModel } from './path.ts';
import { naive, seasonalNaive } from './seasonal-naive.ts';

export type ModelOptions = { readonly utcOffsetMs?: number; readonly horizonSteps?: number };

/** Models that fit and predict here, without a library. */
export function ownModels(options: ModelOptions = {}): ForecastModel[] {
  return [naive, seasonalNaive('day'), seasonalNaive('week'), ownModel(options)];
}

/** Models that libraries fit in threads; here they only read what was fitted. */
export const libraryModelNames = ['ets', 'mstl', 'mstl-week', 'prophet', 'arima'] as const;

/** Every model whose state an evaluation may meet. */
export function allModels(options: ModelOptions = {}): ForecastModel[] {
  return [productModel(options), ...ownModels(options), ...libraryModelNames.map((name) => pathModel(name))];
}

/** The model of that name. @throws when there is none: the names are listed */
export function modelNamed(name: string, options: ModelOptions = {}): ForecastModel {
  const models = allModels(options);
  const model = models.find((candidate) => candidate.name === name);
  if (model === undefined) {
    throw new Error(`no model is called "${name}"; there are ${models.map((candidate) => candidate.name).join(', ')}`);
  }
  return model;
}

/** What the product uses when nothing else is asked for. */
export function productModel(options: ModelOptions = {}): ForecastModel {
  return autoModel(ownModels(options));
}
