import { describe, expect, test } from '@jest/globals';
import { addStep, emptySums, geometricMean, pinball, scoresOf } from '../../../src/planning/forecast/score.ts';

describe('scores', () => {
  test.each([
    { actual: 10, quantile: 8, level: 0.9, loss: 1.8 },
    { actual: 8, quantile: 10, level: 0.9, loss: 0.2 },
    { actual: 5, quantile: 5, level: 0.5, loss: 0 },
  ])('pinball of saying $quantile at $level when $actual came is $loss', ({ actual, quantile, level, loss }) => {
    expect(pinball(actual, quantile, level)).toBeCloseTo(loss, 12);
  });

  test('are twice the pinball loss over the sum of demand, and missing steps are not scored', () => {
    const sums = emptySums();
    addStep(sums, 10, 8, 12, 20);
    addStep(sums, NaN, 8, 12, 20);
    addStep(sums, 30, 28, 26, 40);
    const scores = scoresOf(sums);
    expect(scores.wql50).toBeCloseTo((2 * (1 + 1)) / 40, 12);
    expect(scores.wql90).toBeCloseTo((2 * (0.2 + 3.6)) / 40, 12);
    expect(scores.coverage90).toBe(0.5);
    expect(scores.coverage99).toBe(1);
  });

  test('of a series that is always zero are zero when nothing is promised, and infinite when something is', () => {
    const silent = emptySums();
    // Nothing scored is not a perfect score.
    expect(scoresOf(silent)).toMatchObject({ wql90: NaN, coverage90: NaN });
    addStep(silent, 0, 0, 0, 0);
    expect(scoresOf(silent).wql90).toBe(0);
    addStep(silent, 0, 1, 1, 1);
    expect(scoresOf(silent).wql90).toBe(Infinity);
  });

  test('of several series are averaged geometrically', () => {
    expect(geometricMean([0.5, 2])).toBeCloseTo(1, 12);
  });
});
