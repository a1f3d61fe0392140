import { describe, expect, test } from '@jest/globals';
import { healthCovariates, healthTerms, priorWeights } from '../../../src/planning/risk/health-factors.ts';
import { leastFailures, learnWeights } from '../../../src/planning/risk/health-weights.ts';
import type { FailureOutcome, HealthWeights } from '../../../src/planning/risk/health-weights.ts';
import { assessRisk } from '../../../src/planning/risk/score.ts';
import { now, seeded } from './fixtures.ts';

/** Outcomes of a fleet in which findings truly weigh `truth`; one evaluation in five finds each of them. */
function outcomesOf(truth: Readonly<Record<string, number>>, count: number, expected = 0.001): FailureOutcome[] {
  const random = seeded(11);
  return Array.from({ length: count }, () => {
    const covariates = Object.fromEntries(
      Object.keys(truth).flatMap((code) => (random() < 0.2 ? [[code, 1 + random()]] : [])),
    );
    const log = Object.entries(covariates).reduce((sum, [code, size]) => sum + size * truth[code]!, 0);
    return { failed: random() < 1 - Math.exp(-expected * Math.exp(log)), expected, covariates };
  });
}

const failuresIn = (outcomes: readonly FailureOutcome[]): number => outcomes.filter(({ failed }) => failed).length;

describe('weights of health findings', () => {
  test('are the priors until the fleet has seen enough failures', () => {
    const few = learnWeights(outcomesOf({ 'disk-latency': 3 }, 2_000), priorWeights, leastFailures - 1);
    expect(few).toMatchObject({ learned: false, failures: leastFailures - 1, weights: priorWeights });
  });

  test('move towards what the fleet shows, and stay where it shows nothing', () => {
    // Here a slow disk means more than was published, and a silent guest nothing at all.
    const outcomes = outcomesOf({ 'disk-latency': 2, silence: 0 }, 40_000);
    const found = learnWeights(outcomes, priorWeights, failuresIn(outcomes));
    expect(found.learned).toBe(true);
    expect(found.weights['disk-latency']).toBeGreaterThan(1.6);
    expect(found.weights['disk-latency']).toBeLessThan(2.2);
    expect(found.weights['silence']).toBeLessThan(0.5);
    expect(found.weights['silence']).toBeGreaterThanOrEqual(0);
    expect(found.weights['node-maintenance']).toBeCloseTo(priorWeights['node-maintenance']!, 2);
  });

  test('move little on little evidence', () => {
    const outcomes = outcomesOf({ 'disk-latency': 2 }, 800, 0.01);
    const found = learnWeights(outcomes, priorWeights, leastFailures);
    const prior = priorWeights['disk-latency']!;
    expect(found.weights['disk-latency']).toBeGreaterThan(prior);
    expect(found.weights['disk-latency']).toBeLessThan(2);
  });

  test('are not blamed for a rate that is wrong for everybody', () => {
    // Failures are three times as frequent as expected, whatever was found.
    const outcomes = outcomesOf({ 'disk-latency': 0.9 }, 40_000, 0.003).map((each) => ({ ...each, expected: 0.001 }));
    const found = learnWeights(outcomes, priorWeights, failuresIn(outcomes));
    expect(found.weights['disk-latency']).toBeCloseTo(0.9, 0);
  });

  test.each([
    ['nothing', []],
    ['failures that nothing expected', new Array(50).fill({ failed: true, expected: 0, covariates: { silence: 6 } })],
    ['huge findings', new Array(50).fill({ failed: true, expected: 1, covariates: { 'disk-latency': 1e6 } })],
    ['a finding nobody knows any more', new Array(50).fill({ failed: true, expected: 0.1, covariates: { tea: 1 } })],
  ])('are numbers whatever comes: %s', (_, outcomes) => {
    const { weights } = learnWeights(outcomes as FailureOutcome[], priorWeights, 50);
    for (const [code, weight] of Object.entries(weights))
      expect([code, Number.isFinite(weight) && weight >= 0]).toEqual([code, true]);
  });
});

describe('a risk with health findings', () => {
  const question = {
    ...{ forecast: null, capacityQps: 100, demandQps: 20, leadTimeMs: 300_000, timeZone: 'UTC', now },
    health: { diskLatencyRatio: 3, cpuPressure: 0.25 },
  };

  test('says whose estimates they are weighed by', () => {
    expect(assessRisk(question).healthWeights).toBe(
      'health findings weigh as published estimates do, until 30 failures of this fleet are known (0 so far)',
    );
    const learned = { learned: true, failures: 42, weights: priorWeights };
    expect(assessRisk({ ...question, healthWeights: learned }).healthWeights).toBe(
      'health findings weigh as learned from 42 failures of this fleet',
    );
    expect(assessRisk({ ...question, health: {} }).healthWeights).toBeUndefined();
  });

  test('uses what was learned, and tells the size of each finding for learning more', () => {
    const weights = { ...priorWeights, 'disk-latency': 2 * priorWeights['disk-latency']! };
    const of = (chosen: HealthWeights): number =>
      healthTerms(question.health, chosen).find(({ code }) => code === 'disk-latency')!.logFactor;
    expect(of(weights)).toBeCloseTo(2 * of(priorWeights), 6);
    expect(
      assessRisk({ ...question, healthWeights: { learned: true, failures: 42, weights } }).failure,
    ).toBeGreaterThan(assessRisk(question).failure);
    expect(healthCovariates(question.health)).toEqual({ 'cpu-pressure': 2, 'disk-latency': 1.585 });
  });
});
