import type { DemandSeries } from '../../domain/demand.ts';
import type { Reason } from '../../domain/reason.ts';
import { before, endOf, knownSteps, stepsPerDay } from './history.ts';
import { atLevel, quantileLevels } from '../../domain/quantile.ts';
import type { ForecastModel, ModelState, QuantileForecast, Unfit } from './model.ts';
import { pinball } from './score.ts';
import { tidyQuantiles } from './quantiles.ts';

/** A candidate's past: loss of its honest forecasts, fading with age, over the same steps for all; and the days it was itself judged on. */
export type Standing = { readonly model: string; readonly loss: number; readonly days: number };

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
  /** Days that the losses were measured on, fading as they do. */
  readonly evidenceDays: number;
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

/**
 * Losses against seasonal-naive-day on series of this kind, measured (docs/measurements/foresight.md). They count as so many days of evidence
 * of their own: a few days of one series are too noisy to overrule them, a fortnight does.
 */
const experience: Readonly<Record<string, number>> = {
  umbra: 0.6,
  ensemble: 0.7,
  'seasonal-naive-week': 0.92,
  'seasonal-naive-day': 1,
  naive: 1.1,
};
const experienceDays = 8;
/** A candidate speaks, alone or in the ensemble, once it has been judged on so many days: one that never was may be far off. */
const leastJudgedDays = 1.5;
/** The first fit lets the candidates forecast this much of the past day by day, refitted daily, so that there is something to judge by. */
const firstJudgedDays = 7;

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
      const count = history.qps.length;
      const carried = previous?.model === 'auto' && previous.version === 2 ? (previous.body as Body) : undefined;
      let old = (carried?.states ?? []).filter((state) => byName.get(state.model)?.understands?.(state) ?? true);
      let from = carried === undefined ? 0 : Math.round((previous!.fittedAt - history.start) / history.stepMs);
      let losses = carried?.losses ?? [];
      let evidenceDays = carried?.evidenceDays ?? 0;
      const judgeUntil = (to: number): void => {
        losses = judge(byName, old, losses, evidenceDays, history, from, to, perDay);
        evidenceDays = evidenceDays * fading(to - from, perDay) + Math.max(0, to - from) / perDay;
        from = to;
      };
      if (carried === undefined && count > 2.5 * perDay) {
        from = count - Math.round(Math.min(firstJudgedDays * perDay, count / 3));
        old = fitAll(before(history, from), []).states;
        for (; count - from > 1.5 * perDay; old = fitAll(before(history, from), old).states) judgeUntil(from + perDay);
      }
      judgeUntil(count);
      const { states, unfit } = fitAll(history, old);
      if (states.length === 0) return { kind: 'unfit', why: unfit.join('; ') };
      const selection = choose(
        states.map(({ model }) => model),
        losses,
        evidenceDays,
        carried?.selection.chosen,
        unfit,
        knownSteps(history.qps) / perDay,
      );
      return {
        model: 'auto',
        version: 2,
        fittedAt: endOf(history),
        body: { states, losses, evidenceDays, selection, unfit } satisfies Body,
      };
    },

    understands: ({ version, body }) =>
      version === 2 &&
      (body as Body).states.every((state) => byName.get(state.model)?.understands?.(state) ?? byName.has(state.model)),

    predict(state: ModelState, recent: DemandSeries, horizonSteps: number): QuantileForecast {
      const { states, losses, evidenceDays, selection } = state.body as Body;
      if (selection.chosen === 'ensemble') {
        const members = ensembleMembers(
          losses,
          evidenceDays,
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
  for (const level of [0.5, 0.9, 0.99] as const) {
    const path = atLevel(values, level);
    actual.forEach((value, step) => {
      if (Number.isFinite(value)) sum += pinball(value, path[step]!, level);
    });
  }
  return sum;
}

/** What is left of a loss's weight after so many steps. */
function fading(steps: number, perDay: number): number {
  return 0.5 ** (Math.max(0, steps) / (halfLifeDays * perDay));
}

/** Lets the old states forecast from origins in `from..to`, and adds their losses to the faded earlier ones. */
function judge(
  byName: ReadonlyMap<string, ForecastModel>,
  old: readonly ModelState[],
  earlier: readonly Standing[],
  evidenceDays: number,
  history: DemandSeries,
  from: number,
  to: number,
  perDay: number,
): Standing[] {
  const horizon = Math.max(1, Math.round(perDay >= 96 ? perDay / 4 : perDay));
  const fade = fading(to - from, perDay);
  const names = old.map(({ model }) => model).filter((name) => byName.has(name));
  const sums = new Map<string, number>([...names, 'ensemble'].map((name) => [name, 0]));
  const weights = ensembleMembers(earlier, evidenceDays, names);
  const every = Math.max(1, Math.round(perDay / 8));
  for (let origin = Math.max(from, 2); origin < to; origin += every) {
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
  const baseline = baselineOf(earlier);
  const days = Math.max(0, to - from) / perDay;
  for (const [model, sum] of sums) {
    const before_ = earlier.find((standing) => standing.model === model);
    // A newcomer is given the loss that is usual for its kind, so that it is judged on what it has done itself.
    const inherited = before_?.loss ?? (baseline === undefined ? 0 : baseline.loss * usualAgainst(model, baseline));
    standings.push({ model, loss: inherited * fade + sum, days: (before_?.days ?? 0) * fade + days });
  }
  return standings.filter(({ loss }) => loss > 0);
}

/** What competitors are measured against: seasonal-naive-day, or naive before there are two days. */
function baselineOf(losses: readonly Standing[]): Standing | undefined {
  return losses.find(({ model }) => model === 'seasonal-naive-day') ?? losses.find(({ model }) => model === 'naive');
}

function usualAgainst(model: string, baseline: Standing): number {
  return (experience[model] ?? 1) / (experience[baseline.model] ?? 1);
}

/** A loss relative to the baseline, drawn towards experience by as much as evidence is short. */
function drawn(model: string, loss: number, baseline: Standing, evidenceDays: number): number {
  const usual = usualAgainst(model, baseline) * experienceDays;
  return ((loss / baseline.loss) * evidenceDays + usual) / (evidenceDays + experienceDays);
}

function ensembleMembers(
  losses: readonly Standing[],
  evidenceDays: number,
  names: readonly string[],
): { model: string; weight: number }[] {
  const baseline = baselineOf(losses);
  const known = names.flatMap((model) => {
    const standing = losses.find((each) => each.model === model);
    if (baseline === undefined || standing === undefined) return losses.length === 0 ? [{ model, relative: 1 }] : [];
    if (standing.days < leastJudgedDays && losses.some(({ days }) => days >= leastJudgedDays)) return [];
    return [{ model, relative: drawn(model, standing.loss, baseline, evidenceDays) }];
  });
  const least = Math.min(...known.map(({ relative }) => relative));
  const raw = known.map(({ model, relative }) => ({ model, weight: (least / relative) ** ensembleSharpness }));
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
    tidyQuantiles(here, atLevel(here, 0.5)).forEach((value, level) => (values[level]![step] = value));
  }
  return { ...first!.forecast, model: 'ensemble', values };
}

function choose(
  fitted: readonly string[],
  losses: readonly Standing[],
  evidenceDays: number,
  current: string | undefined,
  unfit: readonly string[],
  days: number,
): Selection {
  const usable = losses.filter(({ model }) => model === 'ensemble' || fitted.includes(model));
  const baseline = baselineOf(usable);
  if (baseline === undefined || usable.length < 2) {
    const chosen = ['umbra', 'seasonal-naive-day', 'naive'].find((name) => fitted.includes(name)) ?? fitted[0]!;
    const text = `${chosen}: ${days.toFixed(1)} days of history; ${unfit[0] ?? 'no comparison yet'}`;
    return { chosen, standings: [], reason: { code: 'cold-start', text, facts: { days } } };
  }
  const standings = usable
    .map(({ model, loss }) => ({ model, relative: loss / baseline.loss }))
    .sort((left, right) => left.relative - right.relative);
  const judged = usable
    .filter(({ days: own }, _, all) => own >= leastJudgedDays || all.every((each) => each.days < leastJudgedDays))
    .map(({ model, loss }) => ({ model, relative: drawn(model, loss, baseline, evidenceDays) }))
    .sort((left, right) => left.relative - right.relative);
  const best = judged[0]!;
  const now = judged.find(({ model }) => model === current);
  const stays = now !== undefined && best.relative > now.relative * (1 - switchMargin) && now.relative <= 1;
  const { model: chosen } = stays ? now : best;
  const measured = standings.find(({ model }) => model === chosen)!.relative;
  const numbers = standings.map((standing) => `${standing.model} ${standing.relative.toFixed(2)}`).join(', ');
  const doubt =
    standings[0]!.model === chosen || stays
      ? ''
      : `; ${evidenceDays.toFixed(0)} days do not outweigh what is known of other demand`;
  const reason: Reason = {
    code: chosen === baseline.model ? 'baseline-unbeaten' : stays ? 'model-kept' : 'model-chosen',
    text: `${chosen}: loss ${measured.toFixed(2)} of ${baseline.model} on this demand (${numbers})${doubt}`,
    facts: Object.fromEntries(standings.map((standing) => [standing.model, Number(standing.relative.toFixed(4))])),
  };
  return current !== undefined && current !== chosen
    ? { chosen, standings, reason, switchedFrom: current }
    : { chosen, standings, reason };
}
