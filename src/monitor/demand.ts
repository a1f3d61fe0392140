import type { InstanceId } from '../domain/instance.ts';
import type { EpochMs } from '../domain/time.ts';
import type { Finding } from './detector.ts';
import type { MonitoredInstance } from './monitored.ts';
import type { EvidenceSource } from './source.ts';

/** The newest complete bucket of one hosted VM. */
export type DemandReading = { readonly at: EpochMs; readonly qps: number };

/** What the spawn guard believes of a series that was counted; the newest bucket comes last. */
export type Believe = (hostedVmId: string, counted: readonly DemandReading[]) => Promise<readonly DemandReading[]>;

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
 * What the stream of DNS answers says about the serving instances. More demand than capacity is overload, as far as the
 * spawn guard believes it: an overload makes larger shadows, and a flood of questions must not (`dns.md` 6: then the
 * guests' own word counts). Demand that vanishes, as it was counted, is a hint of failure, one vote among others, and none at all when it vanishes for half of the fleet:
 * then our own eyes are the likelier cause.
 */
export function judgeDemand(
  instances: readonly MonitoredInstance[],
  history: ReadonlyMap<string, readonly DemandReading[]>,
  believed: ReadonlyMap<string, readonly DemandReading[]> = history,
): Map<InstanceId, Finding> {
  const serving = instances.filter((monitored) => monitored.serving);
  const capacity = capacityOf(instances);
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
    if (crowded(last, limit)) {
      const real = (believed.get(hostedVmId) ?? readings).slice(-inARow);
      const finding = crowded(real, limit)
        ? found('overloaded', `demand of ${rate} is above the ${limit} q/s that serve it`)
        : found('healthy', `demand of ${rate}, of which ${real.at(-1)?.qps.toFixed(0) ?? '0'} q/s are believed`);
      findings.set(instance, finding);
    } else if (gone.includes(hostedVmId)) {
      const evidence = `demand fell to ${rate}`;
      findings.set(instance, found(blind ? 'unknown' : 'failed', blind ? `${evidence}, as elsewhere` : evidence));
    } else findings.set(instance, found('healthy', `demand of ${rate}`));
  }
  return findings;
}

export function demandSource(
  read: (hostedVmIds: readonly string[]) => Promise<ReadonlyMap<string, DemandReading>>,
  believe: Believe,
  everyMs = 2_000,
): EvidenceSource {
  const history = new Map<string, readonly DemandReading[]>();
  const believed = new Map<string, readonly DemandReading[]>();

  /** Asked once for each bucket, and only where what was counted is above what serves: the guard only takes away. */
  async function doubt(instances: readonly MonitoredInstance[]): Promise<void> {
    for (const [hostedVmId, limit] of capacityOf(instances)) {
      const last = (history.get(hostedVmId) ?? []).slice(-inARow);
      if (!crowded(last, limit)) believed.delete(hostedVmId);
      else if (believed.get(hostedVmId)?.at(-1)?.at !== last.at(-1)!.at)
        believed.set(hostedVmId, await believe(hostedVmId, last));
    }
  }

  return {
    source: { vantage: 'dns', kind: 'dns' },
    everyMs,
    async look(instances) {
      remember(history, await read([...new Set(instances.map(({ hostedVmId }) => hostedVmId))]));
      await doubt(instances);
      return judgeDemand(instances, history, believed);
    },
  };
}

/** What serves each hosted VM together. */
function capacityOf(instances: readonly MonitoredInstance[]): Map<string, number> {
  const capacity = new Map<string, number>();
  for (const { hostedVmId, capacityQps, serving } of instances) {
    if (serving) capacity.set(hostedVmId, (capacity.get(hostedVmId) ?? 0) + capacityQps);
  }
  return capacity;
}

function crowded(last: readonly DemandReading[], limit: number): boolean {
  return last.length === inARow && last.every(({ qps }) => qps > limit);
}
