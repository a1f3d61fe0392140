import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { startLoop } from '../background/loop.ts';

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
  /** Tells of changes; they may be missed, so it is read from time to time too. */
  readonly subscribe?: (listener: () => void) => Promise<() => Promise<void>>;
  /** How often it is read without being told; every 30 s unless told. */
  readonly pollMs?: number;
  readonly log: (line: string) => void;
};

const retryMs = 1_000;
const pollMs = 30_000;

/** Resolves at once when an earlier run has left a snapshot, else when the store has been asked. */
export async function keepSnapshot<T>(options: SnapshotOptions<T>): Promise<Snapshot<T>> {
  const { known, ...snapshot } = startSnapshot(options);
  await known;
  return snapshot;
}

/** For who does not wait: nothing is current until `known` has resolved. */
export function startSnapshot<T>(options: SnapshotOptions<T>): Snapshot<T> & { readonly known: Promise<void> } {
  const { what, file, log } = options;
  const listeners = new Set<() => void>();
  const state = { value: undefined as T | undefined, written: '', away: false, opened: false };
  let resolveKnown: () => void = () => undefined;
  const known = new Promise<void>((resolve) => (resolveKnown = resolve));
  const change = (value: T, written: string): void => {
    Object.assign(state, { value, written });
    for (const listener of listeners) listener();
  };

  const recall = async (): Promise<void> => {
    state.opened = true;
    const kept = await readKept(file);
    if (kept === undefined) return;
    change(kept.value as T, kept.written);
    resolveKnown();
  };
  const ask = async (): Promise<void> => {
    const value = await options.read();
    if (state.away) log(`${what}: the store is back`);
    state.away = false;
    const written = JSON.stringify(value);
    if (value !== undefined && written !== state.written) {
      change(value, written);
      await keep(file, written);
    }
    resolveKnown();
  };

  const loop = startLoop({
    everyMs: () => (state.away ? retryMs : (options.pollMs ?? pollMs)),
    round: async () => {
      if (!state.opened) await recall();
      await ask();
    },
    failed: (error) => {
      if (!state.away) log(`${what}: ${messageOf(error)}; going on with what is known`);
      state.away = true;
    },
  });
  const unsubscribe = options.subscribe?.(() => loop.wake());
  unsubscribe?.catch((error: unknown) => log(`${what}: changes are looked for only: ${messageOf(error)}`));
  return {
    known,
    current: () => state.value,
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: async () => {
      await unsubscribe?.then((stop) => stop()).catch(() => undefined);
      await loop.stop();
    },
  };
}

async function readKept(file: string): Promise<{ value: unknown; written: string } | undefined> {
  try {
    const written = await readFile(file, 'utf8');
    return { value: JSON.parse(written) as unknown, written };
  } catch {
    // None yet, or half of one by a power cut: the store knows better.
    return undefined;
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
