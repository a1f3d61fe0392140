import { hourMs } from '../../domain/time.ts';
import { autoModel } from './auto.ts';
import { stepsPerDay } from './history.ts';
import type { ForecastModel } from './model.ts';
import { ownModel } from './own/own.ts';
import { pathModel } from './path.ts';
import { naive, seasonalNaive } from './seasonal-naive.ts';

export type ModelOptions = { readonly utcOffsetMs?: number; readonly horizonSteps?: number };

type Registered = {
  readonly make: (options: ModelOptions) => ForecastModel;
  /** `place`: fits in a moment where it is asked for; `thread`: takes seconds of CPU; `library`: another's code, in a thread. */
  readonly fits: 'place' | 'thread' | 'library';
  /** Days of history it is given, below hourly steps and from hourly steps on. */
  readonly windowDays: { readonly fine: number; readonly hourly: number };
  /** Days between two fits; 0: before every forecast. */
  readonly refitDays: number;
};

/** As in the published comparison of the libraries: 14 days below hourly, 42 hourly. */
const published = { fine: 14, hourly: 42 };
/** A weekly season wants three turns. */
const threeWeeks = { fine: 21, hourly: 42 };
/** Ours go on learning from what is older. */
const long = { fine: 50, hourly: 110 };

const library = (name: string, windowDays = published) =>
  ({ make: () => pathModel(name), fits: 'library', windowDays, refitDays: 0 }) as const;

/** Every model whose state an evaluation may meet: how it is made, fitted, and how much it is given. */
const registry = {
  auto: { make: (options) => autoModel(ownModels(options)), fits: 'thread', windowDays: long, refitDays: 1 },
  naive: { make: () => naive, fits: 'place', windowDays: published, refitDays: 0 },
  'seasonal-naive-day': { make: () => seasonalNaive('day'), fits: 'place', windowDays: published, refitDays: 0 },
  'seasonal-naive-week': { make: () => seasonalNaive('week'), fits: 'place', windowDays: threeWeeks, refitDays: 0 },
  umbra: { make: ownModel, fits: 'thread', windowDays: long, refitDays: 1 },
  ets: library('ets'),
  mstl: library('mstl'),
  'mstl-week': library('mstl-week', threeWeeks),
  prophet: library('prophet'),
  arima: library('arima'),
} as const satisfies Readonly<Record<string, Registered>>;

export type ModelName = keyof typeof registry;
export type LibraryModelName = {
  [N in ModelName]: (typeof registry)[N]['fits'] extends 'library' ? N : never;
}[ModelName];

export const modelNames = Object.keys(registry) as readonly ModelName[];

/** Models that fit and predict here, without a library; `auto` chooses among them. */
export function ownModels(options: ModelOptions = {}): ForecastModel[] {
  const own = ['naive', 'seasonal-naive-day', 'seasonal-naive-week', 'umbra'] as const;
  return own.map((name) => modelNamed(name, options));
}

export function allModels(options: ModelOptions = {}): ForecastModel[] {
  return modelNames.map((name) => registry[name].make(options));
}

/** The model of that name. @throws when there is none: the names are listed */
export function modelNamed(name: string, options: ModelOptions = {}): ForecastModel {
  return registered(name).make(options);
}

/** What the product uses when nothing else is asked for. */
export function productModel(options: ModelOptions = {}): ForecastModel {
  return modelNamed('auto', options);
}

export function fitsIn(name: string): Registered['fits'] {
  return registered(name).fits;
}

export function isLibraryModel(name: string): name is LibraryModelName {
  return name in registry && fitsIn(name) === 'library';
}

/** Steps of history the model is given at this step width. */
export function windowSteps(name: string, stepMs: number): number {
  const { fine, hourly } = registered(name).windowDays;
  return (stepMs >= hourMs ? hourly : fine) * stepsPerDay(stepMs);
}

/** Steps between two fits; 0: before every forecast. */
export function refitSteps(name: string, stepMs: number): number {
  return registered(name).refitDays * stepsPerDay(stepMs);
}

function registered(name: string): Registered {
  if (name in registry) return registry[name as ModelName];
  throw new Error(`no model is called "${name}"; there are ${modelNames.join(', ')}`);
}
