import { describe, expect, test } from '@jest/globals';

import type { DemandSeries } from '../../../src/domain/demand.ts';
import { believedDemand, guardDemand } from '../../../src/planning/spawn-guard.ts';
import type { DemandEvidence } from '../../../src/planning/spawn-guard.ts';

const bucketMs = 10_000;
const stepMs = 300_000;

type Moment = { counted: number; established?: number; answers?: number; nxdomain?: number; top?: number };

/** One moment for each step: `[20 moments of calm, 30 of a flood]`. */
function evidence(moments: readonly Moment[], step = bucketMs, start = 0): DemandEvidence {
  const of = (value: (moment: Moment) => number): DemandSeries => ({ start, stepMs: step, qps: moments.map(value) });
  return {
    deduplicated: of(({ counted }) => counted),
    established: of(({ counted, established }) => established ?? counted),
    answers: of(({ counted, answers }) => answers ?? counted),
    nxdomain: of(({ nxdomain }) => nxdomain ?? 0),
    topSource: of(({ top }) => top ?? 0),
  };
}

const times = (count: number, moment: Moment): Moment[] => new Array<Moment>(count).fill(moment);
const calm: Moment = { counted: 10, established: 9 };

describe('demand that decisions may use', () => {
  test('established sources count at once, whatever they ask', () => {
    const { series, reason } = guardDemand(evidence([...times(20, calm), { counted: 500, established: 450 }]));
    expect(series.qps.at(-1)).toBe(450);
    expect(reason).toMatchObject({ code: 'unestablished-demand', facts: { believedQps: 450, heldBackQps: 50 } });
  });

  test('a fifth more a minute of sources that nobody knows, as long as they are no jump', () => {
    const rise = Array.from({ length: 13 }, (_, i): Moment => ({ counted: 10 + i, established: 9 + i * 0.7 }));
    const half = times(6, { counted: 30, established: 20 });
    const { series } = guardDemand(evidence([...times(20, calm), ...rise]));
    expect(series.qps.at(-1)).toBeCloseTo(17.4, 5);
    // From 20 of 30 known on, the rest is let in within some minutes: 20 x 1.2 a minute.
    const paced = guardDemand(evidence([...times(60, { counted: 10, established: 6.7 }), ...half, ...half])).series.qps;
    expect(paced[60]).toBe(20);
    expect(paced[66]).toBeCloseTo(20 * 1.2, 5);
  });

  test.each<[string, Moment, number, string]>([
    ['new sources', { counted: 1_000, established: 9 }, 10, 'new sources jumped from 10 % to 99 %'],
    ['one source', { counted: 40, answers: 1_000, top: 960 }, 10, 'one source jumped from 0 % to 96 %'],
    ['names that do not exist', { counted: 40, nxdomain: 60 }, 10, 'names that do not exist jumped from 0 % to 60 %'],
  ])('a jump of %s raises nothing from DNS', (_, flood, believed, text) => {
    const { series, reason } = guardDemand(evidence([...times(20, calm), ...times(12, flood)]));
    expect(Math.max(...series.qps)).toBeLessThanOrEqual(believed);
    expect(reason?.code).toBe('dns-demand-frozen');
    expect(reason?.text).toMatch(/planned for until it is known what they are$/);
    const first = guardDemand(evidence([...times(20, calm), flood]));
    expect(first.reason?.text).toContain(text);
  });

  test('in a jump of new sources the known ones still count', () => {
    const { series } = guardDemand(evidence([...times(20, calm), ...times(3, { counted: 200, established: 60 })]));
    expect(series.qps.slice(-3)).toEqual([60, 60, 60]);
  });

  test('a few questions of a quiet night are no jump', () => {
    const night: Moment = { counted: 1, established: 0, answers: 1, top: 1 };
    const { series } = guardDemand(evidence([...times(20, { counted: 1 }), night]));
    expect(series.qps.at(-1)).toBe(1);
  });

  test('demand never rises above what was counted, and a fall is believed at once', () => {
    const { series, heldBackQps } = guardDemand(evidence([...times(20, calm), { counted: 2, established: 1 }]));
    expect(series.qps.at(-1)).toBe(2);
    expect(heldBackQps).toBe(0);
  });

  test('missing steps stay missing and change nothing', () => {
    const gap: Moment = { counted: NaN };
    const { series, state } = guardDemand(evidence([...times(20, calm), gap, gap]));
    expect(series.qps.slice(-2)).toEqual([NaN, NaN]);
    expect(state?.believedQps).toBe(10);
  });

  test('a hosted VM that begins with unknown sources only is paced from its first question on', () => {
    const young: Moment = { counted: 20, established: 0 };
    const { series, reason } = guardDemand(evidence([...times(5, { counted: 0 }), ...times(60, young)]));
    expect(reason?.code).toBe('unestablished-demand');
    expect(series.qps.at(-1)).toBeGreaterThan(0.5 * 9);
    expect(series.qps.at(-1)).toBeLessThan(7);
  });

  test('the first minutes of a collector, which knows nobody, are soon forgotten', () => {
    const all = [...times(18, { counted: 10, established: 0 }), ...times(180, { counted: 10 })];
    const { reason } = guardDemand(evidence([...all, { counted: 400, established: 10 }]));
    expect(reason?.code).toBe('dns-demand-frozen');
  });

  test('what lasts for hours is the usual: the freeze ends and the pace applies', () => {
    const flood: Moment = { counted: 1_000, established: 9 };
    const { series } = guardDemand(evidence([...times(20, calm), ...times(4 * 360, flood)]));
    expect(series.qps[20 + 360]).toBe(10);
    expect(series.qps.at(-1)).toBe(1_000);
  });
});

describe('demand for one evaluation', () => {
  const day = times(288, { counted: 10, established: 9 });
  const end = 288 * stepMs;

  test('is the mean of the newest half minute, judged by what the history taught', () => {
    const quiet = times(60, calm);
    const flood = times(12, { counted: 1_000, established: 9 });
    const history = evidence(day, stepMs);
    const now = (moments: Moment[]) => believedDemand(history, evidence(moments, bucketMs, end - 2 * stepMs));
    expect(now(quiet)).toMatchObject({ demandQps: 10, reason: undefined });
    expect(now([...quiet, ...flood]).demandQps).toBeCloseTo(10, 5);
    expect(now([...quiet, ...flood]).reason?.code).toBe('dns-demand-frozen');
    const known = times(3, { counted: 1_000, established: 990 });
    expect(now([...quiet, ...flood, ...known]).demandQps).toBeGreaterThanOrEqual(990);
    expect(now([...quiet, ...times(3, { counted: NaN })]).demandQps).toBeUndefined();
  });

  test('a flood of yesterday is not in what forecasts continue', () => {
    const flooded = [...day];
    flooded.fill({ counted: 5_000, established: 9 }, 100, 112);
    const { recent } = believedDemand(evidence(flooded, stepMs), evidence(times(60, calm), bucketMs, end - 2 * stepMs));
    expect(recent.qps).toHaveLength(288);
    expect(Math.max(...recent.qps)).toBeLessThanOrEqual(10);
  });

  test('works with no history at all', () => {
    const nothing = evidence([], stepMs, end);
    const newest = evidence(times(60, { counted: 5 }), bucketMs, end - 2 * stepMs);
    expect(believedDemand(nothing, newest)).toMatchObject({ demandQps: 5, reason: undefined, recent: { qps: [] } });
  });
});
