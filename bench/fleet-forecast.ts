import { parseArgs } from 'node:util';
import { openStores } from '../src/composition/stores.ts';
import { minuteMs } from '../src/domain/time.ts';
import { createEvaluator } from '../src/foresight/evaluator.ts';
import { createFleetForecaster } from '../src/foresight/fleet-forecaster.ts';
import { historyMs, horizonMs, stepMs } from '../src/foresight/history.ts';
import { startEmbeddedPostgres } from '../src/providers/postgres/embedded.ts';
import { migrate } from '../src/providers/postgres/migrate.ts';
import { threadForecaster, threadPredictor } from '../src/providers/forecasting/threads.ts';
import { writeFleetDemand } from '../test/support/fleet-demand.ts';
import { specOf } from '../test/support/spec-of.ts';
import { watchStalls } from '../test/support/stalls.ts';

/** Evaluations at once, as a worker has places. */
const places = 4;

/**
 * A fleet whose evaluations each make their own forecast, beside the same fleet forecast in chunks: time, CPU and the worst stall
 * of the event loop, on a real PostgreSQL with nine days of demand. `--vms N`.
 */
export async function run(args: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({ args, options: { vms: { type: 'string', default: '500' } } });
  const specs = Array.from({ length: Number(values.vms) }, (_, n) => specOf(`vm-${n}`));
  const now = Math.floor(Date.now() / stepMs) * stepMs;
  const server = await startEmbeddedPostgres({ port: 0, durable: false });
  const stores = openStores(server.url);
  const [forecaster, predictor] = [threadForecaster(), threadPredictor()];
  try {
    await migrate(stores.sql);
    const ids = specs.map(({ id }) => id);
    await writeFleetDemand(stores.sql, ids, 9, now);
    await stores.sql.query('analyze');
    // One fit serves all: what is measured is forecasting, and every state is as large as another.
    const history = await stores.demand.read({ hostedVmId: 'vm-0', from: now - 9 * 288 * stepMs, to: now, stepMs });
    const fitted = await forecaster.fit({ model: 'auto', history, horizonSteps: horizonMs / stepMs });
    if (fitted.kind === 'unfit') throw new Error(fitted.why);
    const reason = { code: 'model-chosen', text: 'fitted for the benchmark' };
    for (const hostedVmId of ids)
      await stores.forecasts.choose({ hostedVmId, state: fitted.state, speaks: 'umbra', chosenAt: now, reason });

    const forecasting = { demand: stores.demand, forecasts: stores.forecasts, predictor };
    const evaluateAll = async (large: boolean, at: number): Promise<void> => {
      const evaluator = createEvaluator({
        ...forecasting,
        registry: stores.registry,
        beliefs: stores.beliefs,
        isLarge: () => large,
        healthOf: () => Promise.resolve(undefined),
      });
      const waiting = [...specs];
      const turn = async (): Promise<void> => {
        for (let spec = waiting.pop(); spec !== undefined; spec = waiting.pop())
          await evaluator.evaluate({ spec, instances: [], serving: [], failoversAt: [], now: at });
      };
      await Promise.all(Array.from({ length: places }, turn));
    };
    const fleet = createFleetForecaster({ ...forecasting, specs: () => specs, batchAbove: 0 });
    const batch = async (): Promise<void> => {
      for (const chunk of fleet.chunks()) {
        const signal = new AbortController().signal;
        const report = await fleet.forecastChunk(chunk, {
          now: now + 10 * minuteMs,
          progress: () => undefined,
          signal,
        });
        if (report.failed > 0 || report.stored !== chunk.length) throw new Error(JSON.stringify(report));
      }
    };
    const rows = [
      await measured('evaluations that forecast themselves', () => evaluateAll(false, now + minuteMs), specs.length),
      await measured('forecasts in chunks', batch, specs.length),
      await measured('evaluations that read them', () => evaluateAll(true, now + 11 * minuteMs), specs.length),
    ];
    console.log(
      `${specs.length} hosted VMs, ${historyMs / 86_400_000} days kept, 9 known; CPU of this process, without PostgreSQL`,
    );
    console.log(`${''.padEnd(40)}seconds   CPU s   CPU ms each   worst stall, CPU ms`);
    for (const { name, seconds, cpuSeconds, cpuMsEach, stallMs } of rows) {
      console.log(
        `${name.padEnd(40)}${seconds.toFixed(1).padStart(7)}${cpuSeconds.toFixed(1).padStart(8)}${cpuMsEach.toFixed(1).padStart(14)}${stallMs.toFixed(1).padStart(22)}`,
      );
    }
    const figures = { hostedVms: specs.length, rows };
    console.log(JSON.stringify({ bench: 'fleet-forecast', figures }));
    return figures;
  } finally {
    await Promise.all([forecaster.close(), predictor.close()]);
    await stores.sql.close();
    await server.stop();
  }
}

async function measured(name: string, work: () => Promise<void>, count: number) {
  const before = process.cpuUsage();
  const started = performance.now();
  const stop = watchStalls();
  await work();
  const { worstCpuMs } = stop();
  const { user, system } = process.cpuUsage(before);
  const cpuSeconds = (user + system) / 1e6;
  const seconds = (performance.now() - started) / 1_000;
  return { name, seconds, cpuSeconds, cpuMsEach: (1_000 * cpuSeconds) / count, stallMs: worstCpuMs };
}
