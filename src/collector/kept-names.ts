import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { RegisteredName } from './names.ts';

const fileName = 'names.json';

/** Keeps the last names on disk, for a start while their source is away. Not worth an error. */
export async function keepNames(dir: string, vms: readonly RegisteredName[]): Promise<void> {
  const path = join(dir, fileName);
  await writeFile(`${path}.part`, JSON.stringify(vms), { mode: 0o600 })
    .then(() => rename(`${path}.part`, path))
    .catch(() => undefined);
}

export async function recallNames(dir: string): Promise<readonly RegisteredName[] | undefined> {
  try {
    return JSON.parse(await readFile(join(dir, fileName), 'utf8')) as RegisteredName[];
  } catch {
    return undefined;
  }
}
