import { signal } from '@preact/signals';
import { secondMs } from '../../domain/time.ts';
import type { EpochMs } from '../../domain/time.ts';
import { read } from './client.ts';

type DemandNow = Readonly<Record<string, { readonly qps: number; readonly at: EpochMs } | undefined>>;

/** The newest demand of every hosted VM by id; empty until the first answer, and kept while the store is away. */
export const demandNow = signal<DemandNow>({});

/** One bucket of a collector. */
export const demandEveryMs = 10 * secondMs;

/** Reads it now and with every bucket, until the returned function is called. */
export function followDemand(): () => void {
  const ended = new AbortController();
  const readIt = async (): Promise<void> => {
    try {
      demandNow.value = await read<DemandNow>('/demand/now', ended.signal);
    } catch {
      // What is shown keeps its age, and turns grey once it is old.
    }
  };
  const timer = setInterval(() => void readIt(), demandEveryMs);
  void readIt();
  return () => {
    ended.abort();
    clearInterval(timer);
  };
}
