import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { cacheDirectory, findOnPath, obtainTemporalCli, temporalCliVersion } from '../../../tools/temporal-server.mjs';

/** An executable that answers `--version`, or fails with a sentence. */
function fakeCli(path: string, works = true): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, works ? '#!/bin/sh\necho temporal\n' : '#!/bin/sh\necho wrong machine >&2\nexit 3\n', {
    mode: 0o755,
  });
  return path;
}

describe('the Temporal CLI', () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'umbra-temporal-'));
    env = { PATH: join(folder, 'bin'), XDG_CACHE_HOME: join(folder, 'cache'), HOME: folder };
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('is the one TEMPORAL_CLI names', async () => {
    fakeCli(join(folder, 'bin', 'temporal'));
    const named = fakeCli(join(folder, 'mine'));
    expect(await obtainTemporalCli({ env: { ...env, TEMPORAL_CLI: named } })).toBe(named);
  });

  test('is not looked for elsewhere when TEMPORAL_CLI does not run', async () => {
    fakeCli(join(folder, 'bin', 'temporal'));
    const named = fakeCli(join(folder, 'mine'), false);
    await expect(obtainTemporalCli({ env: { ...env, TEMPORAL_CLI: named } })).rejects.toThrow(
      /TEMPORAL_CLI is .*mine, which does not run: .*wrong machine.*unset it/,
    );
  });

  test('is taken from PATH before the cache', async () => {
    const onPath = fakeCli(join(folder, 'bin', 'temporal'));
    fakeCli(join(cacheDirectory(env), `temporal-${temporalCliVersion}`, 'temporal'));
    const said: string[] = [];
    expect(await obtainTemporalCli({ env, log: (line) => said.push(line) })).toBe(onPath);
    expect(said).toEqual([`Temporal CLI: ${onPath} (PATH)`]);
  });

  test('is taken from the cache when the one on PATH does not run', async () => {
    fakeCli(join(folder, 'bin', 'temporal'), false);
    const cached = fakeCli(join(cacheDirectory(env), `temporal-${temporalCliVersion}`, 'temporal'));
    expect(await obtainTemporalCli({ env })).toBe(cached);
  });

  test('is never what npm put on PATH', () => {
    const npms = join(folder, 'node_modules', '.bin');
    fakeCli(join(npms, 'temporal'));
    expect(findOnPath('temporal', { PATH: npms })).toBeUndefined();
  });
});
