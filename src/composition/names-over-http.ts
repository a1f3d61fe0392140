import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { NameSource, RegisteredName } from '../collector/names.ts';
import { startSnapshot } from './snapshot.ts';

const everyMs = 1_000;
const patienceMs = 5_000;

/** Names for an edge that has no way to the store: asked of the API every second, the last ones kept on disk. */
export function namesOverHttp(
  url: string,
  tokenFile: string,
  dataDir: string,
  log: Logger,
): { readonly source: NameSource; stop(): Promise<void> } {
  const snapshot = startSnapshot<RegisteredName[]>({
    what: 'names',
    file: join(dataDir, 'names-snapshot.json'),
    read: async () => {
      const token = (await readFile(tokenFile, 'utf8')).trim();
      const response = await fetch(`${url.replace(/\/+$/, '')}/api/v1/names`, {
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(patienceMs),
      });
      if (!response.ok) throw new Error(`${url} answered ${response.status} when asked for names`);
      return (await response.json()) as RegisteredName[];
    },
    pollMs: everyMs,
    log: (line) => log.info(line),
  });
  return {
    source: (listener) => {
      const tell = (): void => {
        const known = snapshot.current();
        if (known !== undefined) listener(known);
      };
      tell();
      return snapshot.onChange(tell);
    },
    stop: () => snapshot.close(),
  };
}
