import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const fileName = 'sources.bin';

/**
 * Keeps which sources are established over a restart, so that known resolvers are not taken for a flood.
 * Only hashes with a secret seed are written, readable by the owner alone; no address can be read from them
 * without the seed, which lies in the same file: docs/privacy.md says what that means.
 */
export async function keepSources(dir: string, seed: number, keys: Int32Array): Promise<void> {
  const bytes = Buffer.alloc(4 + keys.length * 4);
  bytes.writeInt32LE(seed, 0);
  keys.forEach((key, i) => bytes.writeInt32LE(key, 4 + i * 4));
  const path = join(dir, fileName);
  await writeFile(`${path}.part`, bytes, { mode: 0o600 })
    .then(() => rename(`${path}.part`, path))
    .catch(() => undefined);
}

export async function recallSources(dir: string): Promise<{ seed: number; keys: Int32Array } | undefined> {
  try {
    const bytes = await readFile(join(dir, fileName));
    const keys = new Int32Array(Math.floor(bytes.length / 4) - 1);
    for (let i = 0; i < keys.length; i += 1) keys[i] = bytes.readInt32LE(4 + i * 4);
    return { seed: bytes.readInt32LE(0), keys };
  } catch {
    return undefined;
  }
}
