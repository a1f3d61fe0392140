import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { hourMs } from '../../../src/domain/time.ts';
import {
  foresight,
  hitRate,
  lastWeek,
  paretoFront,
  reactive,
  staticPool,
} from '../../../src/planning/backtest/plan-replay.ts';
import { renderReport } from '../../../src/planning/backtest/report.ts';
import { bestTrial, quantilesCsv, tryModel } from '../../../src/planning/backtest/rolling.ts';
import { parseSeries, rollingOrigins, SeriesError, summed } from '../../../src/planning/backtest/series.ts';
import type { ForecastModel } from '../../../src/planning/forecast/model.ts';
import { ownModels, productModel } from '../../../src/planning/forecast/models.ts';
import { naive, seasonalNaive } from '../../../src/planning/forecast/seasonal-naive.ts';
import { dailyDemand, now } from './fixtures.ts';

const inPlace =
  (model: ForecastModel) =>
  (_: string, history: Parameters<ForecastModel['fit']>[0], previous: Parameters<ForecastModel['fit']>[1]) =>
    Promise.resolve({ fitted: model.fit(history, previous), cpuMs: 0 });

describe('a series file', () => {
  const rows = [
    'timestamp,value',
    '2026-01-01T00:00:00Z,1',
    '2026-01-01T00:05:00Z,2',
    '2026-01-01T00:10:00Z,3',
    '2026-01-01T00:15:00Z,4',
  ];

  test('is read with its step', () => {
    const { series, notes } = parseSeries(rows.join('\n'));
    expect(series).toEqual({ start: Date.UTC(2026, 0, 1), stepMs: 300_000, qps: [1, 2, 3, 4] });
    expect(notes).toEqual([]);
  });

  test.each([
    { what: 'unsorted', lines: [rows[0]!, rows[3]!, rows[1]!, rows[2]!, rows[4]!], qps: [1, 2, 3, 4], note: /sorted/ },
    { what: 'duplicated', lines: [...rows, '2026-01-01T00:15:00Z,9'], qps: [1, 2, 3, 9], note: /several rows/ },
    {
      what: 'gapped',
      lines: [...rows, '2026-01-01T00:25:00Z,6'],
      qps: [1, 2, 3, 4, NaN, 6],
      note: /1 of 6 steps are missing/,
    },
    { what: 'negative', lines: [...rows, '2026-01-01T00:20:00Z,-5'], qps: [1, 2, 3, 4, NaN], note: /negative/ },
    { what: 'partly NaN', lines: [...rows, '2026-01-01T00:20:00Z,nan'], qps: [1, 2, 3, 4, NaN], note: undefined },
    {
      what: 'from two clocks',
      lines: [
        ...rows,
        ...rows.slice(1).map((row) => row.replace(':00Z', ':17Z')),
        ...rows.slice(1).map((row) => row.replace(':00Z', ':29Z')),
      ],
      qps: undefined,
      note: /two clocks|several rows/,
    },
  ])('that is $what is mended and told', ({ lines, qps, note }) => {
    const { series, notes } = parseSeries(lines.join('\r\n'));
    if (qps !== undefined) expect(series.qps).toEqual(qps);
    if (note !== undefined) expect(notes.join('; ')).toMatch(note);
  });

  test.each([
    { text: '', message: /0 rows/ },
    { text: 'timestamp,value\n2026-01-01T00:00:00Z,1', message: /1 rows/ },
    { text: `${rows.join('\n')}\nhello,world`, message: /line 6: "hello,world"/ },
    { text: '2026-01-01T00:00:00Z,1\n2026-01-01T00:00:00Z,2', message: /same time/ },
    { text: '1000000000,1\n1000000010,2\n1000000020,2\n4000000000,3', message: /5000000 are the most/ },
  ])('that is nonsense is refused: $message', ({ text, message }) => {
    expect(() => parseSeries(text)).toThrow(SeriesError);
    expect(() => parseSeries(text)).toThrow(message);
  });

  test('is summed to hours, and an hour that is mostly missing is missing', () => {
    const qps = [
      ...new Array<number>(12).fill(2),
      ...new Array<number>(12).fill(NaN),
      3,
      ...new Array<number>(11).fill(3),
    ];
    const hours = summed({ start: Date.UTC(2026, 0, 1), stepMs: 300_000, qps }, hourMs);
    expect(hours).toEqual({ start: Date.UTC(2026, 0, 1), stepMs: hourMs, qps: [24, NaN, 36] });
  });
});

describe('a rolling trial', () => {
  const series = dailyDemand(6);
  const origins = rollingOrigins(series, 72, 4);

  test.each([...ownModels(), productModel()].map((model) => ({ name: model.name, model })))(
    'shows $name nothing at or after the origin',
    async ({ model }) => {
      const hourly = dailyDemand(9, { step: hourMs });
      const origin = 8 * 24 + 5;
      const question = (qps: readonly number[]) => ({
        series: { ...hourly, qps },
        origins: [origin],
        horizonSteps: 12,
        scored: [12],
      });
      const changed = hourly.qps.map((value, index) => (index >= origin ? value * 1_000 + 7 : value));
      const run = (qps: readonly number[]) =>
        tryModel(
          question(qps),
          { model, refitSteps: 24 },
          inPlace(model),
          () => 0,
          () => true,
        );
      expect((await run(changed)).answers).toEqual((await run(hourly.qps)).answers);
    },
  );

  test('is written so that anyone can score it', async () => {
    const trial = await tryModel(
      { series, origins, horizonSteps: 72, scored: [72] },
      { model: naive, refitSteps: 0 },
      inPlace(naive),
      () => 0,
      () => true,
    );
    const lines = quantilesCsv(trial.answers).trim().split('\n');
    expect(lines[0]).toBe('origin,step,p10,p50,p90,p95,p99');
    expect(lines).toHaveLength(1 + 4 * 72);
    expect(lines[1]).toMatch(new RegExp(`^${origins[0]!},1,`));
    expect(lines.at(-1)).toMatch(new RegExp(`^${origins[3]!},72,`));
  });

  test('keeps what is done when it is stopped', async () => {
    const trial = await tryModel(
      { series, origins, horizonSteps: 72, scored: [72] },
      { model: naive, refitSteps: 0 },
      inPlace(naive),
      () => 0,
      (done) => done < 2,
    );
    expect(trial.answers).toHaveLength(2);
  });

  test('counts origins without a forecast', async () => {
    const weekly = seasonalNaive('week');
    const trial = await tryModel(
      { series, origins, horizonSteps: 72, scored: [72] },
      { model: weekly, refitSteps: 0 },
      inPlace(weekly),
      () => 0,
      () => true,
    );
    expect(trial).toMatchObject({ unfit: 4, why: expect.stringContaining('two weeks') as unknown });
  });

  test('never calls a model best that made no forecast, and says so when none did', async () => {
    const trialOf = (model: ForecastModel) =>
      tryModel(
        { series, origins, horizonSteps: 72, scored: [72] },
        { model, refitSteps: 0 },
        inPlace(model),
        () => 0,
        () => true,
      );
    const [silent, baseline, other] = await Promise.all([
      trialOf(seasonalNaive('week')),
      trialOf(seasonalNaive('day')),
      trialOf(naive),
    ]);
    expect(bestTrial(series, [silent, other, baseline], baseline, 72)?.model).toBe('seasonal-naive-day');
    const facts = { title: 'report', series, notes: [], baseline, horizonSteps: 72, writtenAt: now };
    const html = renderReport({ ...facts, trials: [silent, baseline] });
    expect(html).toContain('seasonal-naive-day did best: its p90 loss is 100 %');
    expect(html).toMatch(/seasonal-naive-week<\/th><td>-<\/td><td>-<\/td><td>-<\/td><td>-<\/td>/);
    const none = renderReport({ ...facts, trials: [silent] });
    expect(none).toContain('No model could make a forecast.');
    expect(html + none).not.toContain('NaN');
  });

  test('makes a report of one file without scripts', async () => {
    const trial = await tryModel(
      { series, origins, horizonSteps: 72, scored: [72] },
      { model: naive, refitSteps: 0 },
      inPlace(naive),
      () => 0,
      () => true,
    );
    const plans = [staticPool({ series, capacityQps: 60, from: 864, leadMs: 60_000, dwellMs: hourMs })];
    const html = renderReport({
      title: 'a <b> & c',
      series,
      notes: [],
      trials: [trial],
      baseline: trial,
      horizonSteps: 72,
      plans,
      capacity: 60,
      writtenAt: now,
    });
    expect(html).toContain('a &lt;b&gt; &amp; c');
    expect(html.match(/<svg/g)!.length).toBeGreaterThanOrEqual(3);
    expect(html).not.toMatch(/<script|https?:\/\/|NaN/);
  });
});

describe('replayed plans', () => {
  const series = dailyDemand(16, { level: 60, noise: 0.1 });
  const question = { series, capacityQps: 80, from: series.qps.length / 2, leadMs: 5 * 60_000, dwellMs: hourMs };

  test('of a static pool meet every need and idle the rest of the time', () => {
    const outcome = staticPool(question);
    expect(hitRate(outcome)).toBe(1);
    expect(outcome.needs).toBeGreaterThan(50);
    expect(outcome.idleHours).toBeCloseTo(outcome.hours - outcome.needs / 12, 6);
  });

  test('of a perfect forecast meet every need with far fewer idle hours', () => {
    const ahead = new Float64Array(series.qps.length);
    for (let step = 0; step < ahead.length; step += 1)
      ahead[step] = Math.max(0, ...series.qps.slice(step + 1, step + 5));
    const outcome = foresight({ ...question, ahead: { p50: ahead, p90: ahead, p99: ahead } }, 1, 'p90');
    expect(hitRate(outcome)).toBeGreaterThan(0.99);
    expect(outcome.idleHours).toBeLessThan(0.4 * staticPool(question).idleHours);
  });

  test('trade hits for hours: a lower threshold never hits less', () => {
    for (const policy of [reactive, lastWeek]) {
      expect(hitRate(policy(question, 0.6))).toBeGreaterThanOrEqual(hitRate(policy(question, 1)));
      expect(policy(question, 0.6).idleHours).toBeGreaterThan(policy(question, 1).idleHours);
    }
    const front = paretoFront([
      staticPool(question),
      reactive(question, 0.6),
      reactive(question, 0.9),
      reactive(question, 1),
    ]);
    front.forEach((outcome, index) => {
      if (index > 0) expect(hitRate(outcome)).toBeGreaterThan(hitRate(front[index - 1]!));
    });
  });
});

const shared = new URL('../../../../shared/data/demand/', import.meta.url);
const present = existsSync(shared);
if (!present && process.env['CI'] !== undefined) throw new Error('../shared/data/demand is missing');
if (!present) process.stderr.write('skipped: the published baseline, because ../shared/data/demand is missing\n');

(present ? describe : describe.skip)('the published baseline', () => {
  const read = (name: string): string => readFileSync(new URL(name, shared), 'utf8');
  const expected = present
    ? read('expected-scores.csv')
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(','))
    : [];
  const published = (present ? JSON.parse(read('origins.json')) : {}) as Record<string, { origins: number[] }>;

  test.each(Object.keys(published))('%s is reproduced to 1e-3, from origins of our own making', async (name) => {
    const { series } = parseSeries(read(`${name}.csv`));
    const origins = rollingOrigins(series, 72);
    expect(origins).toEqual(published[name]!.origins);
    const model = seasonalNaive('day');
    const question = { series, origins, horizonSteps: 72, scored: [3, 12, 72] };
    const trial = await tryModel(
      question,
      { model, refitSteps: 0, windowSteps: 4_032 },
      inPlace(model),
      () => 0,
      () => true,
    );
    for (const row of expected.filter(([series_]) => series_ === name)) {
      const scores = trial.scores.get(Number(row[1]))!;
      const got = [scores.wql50, scores.wql90, scores.wql99, scores.coverage90];
      got.forEach((value, index) => expect(Math.abs(value - Number(row[2 + index]))).toBeLessThan(1e-3));
    }
  });
});
