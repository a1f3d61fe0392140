import type { InstanceId } from '../domain/instance.ts';
import type { EpochMs } from '../domain/time.ts';
import type { Finding } from './detector.ts';
import type { MonitoredInstance } from './monitored.ts';
import type { Source } from './reporter.ts';

/**
 * Evidence that does not come from our own probes. One shard of the whole fleet looks at a source:
 * several would be several votes for one observation.
 */
export type EvidenceSource = {
  readonly source: Source;
  readonly everyMs: number;
  /** Findings about the instances it knows something about. Rejects when it cannot be read: then nothing is known. */
  look(instances: readonly MonitoredInstance[], now: EpochMs): Promise<ReadonlyMap<InstanceId, Finding>>;
};

/** A condition that must hold for a while before it counts. */
export function heldSince(
  since: Map<InstanceId, EpochMs>,
  instance: InstanceId,
  holds: boolean,
  now: EpochMs,
): EpochMs | undefined {
  if (!holds) {
    since.delete(instance);
    return undefined;
  }
  const began = since.get(instance) ?? now;
  since.set(instance, began);
  return began;
}
