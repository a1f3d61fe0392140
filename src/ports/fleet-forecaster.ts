import type { EpochMs } from '../domain/time.ts';

/** What came of a chunk, or of the part of it that is done. */
export type ChunkReport = {
  /** How many of its hosted VMs were looked at. */
  readonly done: number;
  readonly stored: number;
  /** Less than two hours of demand are known. */
  readonly silent: number;
  readonly failed: number;
  /** What went wrong with the first that failed. */
  readonly trouble?: string;
};

export type ChunkRun = {
  readonly now: EpochMs;
  /** What an attempt before this one had done. */
  readonly from?: ChunkReport;
  readonly progress: (done: ChunkReport) => void;
  readonly signal: AbortSignal;
};

/** Forecasts for hundreds of hosted VMs at a time, stored for the evaluations of the next minutes. */
export interface FleetForecaster {
  /** The hosted VMs in chunks; none while the fleet is so small that each evaluation makes its own forecast. */
  chunks(): string[][];
  /**
   * Forecasts every hosted VM of the chunk; trouble with one is counted and the others go on.
   * @throws ProviderError transient while the store is away: none of a group could be read
   */
  forecastChunk(hostedVmIds: readonly string[], run: ChunkRun): Promise<ChunkReport>;
}
