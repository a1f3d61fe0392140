import { utcOffsetMs } from '../../domain/local-time.ts';
import type { DemandSeries } from '../../domain/demand.ts';
import type { HostedVmSpec } from '../../domain/policy.ts';
import type { Reason } from '../../domain/reason.ts';
import { hourMs } from '../../domain/time.ts';
import { withEvents, withoutEvents } from './events.ts';
import { knownSteps } from './history.ts';
import type { ForecastModel, ModelState, QuantileForecast } from './model.ts';
import { allModels } from './models.ts';
import { naive, seasonalNaive } from './seasonal-naive.ts';

/** Which model spoke and why this one; `forecast` has the events of the inventory in it, and is null when nothing can be said. */
export type SpokenForecast = { readonly forecast: QuantileForecast | null; readonly reason: Reason };

/** What forecasting one hosted VM's demand looks at. */
export type ForecastInput = {
  readonly spec: Pick<HostedVmSpec, 'events'>;
  /** Newest demand up to now, NaN where missing; may be empty. */
  readonly recent: DemandSeries;
  /** The chosen model's fitted state; undefined before the first fit. */
  readonly state?: ModelState | undefined;
  /** Models whose states can be met; `state.model` names one. */
  readonly models?: readonly ForecastModel[] | undefined;
  /** 6 h unless told. */
  readonly horizonMs?: number | undefined;
};

/** The forecast of the model whose state this is, else of the best simple one that the demand allows. */
export function forecastDemand(input: ForecastInput): SpokenForecast {
  // Models see demand as it would be on an ordinary day: an event under way must not be counted twice.
  const { events } = input.spec;
  const { forecast, reason } = forecastWith({ ...input, recent: withoutEvents(input.recent, events) });
  return { forecast: forecast === null ? null : withEvents(forecast, events), reason };
}

function forecastWith(input: ForecastInput): SpokenForecast {
  const { recent, state, models = [], horizonMs = 6 * hourMs } = input;
  const horizonSteps = Math.max(1, Math.round(horizonMs / recent.stepMs));
  const model = models.find(({ name }) => name === state?.model);
  const readable = state !== undefined && (model?.understands?.(state) ?? true);
  if (readable && model !== undefined && knownSteps(recent.qps) > 0) {
    const reason: Reason = { code: 'model-chosen', text: `${model.name} was chosen by backtest on this demand` };
    return { forecast: model.predict(state, recent, horizonSteps), reason };
  }
  for (const simple of [seasonalNaive('week'), seasonalNaive('day'), naive]) {
    if (knownSteps(recent.qps) < simple.historySteps(recent.stepMs).least * 0.9) continue;
    const fitted = simple.fit(recent);
    if ('kind' in fitted) continue;
    const reason: Reason = {
      code: 'model-simple',
      text: `${simple.name}: no model has been chosen for this demand yet`,
    };
    return { forecast: simple.predict(fitted, recent, horizonSteps), reason };
  }
  return {
    forecast: null,
    reason: {
      code: 'no-forecast',
      text: 'less than 2 h of demand is known; only demand now decides',
      facts: { known: knownSteps(recent.qps) },
    },
  };
}

/** A forecast that is asked for: structurally the `PredictJob` of the port. */
export type PredictionInput = {
  readonly state: string | undefined;
  readonly recent: DemandSeries;
  readonly horizonMs: number;
  readonly spec: Pick<HostedVmSpec, 'events' | 'timeZone'>;
};

/** Reads the state and lets its model speak: some 40 ms while it is cold, so a thread does it. */
export function predict({ state, recent, horizonMs, spec }: PredictionInput): SpokenForecast {
  const fitted = state === undefined ? undefined : (JSON.parse(state) as ModelState);
  const horizonSteps = horizonMs / recent.stepMs;
  // A state is read as it was fitted: by the local time of then.
  const local = fitted === undefined ? {} : { utcOffsetMs: utcOffsetMs(fitted.fittedAt, spec.timeZone) };
  return forecastDemand({ spec, recent, horizonMs, state: fitted, models: allModels({ horizonSteps, ...local }) });
}
