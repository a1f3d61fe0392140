import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import type { Stalls } from '../../support/stalls.ts';

const watched = fileURLToPath(new URL('../../support/foresight-under-watch.process.ts', import.meta.url));

/**
 * What else happens in the process (probes, signals, answers) should wait no longer than 20 ms. CPU time itself grows beside the
 * other tests, which share its cores and caches: 18 to 32 ms in a process alone, the least of them 24 ms here.
 */
const goalMs = 20;
const besideOtherTests = 1.9;
/** A collection of garbage or a busy machine may hit once; what the code itself does hits every time. */
const attempts = 3;

test('fits and forecasts, also the first and cold ones, never hold up the event loop', async () => {
  const seen: number[] = [];
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', watched]);
    const said = JSON.parse(stdout) as Stalls & { models: string[]; saved: number[]; steps: number };
    // It did what it was watched at: two models, 24 evaluations, each with the whole horizon.
    expect(said.models).toHaveLength(2);
    expect(said.saved).toEqual(new Array(24).fill(said.steps));
    expect(said.turns).toBeGreaterThan(100);
    seen.push(said.worstCpuMs);
    if (said.worstCpuMs <= goalMs * besideOtherTests) break;
  }
  expect(Math.min(...seen)).toBeLessThanOrEqual(goalMs * besideOtherTests);
}, 180_000);
