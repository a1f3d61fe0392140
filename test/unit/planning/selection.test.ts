import { describe, expect, test } from '@jest/globals';
import type { DemandSeries } from '../../../src/domain/demand.ts';
import { hourMs } from '../../../src/domain/time.ts';
import { autoModel, selectionOf } from '../../../src/planning/forecast/auto.ts';
import { before, endOf } from '../../../src/planning/forecast/history.ts';
import { quantileLevels } from '../../../src/domain/quantile.ts';
import type { ForecastModel, ModelState } from '../../../src/planning/forecast/model.ts';
import { dailyDemand } from './fixtures.ts';

const day = 24;
const truth = dailyDemand(60, { noise: 0, step: hourMs });

/** A model that knows what comes and is wrong by a share of it; from so many days of history on. */
function offBy(name: string, share: number, fromDays = 0): ForecastModel {
  return {
    name,
    historySteps: () => ({ least: 1, useful: 1 }),
    fit: (history) =>
      history.qps.length < fromDays * day
        ? { kind: 'unfit', why: `${name} needs ${fromDays} days` }
        : { model: name, version: 1, fittedAt: endOf(history), body: {} },
    predict: (_, recent, horizonSteps) => {
      const from = Math.round((endOf(recent) - truth.start) / hourMs);
      const path = Array.from({ length: horizonSteps }, (_step, step) => (truth.qps[from + step] ?? 50) * (1 + share));
      return { model: name, start: endOf(recent), stepMs: hourMs, values: quantileLevels.map(() => path) };
    },
  };
}

/** Fitted on so many days, then daily until the end. */
function selectionsOf(models: readonly ForecastModel[], firstDays: number, lastDays = firstDays) {
  const auto = autoModel(models);
  const known = (days: number): DemandSeries => before(truth, days * day);
  let state: ModelState | undefined;
  return Array.from({ length: lastDays - firstDays + 1 }, (_, index) => {
    const fitted = auto.fit(known(firstDays + index), state);
    if ('kind' in fitted) throw new Error(fitted.why);
    state = fitted;
    return selectionOf(fitted)!;
  });
}

const baseline = offBy('seasonal-naive-day', 0.2);

describe('the model that speaks', () => {
  test('is not overruled by three days on which another was a little better, and says so', () => {
    const models = [baseline, offBy('umbra', 0.13), offBy('seasonal-naive-week', 0.11)];
    const [first] = selectionsOf(models, 9);
    expect(first!.standings[0]!.model).toBe('seasonal-naive-week');
    expect(first!.chosen).not.toBe('seasonal-naive-week');
    expect(first!.reason.text).toMatch(
      /seasonal-naive-week 0\.55.*3 days do not outweigh what is known of other demand/,
    );
  });

  test('is another one when that has been clearly better for weeks, with the numbers', () => {
    const models = [baseline, offBy('umbra', 0.15), offBy('seasonal-naive-week', 0.04)];
    const selections = selectionsOf(models, 4, 40);
    const change = selections.find(({ switchedFrom }) => switchedFrom !== undefined);
    expect(selections[0]!.chosen).not.toBe('seasonal-naive-week');
    expect(change).toBeDefined();
    expect(['seasonal-naive-week', 'ensemble']).toContain(selections.at(-1)!.chosen);
    expect(change!.reason.facts).toMatchObject({ 'seasonal-naive-day': 1, 'seasonal-naive-week': 0.2 });
  });

  test('is the baseline where nothing beats it', () => {
    const models = [offBy('seasonal-naive-day', 0.05), offBy('umbra', 0.4), offBy('naive', 0.5)];
    const last = selectionsOf(models, 10, 20).at(-1)!;
    expect(last).toMatchObject({ chosen: 'seasonal-naive-day', reason: { code: 'baseline-unbeaten' } });
  });

  test('has been judged for more than a day, however good a newcomer looks', () => {
    const models = [baseline, offBy('umbra', 0.15), offBy('seasonal-naive-week', 0, 14)];
    for (const { chosen, standings } of selectionsOf(models, 12, 15)) {
      expect(chosen).not.toBe('seasonal-naive-week');
      expect(standings.every(({ relative }) => Number.isFinite(relative))).toBe(true);
    }
  });

  test('asks nobody who was never judged for a share of the ensemble', () => {
    const auto = autoModel([
      baseline,
      offBy('umbra', 0.1),
      offBy('naive', -0.1),
      offBy('seasonal-naive-week', 1e6, 14),
    ]);
    let state: ModelState | undefined;
    for (let days = 12; days <= 14; days += 1) {
      const fitted = auto.fit(before(truth, days * day), state);
      if ('kind' in fitted) throw new Error(fitted.why);
      state = fitted;
    }
    expect(Math.max(...auto.predict(state!, before(truth, 14 * day), day).values[4]!)).toBeLessThan(200);
  });
});
