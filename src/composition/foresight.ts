import { startLoop } from '../background/loop.ts';
import type { Loop } from '../background/loop.ts';
import type { Instance } from '../domain/instance.ts';
import { minuteMs, secondMs } from '../domain/time.ts';
import { learnCapacities, learnEveryMs, sampleCpu } from '../foresight/capacity-learner.ts';
import { startFitter } from '../foresight/fitter.ts';
import { judge } from '../foresight/judge.ts';
import { threadForecaster } from '../providers/forecasting/threads.ts';
import type { Parts } from './parts.ts';

/** Half a minute after the store's upkeep, which rolls up what is judged. */
const judgeOffsetMs = 30 * secondMs;

/** Every hosted VM of the inventory in force. */
export function hostedVmIdsOf({ inventory }: Parts): string[] {
  return (inventory.current()?.inventory.hostedVms ?? []).map(({ id }) => id);
}

/** Fits models in threads, compares what they said with what came, and learns what machines can carry. */
export function startForesight(
  { stores, inventory, log }: Parts,
  options: {
    /** Unique among workers. */
    readonly holder: string;
    readonly threads: number;
    readonly cpuOf: (instance: Instance) => Promise<number | undefined>;
  },
): Pick<Loop, 'stop'> {
  const { demand, registry, events, outcomes, beliefs } = stores;
  const specs = () => inventory.current()?.inventory.hostedVms ?? [];
  const hostedVmIds = () => Promise.resolve(specs().map(({ id }) => id));
  const forecaster = threadForecaster({ threads: options.threads });
  const fitter = startFitter({
    demand,
    forecasts: stores.forecasts,
    ledger: stores.fits,
    events,
    forecaster,
    specs: () => Promise.resolve(specs()),
    holder: options.holder,
    atOnce: options.threads,
    now: Date.now,
    log: (line, facts) => log.info(facts, line),
  });
  const capacity = { registry, demand, samples: stores.cpuSamples, beliefs, cpuOf: options.cpuOf };
  let learnedAt = 0;
  const minute = async (): Promise<void> => {
    const now = Date.now();
    await judge({ demand, registry, outcomes, beliefs, ledger: stores.fits, events, hostedVmIds }, now);
    await sampleCpu(capacity, now);
    if (now - learnedAt < learnEveryMs) return;
    await learnCapacities(capacity, await hostedVmIds(), now);
    learnedAt = now;
  };
  const judging = startLoop({
    everyMs: minuteMs,
    offsetMs: judgeOffsetMs,
    round: minute,
    failed: (error) =>
      log.warn({ error: String(error) }, 'what forecasts said could not be compared; again in a minute'),
  });
  return {
    stop: async () => {
      await Promise.all([fitter.stop(), judging.stop()]);
      await forecaster.close();
    },
  };
}
