import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The newest of something the store holds, in memory and on disk: a process starts and goes on while the store is away. */
export type Snapshot<T> = {
  /** @returns undefined until the store, or a run before this one, has told */
  current(): T | undefined;
  /** Calls back after each change. @returns unsubscribe */
  onChange(listener: () => void): () => void;
  close(): Promise<void>;
};

export type SnapshotOptions<T> = {
  /** What it is, for the log: `inventory`. */
  readonly what: string;
  /** Where the last one is kept. */
  readonly file: string;
  /** @returns undefined when there is none yet; rejects while the store is away */
  readonly read: () => Promise<T | undefined>;
  /** Tells of changes; they may be missed, so it is read every `pollMs` too. */
  readonly subscribe: (listener: () => void) => Promise<() => Promise<void>>;
  readonly log: (line: string) => void;
};

const retryMs = 1_000;
const pollMs = 30_000;

/** Resolves at once when an earlier run has left a snapshot, else when the store has been asked. */
export async function keepSnapshot<T>(options: SnapshotOptions<T>): Promise<Snapshot<T>> {
  const { what, file, log } = options;
  const listeners = new Set<() => void>();
  const kept = await readKept(file);
  const known: { value: T | undefined; written: string; closed: boolean; away: boolean } = {
    value: kept.value as T | undefined,
    written: kept.written,
    closed: false,
    away: false,
  };
  let round: Promise<void> = Promise.resolve();

  const refresh = async (): Promise<void> => {
    while (!known.closed) {
      try {
        const value = await options.read();
        if (known.away) log(`${what}: the store is back`);
        known.away = false;
        const written = JSON.stringify(value);
        if (value === undefined || written === known.written) return;
        known.value = value;
        known.written = written;
        for (const listener of listeners) listener();
        await keep(file, written);
        return;
      } catch (error) {
        if (!known.away) log(`${what}: ${messageOf(error)}; going on with what is known`);
        known.away = true;
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  };
  const look = (): void => {
    round = round.then(refresh);
  };

  look();
  if (known.value === undefined) await round;
  const unsubscribe = options.subscribe(look);
  unsubscribe.catch((error: unknown) => log(`${what}: changes are looked for only: ${messageOf(error)}`));
  const timer = setInterval(look, pollMs);
  return {
    current: () => known.value,
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: async () => {
      known.closed = true;
      clearInterval(timer);
      await unsubscribe.then((stop) => stop()).catch(() => undefined);
      await round;
    },
  };
}

async function readKept(file: string): Promise<{ value: unknown; written: string }> {
  try {
    const written = await readFile(file, 'utf8');
    return { value: JSON.parse(written) as unknown, written };
  } catch {
    // None yet, or half of one by a power cut: the store knows better.
    return { value: undefined, written: '' };
  }
}

async function keep(file: string, written: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  // Renamed into place: a process killed here leaves the old snapshot whole.
  await writeFile(`${file}.new`, written, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
