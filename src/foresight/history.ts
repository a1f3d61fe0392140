import type { DemandSeries } from '../domain/demand.ts';
import { dayMs, hourMs, minuteMs } from '../domain/time.ts';
import { evidenceMeasures } from '../planning/spawn-guard.ts';
import type { DemandEvidence } from '../planning/spawn-guard.ts';
import type { DemandQuery, DemandStore } from '../ports/demand-store.ts';

/** Forecasts are made in steps of five minutes, for two days. */
export const stepMs = 5 * minuteMs;
export const horizonMs = 48 * hourMs;
/** What a model sees at most: four weeks. */
export const historyMs = 28 * dayMs;

/**
 * The series from its first query on. A young hosted VM has no past: what lies before its first query was neither
 * missing nor quiet, it was not there, and must not teach anything.
 */
export function sinceFirstQuery(series: DemandSeries): DemandSeries {
  const first = series.qps.findIndex((value) => value > 0);
  const from = first < 0 ? series.qps.findIndex((value) => Number.isFinite(value)) : first;
  if (from <= 0) return series;
  return { start: series.start + from * series.stepMs, stepMs: series.stepMs, qps: series.qps.slice(from) };
}

/** Steps in `from..to` of one hosted VM. */
export type EvidenceQuery = Omit<DemandQuery, 'measure' | 'imputed'>;

/** What the spawn guard has to see before demand may raise a shadow. */
export function readEvidence(
  { demand }: { readonly demand: Pick<DemandStore, 'readMeasures'> },
  query: EvidenceQuery,
): Promise<DemandEvidence> {
  return demand.readMeasures({ ...query, measures: evidenceMeasures });
}
