import { afterEach, describe, expect, test } from '@jest/globals';
import type { DemandSeries } from '../../../src/domain/demand.ts';
import type { UmbraEvent } from '../../../src/domain/event.ts';
import type { HostedVmSpec } from '../../../src/domain/policy.ts';
import { dayMs, hourMs, minuteMs } from '../../../src/domain/time.ts';
import { startFitter } from '../../../src/foresight/fitter.ts';
import type { Fitter } from '../../../src/foresight/fitter.ts';
import { ProviderError } from '../../../src/ports/errors.ts';
import type { ChosenModel } from '../../../src/ports/forecast-store.ts';
import type { FitJob, FitOutcome } from '../../../src/ports/forecaster.ts';
import { dailyDemand, now, spec } from '../planning/fixtures.ts';

let fitter: Fitter | undefined;
afterEach(() => fitter?.stop());

/** A store, a ledger and a log in memory; `fit` stands for the threads. */
function world(
  fit: (job: FitJob) => FitOutcome | Promise<FitOutcome>,
  options: { specs?: HostedVmSpec[]; demand?: DemandSeries } = {},
) {
  const chosen = new Map<string, ChosenModel>();
  const due = new Map<string, number>();
  const claimed = new Set<string>();
  const unfit = new Map<string, string | undefined>();
  const events: UmbraEvent[] = [];
  const logged: string[] = [];
  const jobs: FitJob[] = [];
  const clock = { now };
  const { specs = [spec], demand = dailyDemand(6) } = options;
  fitter = startFitter({
    demand: {
      // Everybody is known: the guard believes all of it.
      readMeasures: ({ measures }) => {
        const quiet = { ...demand, qps: demand.qps.map(() => 0) };
        const of = (measure: string) => (measure === 'nxdomain' || measure === 'topSource' ? quiet : demand);
        return Promise.resolve(
          Object.fromEntries(measures.map((each) => [each, of(each)])) as Record<
            (typeof measures)[number],
            DemandSeries
          >,
        );
      },
    },
    forecasts: {
      chosen: (id) => Promise.resolve(chosen.get(id)),
      choose: (choice) => Promise.resolve(void chosen.set(choice.hostedVmId, choice)),
    },
    ledger: {
      claim: (ids, by) => {
        const free = ids.filter((id) => (due.get(id) ?? 0) <= by.now && !claimed.has(id)).slice(0, by.limit);
        for (const id of free) claimed.add(id);
        return Promise.resolve(free);
      },
      settle: (id, outcome) => {
        claimed.delete(id);
        due.set(id, outcome.dueAt);
        unfit.set(id, outcome.unfit);
        return Promise.resolve();
      },
      hasten: () => Promise.resolve(),
      unfit: () => Promise.resolve(new Map()),
    },
    events: { append: (more) => Promise.resolve(void events.push(...more)) },
    forecaster: {
      fit: async (job) => {
        jobs.push(job);
        return fit(job);
      },
    },
    specs: () => Promise.resolve(specs),
    holder: 'test',
    atOnce: 1,
    now: () => clock.now,
    log: (line) => void logged.push(line),
  });
  return { fitter, chosen, due, unfit, events, logged, jobs, clock };
}

function fitted(model: string, relative: number): FitOutcome {
  const selection = {
    chosen: model,
    standings: [{ model, relative }],
    reason: {
      code: 'model-chosen',
      text: `${model}: loss ${relative} of seasonal-naive-day`,
      facts: { [model]: relative },
    },
  };
  return { kind: 'fitted', cpuMs: 1, state: { model: 'auto', version: 2, fittedAt: now, body: { selection } } };
}

describe('models are fitted in the background', () => {
  test('a new hosted VM at once, with the reason and the numbers; then at its own time of day', async () => {
    const { fitter: it, chosen, due, events, jobs, clock } = world(() => fitted('umbra', 0.5));
    expect(await it.round()).toBe(1);
    expect(chosen.get('shop')).toMatchObject({
      speaks: 'umbra',
      reason: { text: 'umbra: loss 0.5 of seasonal-naive-day' },
    });
    expect(events).toMatchObject([
      { kind: 'model-chosen', hostedVmId: 'shop', facts: { model: 'umbra', from: null, umbra: 0.5 } },
    ]);
    expect(jobs[0]).toMatchObject({ model: 'auto', horizonSteps: 576 });
    expect(await it.round()).toBe(0);
    clock.now = due.get('shop')!;
    expect(await it.round()).toBe(1);
    expect(jobs[1]!.previous).toEqual(chosen.get('shop')!.state);
    // The same model again is no news.
    expect(events).toHaveLength(1);
  });

  test('a switch is an event that names both models', async () => {
    let best = 'umbra';
    const { fitter: it, due, events, clock } = world(() => fitted(best, 0.5));
    await it.round();
    best = 'seasonal-naive-week';
    clock.now = due.get('shop')!;
    await it.round();
    expect(events.at(-1)).toMatchObject({
      reason: { text: expect.stringMatching(/^seasonal-naive-week: .*, after umbra$/) as unknown },
      facts: { model: 'seasonal-naive-week', from: 'umbra' },
    });
  });

  test('a history that is too short is tried again soon, and why is kept', async () => {
    const {
      fitter: it,
      chosen,
      due,
      unfit,
    } = world(() => ({ kind: 'unfit', why: 'naive needs 2 h of history', cpuMs: 1 }), {
      demand: dailyDemand(1 / 24),
    });
    await it.round();
    expect(chosen.size).toBe(0);
    expect(unfit.get('shop')).toBe('naive needs 2 h of history');
    expect(due.get('shop')! - now).toBeLessThanOrEqual(hourMs);
  });

  test('a thread that dies with one hosted VM keeps no other from its turn', async () => {
    const specs = ['a', 'b', 'c'].map((id) => ({ ...spec, id }));
    let count = 0;
    const {
      fitter: it,
      chosen,
      due,
      logged,
    } = world(
      () => {
        count += 1;
        if (count === 1) {
          throw new ProviderError({
            provider: 'forecaster',
            operation: 'fit',
            target: 'auto',
            failureClass: 'transient',
            message: 'died',
          });
        }
        return fitted('umbra', 0.5);
      },
      { specs },
    );
    expect(await it.round()).toBe(3);
    expect([...chosen.keys()]).toEqual(['b', 'c']);
    expect(due.get('a')! - now).toBe(10 * minuteMs);
    expect(logged.join()).toContain('forecast of a could not be fitted');
  });

  test('last week’s sale does not teach', async () => {
    const demand = dailyDemand(6);
    const sale = { name: 'sale', from: now - 3 * dayMs, to: now - 2 * dayMs, factor: 4 };
    const { fitter: it, jobs } = world(() => fitted('umbra', 0.5), { demand, specs: [{ ...spec, events: [sale] }] });
    await it.round();
    const { qps } = jobs[0]!.history;
    const inside = qps.length - 2.5 * 288;
    expect(qps[inside]).toBeCloseTo(demand.qps[inside]! / 4, 9);
    expect(qps.at(-1)).toBe(demand.qps.at(-1));
  });
});
