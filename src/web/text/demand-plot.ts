import type { UmbraEvent } from '../../domain/event.ts';
import { atLevel } from '../../domain/quantile.ts';
import type { Quantile } from '../../domain/quantile.ts';
import { minuteMs } from '../../domain/time.ts';
import type { EpochMs } from '../../domain/time.ts';
import type { DemandAnswer, Forecast } from '../api/wire.ts';
import { missingSpans, onOneTimeLine } from '../plot/model.ts';
import type { PlotModel } from '../plot/model.ts';
import { formatCount, formatQps } from './numbers.ts';

/** Kinds of events worth a mark among thousands of buckets; the timeline has them all. */
const warnings = ['fail', 'danger', 'silent', 'overload', 'fenced', 'refused', 'needs-human'];

/** The future takes a third of the width at most, whatever the horizon of the forecast. */
const leastAheadMs = 30 * minuteMs;

function stepsAhead(forecast: Forecast, until: EpochMs): number {
  const wanted = Math.ceil((until - forecast.start) / forecast.stepMs);
  return Math.max(0, Math.min(wanted, atLevel(forecast.values, 0.5).length));
}

/** Demand, the forecast's band, capacity and what happened meanwhile. */
export function demandPlot(answer: DemandAnswer, events: readonly UmbraEvent[], now: EpochMs): PlotModel {
  const { demand, imputed, forecast, capacityQps } = answer;
  const past = { times: demand.qps.map((_, index) => demand.start + index * demand.stepMs), values: demand.qps };
  const ahead = forecast === null ? 0 : stepsAhead(forecast, now + Math.max(leastAheadMs, (now - demand.start) / 2));
  const quantile = (level: Quantile) => ({
    times: Array.from({ length: ahead }, (_, index) => forecast!.start + index * forecast!.stepMs),
    values: forecast === null ? [] : atLevel(forecast.values, level).slice(0, ahead),
  });
  const guessed = { times: past.times, values: imputed?.qps ?? past.times.map(() => null) };
  const { times, values } = onOneTimeLine([past, quantile(0.1), quantile(0.5), quantile(0.9), quantile(0.99), guessed]);
  const start = times[0] ?? now;
  const end = times.at(-1) ?? now;
  return {
    title: `Demand, forecast${forecast === null ? ' (none yet)' : ` by ${forecast.model}`} and capacity, queries per second`,
    times,
    series: [
      { label: 'Demand', tone: 'demand', stroke: 'thick', values: values[0]! },
      { label: 'p10', tone: 'outlook', stroke: 'none', values: values[1]! },
      { label: 'p50', tone: 'forecast', stroke: 'dashed', values: values[2]! },
      { label: 'p90', tone: 'outlook', stroke: 'none', values: values[3]! },
      { label: 'p99', tone: 'forecast', stroke: 'thin', values: values[4]! },
      { label: 'Capacity', tone: 'capacity', stroke: 'thick', values: times.map(() => capacityQps) },
      // Never used for decisions: the line says what the picture lacks while an edge is silent.
      ...(imputed === null
        ? []
        : [{ label: 'With silent edges', tone: 'demand', stroke: 'dashed', values: values[5]! } as const]),
    ],
    bands: [{ upper: 3, lower: 1, tone: 'band' }],
    marks: events
      .filter((event) => event.at >= start && event.at <= end)
      .map((event) => ({
        at: event.at,
        label: `${event.kind}: ${event.reason.text}`,
        tone: warnings.some((word) => event.kind.includes(word)) ? 'warning' : 'note',
      })),
    now: end > now ? now : null,
    missing: missingSpans(demand.start, demand.stepMs, demand.qps),
    reach: capacityQps,
    format: formatQps,
    formatAxis: formatCount,
  };
}
