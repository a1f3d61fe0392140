import type { HostedVmSpec } from '../domain/policy.ts';
import { hourMs } from '../domain/time.ts';
import type { EpochMs } from '../domain/time.ts';
import type { ChunkReport, FleetForecaster } from '../ports/fleet-forecaster.ts';
import type { ForecastStore, StoredForecast } from '../ports/forecast-store.ts';
import { createForecasting } from './forecasting.ts';
import type { ForecastingDeps } from './forecasting.ts';

/** An activity over so many is some seconds of work: short enough to be repeated, long enough to be worth a task. */
const chunkSize = 250;
/** Read, forecast and stored together: a few, so that no event loop waits for their rows. */
const atOnce = 4;
/** Forecasts are compared with what came for two hours; the comparison looks six hours back. */
const keepMs = 9 * hourMs;

export type FleetForecasterDeps = ForecastingDeps & {
  readonly forecasts: Pick<ForecastStore, 'saveMany'>;
  /** Every hosted VM that is guarded now. */
  readonly specs: () => readonly HostedVmSpec[];
  /** From more hosted VMs than this on, forecasts are made in batches. */
  readonly batchAbove: number;
};

/** Is the fleet so large that forecasts are made in batches? */
export function isLarge({ specs, batchAbove }: Pick<FleetForecasterDeps, 'specs' | 'batchAbove'>): boolean {
  return specs().length > batchAbove;
}

export function createFleetForecaster(deps: FleetForecasterDeps): FleetForecaster {
  const forecasting = createForecasting(deps);

  /** @returns null where nothing can be said yet */
  const forecastOne = async (spec: HostedVmSpec, now: EpochMs, signal: AbortSignal): Promise<StoredForecast | null> => {
    const choice = await deps.forecasts.choice(spec.id);
    const believed = await forecasting.believed(spec.id, choice, now);
    const { forecast } = await forecasting.forecast(spec, believed, choice, signal);
    return forecast === null ? null : { hostedVmId: spec.id, at: now, ...forecast };
  };

  return {
    chunks() {
      if (!isLarge(deps)) return [];
      const ids = deps.specs().map(({ id }) => id);
      return slices(ids, chunkSize);
    },
    async forecastChunk(hostedVmIds, { now, from, progress, signal }) {
      const specs = new Map(deps.specs().map((spec) => [spec.id, spec]));
      let report: ChunkReport = from ?? { done: 0, stored: 0, silent: 0, failed: 0 };
      for (const ids of slices(hostedVmIds.slice(report.done), atOnce)) {
        signal.throwIfAborted();
        // One that left the inventory meanwhile needs no forecast any more.
        const asked = ids.flatMap((id) => specs.get(id) ?? []);
        const settled = await Promise.allSettled(asked.map((spec) => forecastOne(spec, now, signal)));
        const errors = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
        // When none of them could be forecast it is not they that are in trouble.
        if (errors.length > 1 && errors.length === asked.length) throw errors[0];
        signal.throwIfAborted();
        const made = settled.flatMap((each) =>
          each.status === 'fulfilled' && each.value !== null ? [each.value] : [],
        );
        await deps.forecasts.saveMany(made, now - keepMs);
        report = withGroup(report, ids.length, { asked: asked.length, made: made.length, errors });
        progress(report);
      }
      return report;
    },
  };
}

function withGroup(
  before: ChunkReport,
  count: number,
  { asked, made, errors }: { asked: number; made: number; errors: readonly unknown[] },
): ChunkReport {
  const [first] = errors;
  const trouble = before.trouble ?? (first instanceof Error ? first.message : undefined);
  return {
    done: before.done + count,
    stored: before.stored + made,
    silent: before.silent + asked - made - errors.length,
    failed: before.failed + errors.length,
    ...(trouble === undefined ? {} : { trouble }),
  };
}

function slices<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.slice(index * size, (index + 1) * size),
  );
}
