import type { Finding } from '../api/doctor.ts';
import type { Config } from '../config.ts';

/** A process that runs until it is closed. */
export type Running = {
  /** Ends everything within 5 s. */
  close(): Promise<void>;
  /** Resolves when it has ended by itself, as a replay does; rejects when it cannot go on. */
  readonly ended?: Promise<void>;
};

type Say = (line: string) => void;

/** What `src/composition.ts` offers: the only place that chooses providers. */
export type Composition = {
  readonly runCollector: (
    config: Config,
    options: { readonly replay?: { readonly file: string; readonly speed: number }; readonly say: Say },
  ) => Promise<Running>;
  readonly runWorker: (config: Config) => Promise<Running>;
  readonly runMonitor: (config: Config, options: { readonly vantage: string | undefined }) => Promise<Running>;
  readonly runApi: (config: Config) => Promise<Running>;
  readonly examineInstallation: (config: Config) => Promise<readonly Finding[]>;
};

/** Loaded when it is asked for: `umbra list` should not wait for Temporal's native code. */
export async function composition(): Promise<Composition> {
  return await import('../composition.ts');
}
