import type { DemandSeries } from '../../domain/demand.ts';
import type { PlannedEvent } from '../../domain/policy.ts';
import type { EpochMs } from '../../domain/time.ts';
import type { QuantileForecast } from './model.ts';

/** Product of the factors of all events under way at `at`. */
export function eventFactor(events: readonly PlannedEvent[], at: EpochMs): number {
  let factor = 1;
  for (const event of events) if (at >= event.from && at < event.to) factor *= event.factor;
  return factor;
}

/** Planned events multiply every quantile of the steps they overlap. */
export function withEvents(forecast: QuantileForecast, events: readonly PlannedEvent[]): QuantileForecast {
  if (events.length === 0) return forecast;
  const factors = (forecast.values[0] ?? []).map((_, step) =>
    eventFactor(events, forecast.start + step * forecast.stepMs),
  );
  if (factors.every((factor) => factor === 1)) return forecast;
  return { ...forecast, values: forecast.values.map((path) => path.map((value, step) => value * factors[step]!)) };
}

/** Takes known events out of the past, so that last month's sale does not teach the next ordinary day. */
export function withoutEvents(series: DemandSeries, events: readonly PlannedEvent[]): DemandSeries {
  if (events.length === 0) return series;
  const qps = series.qps.map((value, index) => {
    const factor = eventFactor(events, series.start + index * series.stepMs);
    return factor > 0 ? value / factor : NaN;
  });
  return { ...series, qps };
}
