import type { DemandSeries } from '../../domain/demand.ts';
import { hourMs } from '../../domain/time.ts';
import { endOf, knownSteps, lastKnown, stepsPerDay } from './history.ts';
import { quantileLevels } from '../../domain/quantile.ts';
import type { ForecastModel, ModelState, QuantileForecast, Unfit } from './model.ts';
import { quantileOfSorted, sortedFinite, tidyQuantiles } from './quantiles.ts';

/** Offsets of every quantile from the point, in queries per second. */
type Body = { readonly offsets: readonly number[] };

/** How far back errors are collected: 14 days below hourly, 42 days hourly (the published baseline). */
function windowSteps(stepMs: number): number {
  return (stepMs >= hourMs ? 42 : 14) * stepsPerDay(stepMs);
}

/**
 * The same time one day (or one week) ago, with empirical quantiles (type 7) of the differences over that distance.
 * The baseline that every other model has to beat. A missing step looks one period further back.
 */
export function seasonalNaive(period: 'day' | 'week'): ForecastModel {
  const name = `seasonal-naive-${period}`;
  const periodSteps = (stepMs: number): number => stepsPerDay(stepMs) * (period === 'day' ? 1 : 7);
  return {
    name,
    historySteps: (stepMs) => ({
      least: 2 * periodSteps(stepMs),
      useful: Math.max(windowSteps(stepMs), 3 * periodSteps(stepMs)),
    }),

    fit(history: DemandSeries): ModelState | Unfit {
      const steps = periodSteps(history.stepMs);
      const all = history.qps;
      const from = Math.max(0, all.length - Math.max(windowSteps(history.stepMs), 3 * steps));
      const differences: number[] = [];
      for (let index = from + steps; index < all.length; index += 1) {
        const difference = all[index]! - all[index - steps]!;
        if (Number.isFinite(difference)) differences.push(difference);
      }
      if (differences.length < steps / 2) {
        const days = (all.length / stepsPerDay(history.stepMs)).toFixed(1);
        return { kind: 'unfit', why: `${name} needs two ${period}s of history, there are ${days} days with gaps` };
      }
      const sorted = Float64Array.from(differences).sort();
      const offsets = quantileLevels.map((level) => (level === 0.5 ? 0 : quantileOfSorted(sorted, level)));
      return { model: name, version: 1, fittedAt: endOf(history), body: { offsets } satisfies Body };
    },

    predict(state: ModelState, recent: DemandSeries, horizonSteps: number): QuantileForecast {
      const { offsets } = state.body as Body;
      const steps = periodSteps(recent.stepMs);
      const fallback = lastKnown(recent.qps) ?? 0;
      const values = quantileLevels.map(() => new Array<number>(horizonSteps).fill(0));
      for (let step = 0; step < horizonSteps; step += 1) {
        let place = recent.qps.length - steps + (step % steps);
        while (place >= 0 && !Number.isFinite(recent.qps[place])) place -= steps;
        const point = recent.qps[place] ?? fallback;
        const tidy = tidyQuantiles(
          offsets.map((offset) => point + offset),
          point,
        );
        tidy.forEach((value, level) => (values[level]![step] = value));
      }
      return { model: name, start: endOf(recent), stepMs: recent.stepMs, values };
    },
  };
}

/** Steps ahead at which the naive model measures its errors; between them it interpolates. */
function nodesUpTo(horizonSteps: number): number[] {
  return [1, 2, 3, 6, 12, 24, 48, 72, 144, 288, 576].filter((node) => node < horizonSteps).concat(horizonSteps);
}

/**
 * The last value, with empirical quantiles of what demand did over the same distance before.
 * Works from two hours of history. It learns its errors at `predict`, from the recent steps it is given.
 */
export const naive: ForecastModel = {
  name: 'naive',
  historySteps: (stepMs) => ({ least: Math.max(2, Math.ceil((2 * hourMs) / stepMs)), useful: windowSteps(stepMs) }),

  fit(history: DemandSeries): ModelState | Unfit {
    const known = knownSteps(history.qps);
    const least = this.historySteps(history.stepMs).least;
    if (known < least) {
      return { kind: 'unfit', why: `naive needs 2 h of history, ${known} of ${least} steps are known` };
    }
    return { model: 'naive', version: 1, fittedAt: endOf(history), body: {} };
  },

  predict(_state: ModelState, recent: DemandSeries, horizonSteps: number): QuantileForecast {
    const all = recent.qps;
    const point = lastKnown(all) ?? 0;
    const nodes = nodesUpTo(horizonSteps);
    let widest = quantileLevels.map(() => 0);
    const offsets = nodes.map((node) => {
      const differences: number[] = [];
      for (let index = node; index < all.length; index += 1) differences.push(all[index]! - all[index - node]!);
      const sorted = sortedFinite(differences);
      // Too few pairs that far apart: errors of a random walk grow with the root of the distance, the last node's stay a floor.
      if (sorted.length >= 10) {
        widest = quantileLevels.map((level) => (level === 0.5 ? 0 : quantileOfSorted(sorted, level)));
      }
      return widest;
    });
    const values = quantileLevels.map(() => new Array<number>(horizonSteps).fill(point));
    for (let step = 1; step <= horizonSteps; step += 1) {
      const right = nodes.findIndex((node) => node >= step);
      const left = Math.max(0, right - 1);
      const gap = nodes[right]! - nodes[left]!;
      const share = gap > 0 ? (step - nodes[left]!) / gap : 1;
      const here = quantileLevels.map((_, level) => {
        const low = offsets[left]![level]!;
        return point + low + (offsets[right]![level]! - low) * share;
      });
      tidyQuantiles(here, point).forEach((value, level) => (values[level]![step - 1] = value));
    }
    return { model: 'naive', start: endOf(recent), stepMs: recent.stepMs, values };
  },
};
