import type { InstanceId } from '../domain/instance.ts';
import type { EpochMs } from '../domain/time.ts';
import type { Finding } from './detector.ts';
import type { MonitoredInstance } from './monitored.ts';
import type { EvidenceSource } from './source.ts';

/** The newest complete bucket of one hosted VM. */
export type DemandReading = { readonly at: EpochMs; readonly qps: number };

/** Readings kept per hosted VM: five minutes of 10 s buckets. */
const memory = 30;
/** A median of fewer is not worth comparing with. */
const leastReadings = 6;
/** Below this rate chance alone makes a lull. */
const leastQps = 2;
const collapseShare = 0.2;
/** Buckets in a row until it counts. */
const inARow = 2;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** The last readings, when there are enough to see a collapse: all far below the median of those before them. */
function collapsed(readings: readonly DemandReading[]): boolean {
  const before = readings.slice(0, -inARow).map(({ qps }) => qps);
  const usual = median(before);
  if (before.length < leastReadings || usual < leastQps) return false;
  return readings.slice(-inARow).every(({ qps }) => qps < usual * collapseShare);
}

/** Adds the newest reading of every hosted VM; a bucket that was read before adds nothing. */
export function remember(
  history: Map<string, readonly DemandReading[]>,
  newest: ReadonlyMap<string, DemandReading>,
): void {
  for (const [hostedVmId, reading] of newest) {
    const known = history.get(hostedVmId) ?? [];
    if (Number.isNaN(reading.qps) || (known.at(-1)?.at ?? -Infinity) >= reading.at) continue;
    history.set(hostedVmId, [...known, reading].slice(-memory));
  }
}

/**
 * What the stream of DNS answers says about the serving instances. More demand than capacity is overload; demand that
 * vanishes is a hint of failure, one vote among others, and none at all when it vanishes for half of the fleet:
 * then our own eyes are the likelier cause.
 */
export function judgeDemand(
  instances: readonly MonitoredInstance[],
  history: ReadonlyMap<string, readonly DemandReading[]>,
): Map<InstanceId, Finding> {
  const serving = instances.filter((monitored) => monitored.serving);
  const capacity = new Map<string, number>();
  for (const { hostedVmId, capacityQps } of serving) {
    capacity.set(hostedVmId, (capacity.get(hostedVmId) ?? 0) + capacityQps);
  }
  const gone = [...capacity.keys()].filter((hostedVmId) => collapsed(history.get(hostedVmId) ?? []));
  const blind = gone.length > 1 && gone.length * 2 >= capacity.size;

  const findings = new Map<InstanceId, Finding>();
  for (const { instance, hostedVmId } of serving) {
    const readings = history.get(hostedVmId) ?? [];
    const last = readings.slice(-inARow);
    const [first] = last;
    const newest = last.at(-1);
    if (first === undefined || newest === undefined) continue;
    const limit = capacity.get(hostedVmId) ?? 0;
    const found = (finding: Finding['finding'], evidence: string): Finding => ({
      finding,
      sinceMs: first.at,
      evidence,
    });
    const rate = `${newest.qps.toFixed(0)} q/s`;
    if (last.length === inARow && last.every(({ qps }) => qps > limit)) {
      findings.set(instance, found('overloaded', `demand of ${rate} is above the ${limit} q/s that serve it`));
    } else if (gone.includes(hostedVmId)) {
      const evidence = `demand fell to ${rate}`;
      findings.set(instance, found(blind ? 'unknown' : 'failed', blind ? `${evidence}, as elsewhere` : evidence));
    } else findings.set(instance, found('healthy', `demand of ${rate}`));
  }
  return findings;
}

export function demandSource(
  read: (hostedVmIds: readonly string[]) => Promise<ReadonlyMap<string, DemandReading>>,
  everyMs = 2_000,
): EvidenceSource {
  const history = new Map<string, readonly DemandReading[]>();
  return {
    source: { vantage: 'dns', kind: 'dns' },
    everyMs,
    async look(instances) {
      remember(history, await read([...new Set(instances.map(({ hostedVmId }) => hostedVmId))]));
      return judgeDemand(instances, history);
    },
  };
}
