import { expect, test } from '@jest/globals';

import { fuzzFrames } from './fuzzing.ts';
import { killAndCount } from './killing.ts';

test('after kill -9 of collector and store at random moments the sums equal the truth', async () => {
  const counts = await killAndCount([1, 2, 3, 4, 5]);
  expect(counts).toMatchObject({ seeds: 5, collectorKills: 5 });
  expect(counts.acknowledged).toBeGreaterThanOrEqual(15);
}, 120_000);

test('mutated and truncated frames are counted as such and harm nothing', () => {
  const counts = fuzzFrames(60_000, 7);
  expect(counts.undecodable).toBeGreaterThan(1_000);
  expect(counts.counted).toBeGreaterThan(1_000);
  expect(counts.streamErrors).toBeGreaterThan(10);
});
