import type { DemandBatch, DemandCount } from '../domain/demand.ts';

/**
 * Puts batches of one step together into one: every bucket's own facts stay, the counts become one per hosted VM.
 * The sum has the identity of the first; none of them may have been sent before.
 */
export function condense(batches: readonly DemandBatch[], stepMs: number): DemandBatch {
  const first = batches[0]!;
  const sums = new Map<string, DemandCount>();
  for (const { counts } of batches) {
    for (const count of counts) {
      const known = sums.get(count.hostedVmId);
      const start = Math.floor(count.at / stepMs) * stepMs;
      const wide = { ...count, at: start, spanMs: stepMs };
      sums.set(count.hostedVmId, known === undefined ? wide : added(known, wide));
    }
  }
  const buckets = batches.flatMap((batch) => batch.buckets).sort((a, b) => a.at - b.at);
  return { edge: first.edge, epoch: first.epoch, seq: first.seq, buckets, counts: [...sums.values()] };
}

function added(a: DemandCount, b: DemandCount): DemandCount {
  const answers = a.answers + b.answers;
  return {
    ...a,
    answers,
    deduplicated: a.deduplicated + b.deduplicated,
    established: (a.established ?? a.deduplicated) + (b.established ?? b.deduplicated),
    // Rates are not added; the larger one is the safer one.
    estimatedQps: a.estimatedQps === null ? b.estimatedQps : Math.max(a.estimatedQps, b.estimatedQps ?? 0),
    sources: Math.max(a.sources, b.sources),
    rcodes: addedSplit(a.rcodes, b.rcodes),
    types: addedSplit(a.types, b.types),
    tcp: a.tcp + b.tcp,
    responseBytes: a.responseBytes + b.responseBytes,
    topShare: answers === 0 ? 0 : (a.topShare * a.answers + b.topShare * b.answers) / answers,
  };
}

function addedSplit(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const sum: Record<string, number> = { ...a };
  for (const key in b) sum[key] = (sum[key] ?? 0) + b[key]!;
  return sum;
}
