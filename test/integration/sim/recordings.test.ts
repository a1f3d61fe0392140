import { expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import { conformance } from '../../../src/sim/conformance.ts';

const fixtures = resolve(import.meta.dirname, '../../fixtures/proxmox');

test.each([
  ['transcripts', 'world', 97],
  ['transcripts-2', 'world-2', 237],
])('%s of the real API is matched in every step that is authoritative', async (recording, world, steps) => {
  const score = await conformance(`${fixtures}/${recording}.json`, `${fixtures}/${world}`);
  expect(score.missed).toEqual([]);
  expect(score.of).toBe(steps);
});
