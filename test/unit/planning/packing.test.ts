import { expect, test } from '@jest/globals';
import { holidayEvents } from '../../../src/inventory/holidays.ts';
import { learnCapacity } from '../../../src/planning/capacity.ts';
import { assessDrift } from '../../../src/planning/forecast/drift.ts';
import { packPool, unpackPool } from '../../../src/planning/forecast/own/packing.ts';
import { fitBoosted, boostedAt, selectQuantile } from '../../../src/planning/forecast/own/trees.ts';
import { seeded } from './fixtures.ts';

const random = seeded(11);

test('a packed pool comes back within a 65,535th of its range, with exact times', () => {
  const column = () => Array.from({ length: 300 }, () => random() * 40 - 3);
  const node = {
    at: Array.from({ length: 300 }, (_, index) => 5_900_000 + index * 4),
    actual: column(),
    members: [column(), column()],
    volatility: column(),
    short: column(),
    day: column(),
  };
  const back = unpackPool(JSON.parse(JSON.stringify(packPool(node))) as ReturnType<typeof packPool>);
  expect(back.at).toEqual(node.at);
  back.members[1]!.forEach((value, row) => expect(Math.abs(value - node.members[1]![row]!)).toBeLessThan(40 / 65_000));
});

test('the weighted quantile of trees is that of sorting', () => {
  for (let round = 0; round < 200; round += 1) {
    const count = 1 + Math.floor(random() * 40);
    const values = Float64Array.from({ length: count }, () => Math.floor(random() * 12));
    const weights = Float64Array.from({ length: count }, () => 1 + Math.floor(random() * 3));
    const level = [0.1, 0.5, 0.9][round % 3]!;
    const rows = Uint32Array.from({ length: count }, (_, index) => index);
    const sorted = [...rows].sort((left, right) => values[left]! - values[right]!);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    let sum = 0;
    const expected = values[sorted.find((row) => (sum += weights[row]!) >= level * total - 1e-9)!]!;
    expect(selectQuantile(values, weights, rows, 0, count, level)).toBe(expected);
  }
});

test('boosted trees learn a step that no line can follow', () => {
  const x = Float64Array.from({ length: 2_000 }, () => random());
  const targets = x.map((value) => (value > 0.6 ? 5 : 1) + random() * 0.1);
  const options = {
    trees: 60,
    leaves: 6,
    rate: 0.2,
    leastRows: 30,
    bins: 32,
    rowShare: 0.7,
    columnShare: 1,
    level: 0.5,
    seed: 1,
    startAtQuantile: true,
  };
  const model = fitBoosted({ columns: [x], targets, weights: new Float64Array(2_000).fill(1) }, options);
  expect(boostedAt(model, [0.3])).toBeCloseTo(1.05, 1);
  expect(boostedAt(model, [0.9])).toBeCloseTo(5.05, 1);
});

test('capacity is learned where CPU follows demand, and refused where it does not', () => {
  const related = Array.from({ length: 600 }, () => {
    const qps = 20 + random() * 60;
    return { qps, cpu: 0.05 + qps / 200 + random() * 0.02 };
  });
  const learned = learnCapacity(related);
  if (learned.kind !== 'learned') throw new Error(learned.text);
  expect(learned.capacityQps).toBeGreaterThan(150);
  expect(learned.capacityQps).toBeLessThan(170);
  expect(learned.correlation).toBeGreaterThan(0.95);
  const unrelated = related.map(({ qps }) => ({ qps, cpu: random() }));
  expect(learnCapacity(unrelated)).toMatchObject({
    kind: 'unexplained',
    text: expect.stringContaining('judged on CPU') as unknown,
  });
  expect(learnCapacity(related.slice(0, 10)).kind).toBe('too-little');
  expect(learnCapacity(related.map(({ cpu }) => ({ qps: 5, cpu }))).kind).toBe('unexplained');
});

test('drift alarms when coverage leaves its band, and switches off after an hour above p99', () => {
  const outcome = (actual: number, at: number) => ({ at, actual, p50: 50, p90: 90, p99: 99 });
  const day = (share: number) =>
    Array.from({ length: 288 }, (_, at) => outcome((at * 37) % 100 < share * 100 ? 40 : 95, at));
  expect(assessDrift(day(0.9)).kind).toBe('ok');
  expect(assessDrift(day(0.6))).toMatchObject({ kind: 'alarm', reason: { code: 'coverage-drift' } });
  expect(assessDrift(day(1))).toMatchObject({ kind: 'alarm' });
  const missed = [...day(0.9), ...Array.from({ length: 12 }, (_, at) => outcome(150, 300 + at))];
  expect(assessDrift(missed)).toMatchObject({ kind: 'off', reason: { code: 'forecast-off' } });
  const nearly = [...missed, ...Array.from({ length: 6 }, (_, at) => outcome(50, 320 + at))];
  expect(assessDrift(nearly).kind).toBe('off');
  expect(assessDrift([...nearly, ...Array.from({ length: 6 }, (_, at) => outcome(50, 330 + at))]).kind).not.toBe('off');
  expect(assessDrift([])).toEqual({ kind: 'ok', coverage: null });
});

test('a holiday lasts from midnight to midnight where the hosted VM is, also when the clocks change', () => {
  const [day] = holidayEvents([{ name: 'spring forward', date: '2026-03-29', factor: 0.5 }], 'Europe/Berlin');
  expect(day).toEqual({
    name: 'spring forward',
    factor: 0.5,
    from: Date.UTC(2026, 2, 28, 23),
    to: Date.UTC(2026, 2, 29, 22),
  });
  expect(() => holidayEvents([{ name: 'x', date: 'soon', factor: 1 }], 'UTC')).toThrow(/holiday x: "soon"/);
});
