import type { DemandBatch, DemandCount, EdgeBucket } from '../../../src/domain/demand.ts';
import type { DemandStore } from '../../../src/ports/demand-store.ts';
import { ProviderError } from '../../../src/ports/errors.ts';

/** A store in memory with the one rule that matters to a collector: a batch counts once. */
export class KeptStore implements Pick<DemandStore, 'write'> {
  readonly batches = new Map<string, DemandBatch>();
  away = false;
  attempts = 0;

  write(batch: DemandBatch): Promise<'written' | 'repeated'> {
    this.attempts += 1;
    if (this.away) {
      const what = { provider: 'test', operation: 'write', target: 'store', message: 'away' };
      return Promise.reject(new ProviderError({ ...what, failureClass: 'transient' }));
    }
    const key = `${batch.edge}/${batch.epoch}/${batch.seq}`;
    if (this.batches.has(key)) return Promise.resolve('repeated');
    this.batches.set(key, structuredClone(batch));
    return Promise.resolve('written');
  }

  get counts(): DemandCount[] {
    return [...this.batches.values()].flatMap(({ counts }) => counts);
  }

  get buckets(): EdgeBucket[] {
    return [...this.batches.values()].flatMap(({ buckets }) => buckets);
  }

  /** Answers by hosted VM. */
  answers(): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const { hostedVmId, answers } of this.counts) {
      if (answers > 0) sums[hostedVmId] = (sums[hostedVmId] ?? 0) + answers;
    }
    return sums;
  }
}

export async function until(what: string, holds: () => boolean, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`still waiting after ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
