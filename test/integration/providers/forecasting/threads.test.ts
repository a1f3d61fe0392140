import { afterAll, describe, expect, test } from '@jest/globals';
import { modelNamed } from '../../../../src/planning/forecast/models.ts';
import { threadForecaster } from '../../../../src/providers/forecasting/threads.ts';
import { dailyDemand, isPresentable } from '../../../unit/planning/fixtures.ts';

const forecaster = threadForecaster();
afterAll(() => forecaster.close());

describe('fits in a worker thread', () => {
  const known = dailyDemand(5.25);
  const history = { ...known, qps: known.qps.slice(0, -72) };
  const truth = known.qps.slice(-72);

  test.each(['ets', 'mstl', 'prophet', 'arima', 'umbra', 'seasonal-naive-day'])(
    '%s forecasts a daily pattern',
    async (model) => {
      const outcome = await forecaster.fit({ model, history, horizonSteps: 72 });
      if (outcome.kind !== 'fitted') throw new Error(outcome.why);
      const forecast = modelNamed(model).predict(outcome.state, history, 72);
      expect(forecast.values.map((path) => path.length)).toEqual([72, 72, 72, 72, 72]);
      expect(isPresentable(forecast)).toBe(true);
      const mean = truth.reduce((sum, value) => sum + value, 0) / 72;
      const error = forecast.values[1]!.reduce((sum, value, step) => sum + Math.abs(value - truth[step]!), 0) / 72;
      // ETS knows no season: it may miss by the whole wave. The others must not.
      expect(error / mean).toBeLessThan(model === 'ets' ? 1 : 0.35);
    },
    60_000,
  );

  test('say why a model does not fit, and keep the thread alive', async () => {
    const short = { ...history, qps: history.qps.slice(0, 10) };
    for (const model of ['ets', 'mstl', 'prophet', 'arima', 'umbra']) {
      const outcome = await forecaster.fit({ model, history: short, horizonSteps: 72 });
      expect(outcome).toMatchObject({ kind: 'unfit', why: expect.stringContaining('need') as unknown });
    }
  }, 60_000);

  test('refuse an unknown model by name', async () => {
    await expect(forecaster.fit({ model: 'oracle', history, horizonSteps: 72 })).rejects.toThrow(
      /forecaster: fit oracle: .*umbra/,
    );
  });
});
