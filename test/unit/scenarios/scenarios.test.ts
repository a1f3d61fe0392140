import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { play } from '../../support/scenario/play.ts';

const home = fileURLToPath(new URL('../../scenarios/', import.meta.url));
const names = readdirSync(home).filter((name) => existsSync(join(home, name, 'script.json')));
/** Writes what happens instead of comparing: then the transcript is read by a human, and committed. */
const recording = process.env['UMBRA_RECORD_SCENARIOS'] !== undefined;

describe('scenarios: what an operator would have seen', () => {
  test.each(names)('%s', async (name) => {
    const folder = join(home, name);
    const transcript = await play(folder, join(home, 'world'));
    const file = join(folder, 'log.expect');
    if (recording) writeFileSync(file, transcript);
    expect(transcript).toBe(readFileSync(file, 'utf8'));
  });

  test('every scenario says in its README what should happen', () => {
    expect(names.length).toBeGreaterThan(9);
    for (const name of names)
      expect(readFileSync(join(home, name, 'README.md'), 'utf8').trim().length).toBeGreaterThan(40);
  });
});
