import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { NameSource, RegisteredName } from './names.ts';

const fileName = 'names.json';

/**
 * Registers the names of the source, now and after each change. Until it has answered (the store may be away) the names
 * of the last run are counted.
 * @returns unsubscribe
 */
export async function followNames(
  source: NameSource,
  dir: string,
  register: (vms: readonly RegisteredName[]) => void,
): Promise<() => void> {
  const answered = { yes: false };
  const unsubscribe = source((vms) => {
    answered.yes = true;
    register(vms);
    void keepNames(dir, vms);
  });
  const last = answered.yes ? undefined : await recallNames(dir);
  if (last !== undefined && !answered.yes) register(last);
  return unsubscribe;
}

/** Keeps the last names on disk, for a start while their source is away. Not worth an error. */
async function keepNames(dir: string, vms: readonly RegisteredName[]): Promise<void> {
  const path = join(dir, fileName);
  await writeFile(`${path}.part`, JSON.stringify(vms), { mode: 0o600 })
    .then(() => rename(`${path}.part`, path))
    .catch(() => undefined);
}

async function recallNames(dir: string): Promise<readonly RegisteredName[] | undefined> {
  try {
    return JSON.parse(await readFile(join(dir, fileName), 'utf8')) as RegisteredName[];
  } catch {
    return undefined;
  }
}
