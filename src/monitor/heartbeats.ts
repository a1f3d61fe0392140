import type { InstanceId } from '../domain/instance.ts';
import type { EpochMs } from '../domain/time.ts';
import type { Heartbeat } from '../ports/registry.ts';
import type { Finding } from './detector.ts';
import type { MonitoredInstance } from './monitored.ts';
import type { EvidenceSource } from './source.ts';

/** A beat may be lost or late; three in a row are not. */
const missed = 3;
const fullCpu = 0.95;

/**
 * What the newest heartbeats say. A guest that has never sent any says nothing; when *nobody* beats any more
 * it is our receiver that is away, and nothing is known.
 */
export function judgeHeartbeats(
  instances: readonly MonitoredInstance[],
  beats: ReadonlyMap<InstanceId, Heartbeat>,
  everyMs: number,
  now: EpochMs,
): Map<InstanceId, Finding> {
  const silentAfterMs = missed * everyMs;
  const known = instances.flatMap((monitored) => {
    const beat = beats.get(monitored.instance);
    return beat === undefined ? [] : [{ monitored, beat }];
  });
  const heardAnybody = known.some(({ beat }) => now - beat.at <= silentAfterMs);
  const findings = new Map<InstanceId, Finding>();
  for (const { monitored, beat } of known) {
    findings.set(
      monitored.instance,
      heardAnybody ? judgeBeat(monitored, beat, silentAfterMs, now) : deaf(known.length, beat.at),
    );
  }
  return findings;
}

function deaf(count: number, at: EpochMs): Finding {
  return {
    finding: 'unknown',
    sinceMs: at,
    evidence: `no heartbeat from any of ${count} guests: the receiver may be away`,
  };
}

function judgeBeat(monitored: MonitoredInstance, beat: Heartbeat, silentAfterMs: number, now: EpochMs): Finding {
  const silence = now - beat.at;
  if (silence > silentAfterMs) {
    return { finding: 'failed', sinceMs: beat.at, evidence: `no heartbeat for ${(silence / 1_000).toFixed(0)} s` };
  }
  const { qps, cpu } = beat.load ?? {};
  const overloaded = (evidence: string): Finding => ({ finding: 'overloaded', sinceMs: beat.at, evidence });
  if (cpu !== undefined && cpu >= fullCpu) return overloaded(`the guest reports ${Math.round(cpu * 100)} % CPU`);
  if (qps !== undefined && qps > monitored.capacityQps) {
    return overloaded(`the guest serves ${Math.round(qps)} q/s, its capacity is ${monitored.capacityQps} q/s`);
  }
  if (beat.finding === 'overloaded' || beat.finding === 'failed') {
    return { finding: beat.finding, sinceMs: beat.at, evidence: 'the guest says so itself' };
  }
  return { finding: 'healthy', sinceMs: beat.at, evidence: 'heartbeats arrive' };
}

/** @param everyMs how often a guest beats */
export function heartbeatSource(
  read: (instances: readonly InstanceId[]) => Promise<ReadonlyMap<InstanceId, Heartbeat>>,
  everyMs: number,
): EvidenceSource {
  return {
    source: { vantage: 'heartbeat', kind: 'heartbeat' },
    everyMs: Math.min(everyMs, 1_000),
    async look(instances, now) {
      return judgeHeartbeats(instances, await read(instances.map(({ instance }) => instance)), everyMs, now);
    },
  };
}
