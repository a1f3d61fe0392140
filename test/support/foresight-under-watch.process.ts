import { dayMs, minuteMs } from '../../src/domain/time.ts';
import type { DemandSeries } from '../../src/domain/demand.ts';
import { createEvaluator } from '../../src/foresight/evaluator.ts';
import { startFitter } from '../../src/foresight/fitter.ts';
import { horizonMs, stepMs } from '../../src/foresight/history.ts';
import type { ChosenModel } from '../../src/ports/forecast-store.ts';
import { threadForecaster, threadPredictor } from '../../src/providers/forecasting/threads.ts';
import { dailyDemand } from '../unit/planning/fixtures.ts';
import { specOf } from './spec-of.ts';
import { watchStalls } from './stalls.ts';

/*
 * A worker's foresight in a process of its own, without store and network: the first fit of a hosted VM, a refit, and
 * evaluations from the first, cold one on. Prints the worst stall of the event loop as JSON.
 */

const specs = ['one', 'two'].map((id) => specOf(id));
const demand = dailyDemand(6, { level: 45 });
const end = demand.start + demand.qps.length * demand.stepMs;
/** Four weeks, the first of them unknown. */
const steps = [...new Array<number>(8_064 - demand.qps.length).fill(NaN), ...demand.qps];
const zeros = steps.map(() => 0);
const chosen = new Map<string, ChosenModel>();
const texts = new Map<string, { chosenAt: number; text: string }>();
const saved: number[] = [];
const none = () => Promise.resolve([]);

const readMeasures = <M extends string>({
  measures,
  from,
  to,
  stepMs: width,
}: {
  measures: readonly M[];
  from: number;
  to: number;
  stepMs: number;
}): Promise<Record<M, DemandSeries>> => {
  const count = Math.round((to - from) / width);
  // What a store does for this is not measured here: rows that come in one by one.
  const qps = width === stepMs ? steps.slice(-count) : new Array<number>(count).fill(45);
  const zero = zeros.slice(0, count);
  return Promise.resolve(
    Object.fromEntries(
      measures.map((measure) => [
        measure,
        { start: from, stepMs: width, qps: measure === 'nxdomain' || measure === 'topSource' ? zero : qps },
      ]),
    ) as unknown as Record<M, DemandSeries>,
  );
};

const forecaster = threadForecaster();
const predictor = threadPredictor();
const due = new Set(specs.map(({ id }) => id));
const stop = watchStalls();

const fitter = startFitter({
  demand: { readMeasures },
  forecasts: {
    chosen: (id) => Promise.resolve(chosen.get(id)),
    choose: (choice) => {
      chosen.set(choice.hostedVmId, choice);
      texts.set(choice.hostedVmId, { chosenAt: choice.chosenAt, text: JSON.stringify(choice.state) });
      return Promise.resolve();
    },
  },
  ledger: {
    claim: (ids) => {
      const first = ids.find((id) => due.delete(id));
      return Promise.resolve(first === undefined ? [] : [first]);
    },
    settle: () => Promise.resolve(),
    hasten: () => Promise.resolve(),
    unfit: () => Promise.resolve(new Map()),
  },
  events: { append: () => Promise.resolve() },
  forecaster,
  specs: () => Promise.resolve(specs),
  holder: 'watched',
  atOnce: 1,
  now: () => end,
  log: () => undefined,
});
const evaluator = createEvaluator({
  demand: { readMeasures },
  registry: { events: none, views: none },
  forecasts: {
    stateText: (id) => Promise.resolve(texts.get(id)),
    choice: (id) => Promise.resolve(chosen.get(id) === undefined ? undefined : choiceOf(chosen.get(id)!)),
    newest: () => Promise.resolve(undefined),
    save: (_id, _evaluation, forecast) => Promise.resolve(void saved.push(forecast?.values[4]!.length ?? 0)),
  },
  predictor,
  isLarge: () => false,
  beliefs: {
    belief: () => Promise.resolve({}),
    calibration: () => Promise.resolve(undefined),
    healthWeights: () => Promise.resolve(undefined),
  },
  healthOf: () => Promise.resolve({ cpu: 0.4, memoryUsed: 0.97, uptimeMs: dayMs / 2, node: 'pve1', nodeOnline: true }),
});

function choiceOf({ hostedVmId, state, speaks, chosenAt, reason }: ChosenModel) {
  return { hostedVmId, model: speaks ?? state.model, chosenAt, reason };
}

const evaluate = (at: number) =>
  Promise.all(specs.map((spec) => evaluator.evaluate({ spec, instances: [], serving: [], failoversAt: [], now: at })));

// Nothing is fitted yet, then everything is, then the fits of a second day run beside the evaluations.
await evaluate(end);
await fitter.round();
await evaluate(end + minuteMs);
for (const { id } of specs) due.add(id);
const again = fitter.round();
for (let tick = 2; tick < 12; tick += 1) await evaluate(end + tick * minuteMs);
await again;
const stalls = stop();
await fitter.stop();
await Promise.all([forecaster.close(), predictor.close()]);
process.stdout.write(
  JSON.stringify({
    ...stalls,
    models: [...chosen.values()].map(choiceOf).map(({ model }) => model),
    saved,
    steps: horizonMs / stepMs,
  }),
);
