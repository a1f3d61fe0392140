import { bucketMs } from '../domain/demand.ts';
import { dayMs, minuteMs, secondMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';
import type { HostedVmSpec } from '../domain/policy.ts';
import type { BelievedDemand } from '../planning/spawn-guard.ts';
import type { DemandStore } from '../ports/demand-store.ts';
import type { Choice, ForecastStore, StoredForecast } from '../ports/forecast-store.ts';
import type { Prediction, Predictor } from '../ports/forecaster.ts';
import { believeInTurns } from './guarding.ts';
import { historyMs, horizonMs, readEvidence, sinceFirstQuery, stepMs } from './history.ts';
import { keepStates } from './states.ts';

/** A fitted state holds what it needs of the past beyond these: a week and a day, for the same hour a week ago. */
const recentMs = 8 * dayMs;
/** What the spawn guard needs to know what is usual, where nothing is forecast. */
const guardMs = dayMs;
/** A flash crowd is followed in narrow buckets this far back, at least. */
const narrowMs = 2 * stepMs;
/** The newest bucket is complete about this long after it ended: watermark, batch, commit. */
const settleMs = 5 * secondMs;
/** A batch forecasts every five minutes, and takes a while: one that is older was left out and is made by whoever needs it. */
const freshMs = 8 * minuteMs;

export type ForecastingDeps = {
  readonly demand: Pick<DemandStore, 'readMeasures'>;
  readonly forecasts: Pick<ForecastStore, 'stateText' | 'choice' | 'newest'>;
  readonly predictor: Pick<Predictor, 'predict'>;
};

/** How one hosted VM's demand is read and forecast: for its own evaluation, and for a batch over the fleet. */
export type Forecasting = {
  /** Demand as the spawn guard lets decisions see it, as far back as a forecast needs it; or `guard`: as the guard does. */
  believed(hostedVmId: string, choice: Choice | undefined | 'guard', now: EpochMs): Promise<BelievedDemand>;
  /** Forecast of the chosen model, else of a simple one. */
  forecast(
    spec: HostedVmSpec,
    believed: BelievedDemand,
    choice: Choice | undefined,
    signal?: AbortSignal,
  ): Promise<Prediction>;
  /** What a batch has stored a moment ago. */
  stored(hostedVmId: string, choice: Choice | undefined, now: EpochMs): Promise<Prediction | undefined>;
};

export function createForecasting(deps: ForecastingDeps): Forecasting {
  const states = keepStates(deps.forecasts);
  return {
    async believed(hostedVmId, choice, now) {
      const backMs = choice === 'guard' ? guardMs : choice === undefined ? historyMs : recentMs;
      const to = Math.floor(now / stepMs) * stepMs;
      const settled = Math.floor((now - settleMs) / bucketMs) * bucketMs;
      // In steps of five minutes, and the newest minutes in buckets.
      const [history, newest] = await Promise.all([
        readEvidence(deps, { hostedVmId, from: to - backMs, to, stepMs }),
        readEvidence(deps, { hostedVmId, from: to - narrowMs, to: settled, stepMs: bucketMs }),
      ]);
      const believed = await believeInTurns(history, newest);
      return { ...believed, recent: sinceFirstQuery(believed.recent) };
    },
    async forecast(spec, { recent }, choice, signal) {
      const state = choice === undefined ? undefined : await states.of(choice);
      const { events, timeZone } = spec;
      return deps.predictor.predict({ state, recent, horizonMs, spec: { events, timeZone } }, signal);
    },
    async stored(hostedVmId, choice, now) {
      const found = await deps.forecasts.newest(hostedVmId);
      return found === undefined || now - found.at > freshMs ? undefined : predictionOf(found, choice);
    },
  };
}

function predictionOf({ model, start, stepMs: width, values }: StoredForecast, choice: Choice | undefined): Prediction {
  const reason =
    choice === undefined
      ? { code: 'model-simple', text: `${model}: no model has been chosen for this demand yet` }
      : { code: 'model-chosen', text: `${model} was chosen by backtest on this demand` };
  return { forecast: { model, start, stepMs: width, values }, reason };
}
