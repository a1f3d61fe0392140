import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { NameSource, RegisteredName } from '../collector/names.ts';
import { keepSnapshot } from './snapshot.ts';
import { join } from 'node:path';

const everyMs = 1_000;
const patienceMs = 5_000;

/** Names for an edge that has no way to the store: asked of the API every second, the last ones kept on disk. */
export function namesOverHttp(
  url: string,
  tokenFile: string,
  dataDir: string,
  log: Logger,
): { readonly source: NameSource; stop(): void } {
  const ask = async (): Promise<RegisteredName[]> => {
    const token = (await readFile(tokenFile, 'utf8')).trim();
    const response = await fetch(`${url.replace(/\/+$/, '')}/api/v1/names`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(patienceMs),
    });
    if (!response.ok) throw new Error(`${url} answered ${response.status} when asked for names`);
    return (await response.json()) as RegisteredName[];
  };
  const timers = new Set<NodeJS.Timeout>();
  const snapshot = keepSnapshot<RegisteredName[]>({
    what: 'names',
    file: join(dataDir, 'names-snapshot.json'),
    read: ask,
    subscribe: (listener) => {
      const timer = setInterval(listener, everyMs);
      timers.add(timer);
      return Promise.resolve(() => {
        clearInterval(timer);
        return Promise.resolve();
      });
    },
    log: (line) => log.info(line),
  });
  return {
    source: (listener) => {
      const state: { stop: () => void; stopped: boolean } = { stop: () => undefined, stopped: false };
      void snapshot.then((known) => {
        if (state.stopped) return;
        const tell = (): void => listener(known.current() ?? []);
        tell();
        state.stop = known.onChange(tell);
      });
      return () => {
        state.stopped = true;
        state.stop();
      };
    },
    stop: () => {
      for (const timer of timers) clearInterval(timer);
      void snapshot.then((known) => known.close());
    },
  };
}
