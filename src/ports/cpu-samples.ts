import type { EpochMs } from '../domain/time.ts';

/** CPU of the instance that serves a hosted VM alone, 0..1 of its vCPUs, once a minute. */
export type CpuSample = { readonly hostedVmId: string; readonly at: EpochMs; readonly cpu: number };

export interface CpuSampleStore {
  /** One per hosted VM and minute: of two workers that sample at once, the first is taken. */
  add(samples: readonly CpuSample[]): Promise<void>;
  /** Mean CPU by step, for the steps that have a sample. */
  means(hostedVmId: string, from: EpochMs, stepMs: number): Promise<{ readonly at: EpochMs; readonly cpu: number }[]>;
  tidy(before: EpochMs): Promise<void>;
}
