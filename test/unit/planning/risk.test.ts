import { describe, expect, test } from '@jest/globals';
import { dayMs, hourMs, minuteMs } from '../../../src/domain/time.ts';
import { calibrationFrom, isotonic, measureCalibration, recalibrate } from '../../../src/planning/risk/calibration.ts';
import { failureRate, fleetPrior, startingPrior } from '../../../src/planning/risk/failure.ts';
import { healthTerms } from '../../../src/planning/risk/health-factors.ts';
import { nodeFailuresLastMonth } from '../../../src/planning/risk/node-failures.ts';
import { exceedance } from '../../../src/planning/risk/overload.ts';
import { assessRisk, renderRisk } from '../../../src/planning/risk/score.ts';
import { flatForecast, now, seeded } from './fixtures.ts';

const calm = flatForecast([10, 20, 30, 35, 45]);
const question = { forecast: calm, capacityQps: 100, demandQps: 20, leadTimeMs: 3 * minuteMs, timeZone: 'UTC', now };

describe('P(demand above capacity)', () => {
  test.each([
    { limit: 10, expected: 0.9 },
    { limit: 20, expected: 0.5 },
    { limit: 30, expected: 0.1 },
    { limit: 35, expected: 0.05 },
    { limit: 45, expected: 0.01 },
  ])('at a quantile of $limit is what the quantile says: $expected', ({ limit, expected }) => {
    expect(exceedance([10, 20, 30, 35, 45], limit)).toBeCloseTo(expected, 6);
  });

  test('falls as capacity rises, never to nothing above p99', () => {
    let before = 1;
    for (let limit = 0; limit < 200; limit += 1) {
      const here = exceedance([10, 20, 30, 35, 45], limit);
      expect(here).toBeLessThanOrEqual(before);
      expect(here).toBeGreaterThan(0);
      before = here;
    }
  });

  test('of a forecast without any spread is all or nothing', () => {
    expect(exceedance([50, 50, 50, 50, 50], 51)).toBe(0);
    expect(exceedance([50, 50, 50, 50, 50], 49)).toBeGreaterThan(0.9);
    expect(exceedance([0, 0, 0, 0, 0], 10)).toBe(0);
  });
});

describe('the risk score', () => {
  test('is the chance of either, and its points add up to it', () => {
    const risk = assessRisk({
      ...question,
      capacityQps: 34,
      health: { diskLatencyRatio: 8 },
      failures: { at: [now - dayMs], watchedSince: now - 30 * dayMs },
    });
    expect(risk.score).toBeCloseTo(1 - (1 - risk.overload) * (1 - risk.failure), 9);
    expect(risk.parts.reduce((sum, { points }) => sum + points, 0)).toBeCloseTo(risk.score * 100, 0);
  });

  test('tells its parts in words, largest first', () => {
    const forecast = {
      ...calm,
      values: calm.values.map((path, level) => path.map((value, step) => (level === 4 && step >= 3 ? 200 : value))),
    };
    const risk = assessRisk({
      ...question,
      forecast,
      leadTimeMs: hourMs,
      health: { diskLatencyRatio: 3, nodeFailuresLastMonth: 2, node: 'pve2' },
    });
    expect(renderRisk(risk)).toMatch(/^\d+: demand p99 passes capacity at 12:15 \(\d+\)/);
    expect(risk.parts.map(({ text }) => text)).toContain('disk latency 3x');
    expect(risk.parts.map(({ text }) => text)).toContain('node pve2 failed twice this month');
  });

  test('is certain when demand is above capacity now, whatever the forecast says', () => {
    expect(assessRisk({ ...question, demandQps: 101 }).score).toBe(1);
    expect(assessRisk({ ...question, forecast: null, demandQps: 101 }).score).toBe(1);
    expect(assessRisk({ ...question, forecast: null, demandQps: null }).overload).toBe(0);
  });

  test('judges overload on CPU when demand does not explain the load', () => {
    const busy = assessRisk({ ...question, judgeOverloadByCpu: true, health: { cpu: 0.97 } });
    expect(busy.overload).toBeGreaterThan(0.9);
    expect(busy.parts[0]?.text).toBe('CPU at 97 %');
  });

  test.each([
    { health: { uptimeMs: 6 * hourMs }, text: 'started 6 h ago' },
    { health: { memoryUsed: 0.99 }, text: 'memory 99 % used' },
    { health: { node: 'pve2', nodeMemoryUsed: 0.97 }, text: 'memory of node pve2 97 % used' },
    { health: { node: 'pve2', nodeOnline: false }, text: 'node pve2 is offline' },
    { health: { node: 'pve2', nodeMaintenance: true }, text: 'node pve2 is in maintenance' },
    { health: { node: 'pve2', nodeFailuresLastMonth: 1 }, text: 'node pve2 failed once this month' },
  ])('rises with health: $text', ({ health, text }) => {
    expect(healthTerms(health).map((term) => term.text)).toEqual([text]);
    expect(assessRisk({ ...question, health }).failure).toBeGreaterThan(assessRisk(question).failure);
  });

  test('does not rise with a machine that is well', () => {
    const well = { uptimeMs: 2 * dayMs, memoryUsed: 0.9, node: 'pve1', nodeMemoryUsed: 0.8, nodeOnline: true };
    expect(healthTerms({ ...well, nodeMaintenance: false, nodeFailuresLastMonth: 0, silentMs: 0 })).toEqual([]);
  });

  test('ignores health that is not known or not a number', () => {
    expect(healthTerms({})).toEqual([]);
    expect(healthTerms({ diskLatencyRatio: NaN, cpuPressure: 0 })).toEqual([]);
    expect(assessRisk({ ...question, health: { diskLatencyRatio: NaN } }).score).toBeLessThan(1);
  });
});

describe('failure rates', () => {
  test('rise with failures and fade with their age', () => {
    const since = now - 60 * dayMs;
    const none = failureRate({ at: [], watchedSince: since }, startingPrior, now).perMs;
    const old = failureRate({ at: [now - 50 * dayMs], watchedSince: since }, startingPrior, now).perMs;
    const fresh = failureRate({ at: [now - dayMs], watchedSince: since }, startingPrior, now).perMs;
    expect(none).toBeLessThan(old);
    expect(old).toBeLessThan(fresh);
  });

  test('of an unknown machine are those of its fleet', () => {
    const fleet = Array.from({ length: 20 }, (_, index) => ({
      at: index % 2 === 0 ? [now - 10 * dayMs, now - 5 * dayMs] : [],
      watchedSince: now - 100 * dayMs,
    }));
    const { perMs } = failureRate(undefined, fleetPrior(fleet, now), now);
    expect(perMs * 100 * dayMs).toBeGreaterThan(0.7);
    expect(perMs * 100 * dayMs).toBeLessThan(1.3);
  });

  test('of a node are counted from the events that name it: a month back, and once for all it took along', () => {
    const failure = (at: number, facts: Record<string, string>, hostedVmId = 'shop') => ({
      ...{ id: `${hostedVmId}@${at}`, at, hostedVmId, kind: 'failed-detected', actor: 'workflow', facts },
      reason: { code: 'found-failed', text: '' },
    });
    const pve2 = { node: 'pve2', cluster: 'lab' };
    const failures = [
      failure(now - 40 * dayMs, pve2),
      failure(now - 9 * dayMs, pve2),
      failure(now - 9 * dayMs + 5 * minuteMs, pve2, 'blog'),
      failure(now - 8 * dayMs, { node: 'pve2', cluster: 'elsewhere' }),
      failure(now - 7 * dayMs, { node: 'pve3', cluster: 'lab' }),
      failure(now - 6 * dayMs, {}),
      failure(now - dayMs, { node: 'pve2' }),
    ];
    expect(nodeFailuresLastMonth(failures, pve2, now)).toBe(2);
    expect(nodeFailuresLastMonth([], pve2, now)).toBe(0);
  });
});

describe('calibration', () => {
  const random = seeded(5);
  const honest = Array.from({ length: 4_000 }, () => {
    const score = random();
    return { score, needed: random() < score };
  });
  const boastful = honest.map(({ score, needed }) => ({ score: Math.sqrt(score), needed }));

  test('finds honest scores good and leaves them alone', () => {
    const report = measureCalibration(honest);
    expect(report.brier).toBeCloseTo(1 / 6, 1);
    expect(report.skill).toBeGreaterThan(0.25);
    expect(report.off).toEqual([]);
    expect(calibrationFrom(honest)).toEqual({ measured: true, steps: [] });
  });

  test('mends scores that promise too much', () => {
    expect(measureCalibration(boastful).off.length).toBeGreaterThan(0);
    const calibration = calibrationFrom(boastful);
    const mended = boastful.map(({ score, needed }) => ({ score: recalibrate(calibration, score), needed }));
    expect(measureCalibration(mended).off).toEqual([]);
    expect(measureCalibration(mended).brier).toBeLessThan(measureCalibration(boastful).brier);
  });

  test('keeps order, zero and one', () => {
    const calibration = { measured: true, steps: isotonic(boastful) };
    const mapped = Array.from({ length: 101 }, (_, index) => recalibrate(calibration, index / 100));
    expect(mapped[0]).toBe(0);
    expect(mapped[100]).toBe(1);
    mapped.forEach((value, index) => expect(value).toBeGreaterThanOrEqual(mapped[Math.max(0, index - 1)]!));
  });

  test('says so when there are too few outcomes', () => {
    expect(calibrationFrom(honest.slice(0, 50)).measured).toBe(false);
    expect(measureCalibration([])).toMatchObject({ outcomes: 0, skill: null });
  });
});
