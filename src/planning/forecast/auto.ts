import type { DemandSeries } from '../../domain/demand.ts';
import type { Reason } from '../../domain/reason.ts';
import { before, endOf, knownSteps, stepsPerDay } from './history.ts';
import { quantileLevels } from './model.ts';
import type { ForecastModel, ModelState, QuantileForecast, Unfit } from './model.ts';
import { pinball } from './score.ts';
import { tidyQuantiles } from './quantiles.ts';

/** A candidate's past: loss of its honest forecasts, fading with age, over the same steps for all. */
export type Standing = { readonly model: string; readonly loss: number };

/** Which model speaks and why, with the numbers; logged at every switch. */
export type Selection = {
  readonly chosen: string;
  /** Losses relative to seasonal-naive-day (or naive before there is one); lower is better. Empty before there is a comparison. */
  readonly standings: readonly { readonly model: string; readonly relative: number }[];
  readonly reason: Reason;
  /** Set when this fit changed the choice. */
  readonly switchedFrom?: string;
};

type Body = {
  readonly states: readonly ModelState[];
  readonly losses: readonly Standing[];
  readonly selection: Selection;
  /** Why some candidates did not fit. */
  readonly unfit: readonly string[];
};

/** A challenger must be this much better than the model in use: switching for noise costs trust. */
const switchMargin = 0.03;
/** Losses count half after this many days. */
const halfLifeDays = 10;
/** Weights of the ensemble are proportional to (least loss / loss) to this power. */
const ensembleSharpness = 6;

/** The selection stored with a state of `autoModel`; undefined for another model's state. */
export function selectionOf(state: ModelState | undefined): Selection | undefined {
  return state?.model === 'auto' ? (state.body as Body).selection : undefined;
}

/**
 * What the product uses for a hosted VM: several candidates side by side, each judged on what it said of steps it had
 * not seen (rolling origins over this VM's own history), and their quantile average as one more candidate. One that does not
 * beat seasonal-naive is not used; switching needs a margin.
 */
export function autoModel(candidates: readonly ForecastModel[]): ForecastModel {
  const byName = new Map(candidates.map((model) => [model.name, model]));

  const fitAll = (
    history: DemandSeries,
    previous: readonly ModelState[],
  ): { states: ModelState[]; unfit: string[] } => {
    const states: ModelState[] = [];
    const unfit: string[] = [];
    for (const model of candidates) {
      const fitted = model.fit(
        history,
        previous.find((state) => state.model === model.name),
      );
      if ('kind' in fitted) unfit.push(fitted.why);
      else states.push(fitted);
    }
    return { states, unfit };
  };

  return {
    name: 'auto',
    historySteps: (stepMs) => ({
      least: Math.min(...candidates.map((model) => model.historySteps(stepMs).least)),
      useful: Math.max(...candidates.map((model) => model.historySteps(stepMs).useful)),
    }),

    fit(history: DemandSeries, previous?: ModelState): ModelState | Unfit {
      const perDay = stepsPerDay(history.stepMs);
      const carried = previous?.model === 'auto' ? (previous.body as Body) : undefined;
      let old = carried?.states ?? [];
      let from = previous === undefined ? 0 : Math.round((previous.fittedAt - history.start) / history.stepMs);
      if (carried === undefined && history.qps.length > 2.5 * perDay) {
        // The first time: as if it had been fitted a while ago, so that there is something to judge by.
        from = history.qps.length - Math.round(Math.min(4 * perDay, history.qps.length / 4));
        old = fitAll(before(history, from), []).states;
      }
      const losses = judge(byName, old, carried?.losses ?? [], history, from, perDay);
      const { states, unfit } = fitAll(history, old);
      if (states.length === 0) return { kind: 'unfit', why: unfit.join('; ') };
      const selection = choose(
        states.map(({ model }) => model),
        losses,
        carried?.selection.chosen,
        unfit,
        knownSteps(history.qps) / perDay,
      );
      return {
        model: 'auto',
        version: 1,
        fittedAt: endOf(history),
        body: { states, losses, selection, unfit } satisfies Body,
      };
    },

    predict(state: ModelState, recent: DemandSeries, horizonSteps: number): QuantileForecast {
      const { states, losses, selection } = state.body as Body;
      if (selection.chosen === 'ensemble') {
        const members = ensembleMembers(
          losses,
          states.map(({ model }) => model),
        );
        return average(
          members.map(({ model, weight }) => ({
            weight,
            forecast: byName.get(model)!.predict(
              states.find((one) => one.model === model)!,
              recent,
              horizonSteps,
            ),
          })),
        );
      }
      const chosen = states.find(({ model }) => model === selection.chosen) ?? states[0]!;
      return byName.get(chosen.model)!.predict(chosen, recent, horizonSteps);
    },
  };
}

/** Sum of the pinball losses at p50, p90 and p99 of `forecast` against what came. */
function lossOf({ values }: QuantileForecast, actual: readonly number[]): number {
  let sum = 0;
  actual.forEach((value, step) => {
    if (!Number.isFinite(value)) return;
    sum +=
      pinball(value, values[1]![step]!, 0.5) +
      pinball(value, values[2]![step]!, 0.9) +
      pinball(value, values[4]![step]!, 0.99);
  });
  return sum;
}

/** Lets the old states forecast from origins since they were fitted, and adds their losses to the faded earlier ones. */
function judge(
  byName: ReadonlyMap<string, ForecastModel>,
  old: readonly ModelState[],
  earlier: readonly Standing[],
  history: DemandSeries,
  from: number,
  perDay: number,
): Standing[] {
  const count = history.qps.length;
  const horizon = Math.max(1, Math.round(perDay >= 96 ? perDay / 4 : perDay));
  const fade = 0.5 ** (Math.max(0, count - from) / (halfLifeDays * perDay));
  const names = old.map(({ model }) => model).filter((name) => byName.has(name));
  const sums = new Map<string, number>([...names, 'ensemble'].map((name) => [name, 0]));
  const weights = ensembleMembers(earlier, names);
  const every = Math.max(1, Math.round(perDay / 8));
  for (let origin = Math.max(from, 2); origin < count; origin += every) {
    const past = before(history, origin);
    const actual = history.qps.slice(origin, origin + horizon);
    const said = names.map((name) => ({
      model: name,
      forecast: byName.get(name)!.predict(
        old.find(({ model }) => model === name)!,
        past,
        actual.length,
      ),
    }));
    for (const { model, forecast } of said) sums.set(model, sums.get(model)! + lossOf(forecast, actual));
    const members = weights.map(({ model, weight }) => ({
      weight,
      forecast: said.find((one) => one.model === model)!.forecast,
    }));
    if (members.length > 0) sums.set('ensemble', sums.get('ensemble')! + lossOf(average(members), actual));
  }
  const standings: Standing[] = [];
  for (const [model, sum] of sums) {
    const before_ = earlier.find((standing) => standing.model === model);
    // A newcomer is given the earlier loss of the best, so that it is judged on what it has done itself.
    const inherited = before_?.loss ?? (earlier.length > 0 ? Math.min(...earlier.map(({ loss }) => loss)) : 0);
    standings.push({ model, loss: inherited * fade + sum });
  }
  return standings.filter(({ loss }) => loss > 0);
}

function ensembleMembers(losses: readonly Standing[], names: readonly string[]): { model: string; weight: number }[] {
  const known = names.map((model) => ({
    model,
    loss: losses.find((standing) => standing.model === model)?.loss ?? Infinity,
  }));
  const least = Math.min(...known.map(({ loss }) => loss));
  if (!Number.isFinite(least)) return names.map((model) => ({ model, weight: 1 / names.length }));
  const raw = known.map(({ model, loss }) => ({ model, weight: (least / loss) ** ensembleSharpness }));
  const total = raw.reduce((sum, { weight }) => sum + weight, 0);
  return raw.map(({ model, weight }) => ({ model, weight: weight / total })).filter(({ weight }) => weight > 0.02);
}

/** Quantile average (Vincent): each quantile of the ensemble is the weighted mean of the members' quantiles. */
function average(members: readonly { weight: number; forecast: QuantileForecast }[]): QuantileForecast {
  const [first] = members;
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  const steps = first!.forecast.values[0]!.length;
  const values = quantileLevels.map(() => new Array<number>(steps).fill(0));
  for (let step = 0; step < steps; step += 1) {
    const here = quantileLevels.map((_, level) =>
      members.reduce((sum, { weight, forecast }) => sum + (weight / total) * forecast.values[level]![step]!, 0),
    );
    tidyQuantiles(here, here[1]!).forEach((value, level) => (values[level]![step] = value));
  }
  return { ...first!.forecast, model: 'ensemble', values };
}

function choose(
  fitted: readonly string[],
  losses: readonly Standing[],
  current: string | undefined,
  unfit: readonly string[],
  days: number,
): Selection {
  const usable = losses.filter(({ model }) => model === 'ensemble' || fitted.includes(model));
  const baseline =
    usable.find(({ model }) => model === 'seasonal-naive-day') ?? usable.find(({ model }) => model === 'naive');
  if (baseline === undefined || usable.length < 2) {
    const chosen = ['umbra', 'seasonal-naive-day', 'naive'].find((name) => fitted.includes(name)) ?? fitted[0]!;
    const text = `${chosen}: ${days.toFixed(1)} days of history; ${unfit[0] ?? 'no comparison yet'}`;
    return { chosen, standings: [], reason: { code: 'cold-start', text, facts: { days } } };
  }
  const standings = usable
    .map(({ model, loss }) => ({ model, relative: loss / baseline.loss }))
    .sort((left, right) => left.relative - right.relative);
  const best = standings[0]!;
  const now = standings.find(({ model }) => model === current);
  const stays = now !== undefined && best.relative > now.relative * (1 - switchMargin) && now.relative <= 1;
  const { model: chosen, relative } = stays ? now : best;
  const numbers = standings.map((standing) => `${standing.model} ${standing.relative.toFixed(2)}`).join(', ');
  const reason: Reason = {
    code: chosen === baseline.model ? 'baseline-unbeaten' : stays ? 'model-kept' : 'model-chosen',
    text: `${chosen}: loss ${relative.toFixed(2)} of ${baseline.model} on this demand (${numbers})`,
    facts: Object.fromEntries(standings.map((standing) => [standing.model, Number(standing.relative.toFixed(4))])),
  };
  return current !== undefined && current !== chosen
    ? { chosen, standings, reason, switchedFrom: current }
    : { chosen, standings, reason };
}
