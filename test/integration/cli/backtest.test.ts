import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { dailyDemand } from '../../unit/planning/fixtures.ts';

const umbra = fileURLToPath(new URL('../../../bin/umbra', import.meta.url));
const limitMs = 120_000;
const day = 288;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'umbra-backtest-'));
  writeFileSync(join(folder, 'demand.csv'), csvOf(demand));
  writeFileSync(join(folder, 'origins'), `${origins.join('\n')}\n`);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

type Ended = { code: number | null; out: string; err: string };

/** Runs `umbra backtest` where the files are. `interruptAt`: Ctrl-C once standard error has said this. */
function backtest(args: readonly string[], interruptAt?: RegExp): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env['PATH'], HOME: folder };
    const child = spawn(umbra, ['backtest', ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { out: '', err: '' };
    let interrupted = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said.err += text;
      if (!interrupted && interruptAt?.test(said.err) === true) interrupted = child.kill('SIGINT');
    });
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, ...said });
    });
  });
}

/** Five days of a daily wave in steps of 5 minutes. */
const demand = dailyDemand(5).qps.map((value) => Number(value.toFixed(3)));
const origins = [4 * day, 4 * day + 100, 5 * day - 72];

function csvOf(values: readonly (number | string)[], stepSeconds = 300): string {
  const start = Date.UTC(2026, 2, 1, 7, 20) / 1000;
  const rows = values.map((value, step) => `${new Date((start + step * stepSeconds) * 1000).toISOString()},${value}`);
  return `timestamp,value\n${rows.join('\n')}\n`;
}

type Row = { origin: number; step: number; quantiles: number[] };

/** Reads a file of quantiles as a stranger who wants to score it would. */
function quantilesOf(file: string): Row[] {
  const [header, ...lines] = readFileSync(join(folder, file), 'utf8').trim().split('\n');
  expect(header).toBe('origin,step,p10,p50,p90,p95,p99');
  return lines.map((line) => {
    const [origin = NaN, step = NaN, ...quantiles] = line.split(',').map(Number);
    return { origin, step, quantiles };
  });
}

/** Every origin once, steps from 1 to the horizon, five finite quantiles that do not cross. */
function expectComplete(rows: readonly Row[], expected: readonly number[], steps: number): void {
  expect(rows.map(({ origin, step }) => [origin, step])).toEqual(
    expected.flatMap((origin) => Array.from({ length: steps }, (_, step) => [origin, step + 1])),
  );
  for (const { quantiles } of rows) {
    expect(quantiles).toHaveLength(5);
    expect(quantiles.every((value, level) => Number.isFinite(value) && value >= (quantiles[level - 1] ?? 0))).toBe(
      true,
    );
  }
}

type Outcome = {
  origins: number[];
  stepMs: number;
  stopped: boolean;
  notes: string[];
  models: { model: string; origins: number; scores: Record<string, Record<string, number>> }[];
};

describe('umbra backtest', () => {
  test(
    'forecasts from the origins it is given and writes quantiles, figures and a report',
    async () => {
      const files = ['--origins-file', 'origins', '--quantiles', 'q.csv', '--html', 'report.html'];
      const { code, out, err } = await backtest([
        ...['--series', 'demand.csv', ...files, '--models', 'auto,seasonal-naive-week,naive', '--step', '5m', '--json'],
      ]);
      expect({ code, err: err.replaceAll(/^\d+ %.*\n/gm, '') }).toEqual({ code: 0, err: '' });
      const rows = quantilesOf('q.csv');
      expectComplete(rows, origins, 72);

      const outcome = JSON.parse(out) as Outcome;
      expect(outcome).toMatchObject({ origins, stepMs: 300_000, stopped: false, notes: [] });
      expect(outcome.models.map(({ model, origins: answered }) => [model, answered])).toEqual([
        ['auto', 3],
        ['seasonal-naive-week', 0],
        ['naive', 3],
        ['seasonal-naive-day', 3],
      ]);
      // Scored independently from the two files.
      const loss = rows.reduce((sum, { origin, step, quantiles }) => {
        const over = demand[origin + step - 1]! - quantiles[2]!;
        return sum + Math.max(0.9 * over, -0.1 * over);
      }, 0);
      const magnitude = rows.reduce((sum, { origin, step }) => sum + demand[origin + step - 1]!, 0);
      expect(outcome.models[0]!.scores['72']!['wql90']).toBeCloseTo((2 * loss) / magnitude, 6);

      const html = readFileSync(join(folder, 'report.html'), 'utf8');
      expect(html).toMatch(/^<!doctype html>/i);
      expect(html).not.toMatch(/(src|href)="http/);
      expect(html).not.toContain('NaN');
    },
    limitMs,
  );

  test(
    'gives a model nothing at or after the origin',
    async () => {
      const [first = 0] = origins;
      writeFileSync(join(folder, 'first'), `${first}\n`);
      writeFileSync(
        join(folder, 'otherwise.csv'),
        csvOf(demand.map((value, step) => (step < first ? value : step % 2 === 0 ? 0 : 1e6))),
      );
      writeFileSync(join(folder, 'cut.csv'), csvOf(demand.slice(0, first)));
      const said: Row[][] = [];
      for (const file of ['demand', 'otherwise', 'cut']) {
        const { code } = await backtest([
          ...['--series', `${file}.csv`, '--origins-file', 'first', '--models', 'auto', '--quantiles', `${file}.q`],
        ]);
        expect(code).toBe(0);
        said.push(quantilesOf(`${file}.q`));
      }
      expectComplete(said[0]!, [first], 72);
      expect(said[1]).toEqual(said[0]);
      expect(said[2]).toEqual(said[0]);
    },
    limitMs,
  );

  test(
    'sums to hours from the first row on, so that origins can be counted in the file',
    async () => {
      writeFileSync(join(folder, 'hours'), '100\n96\n96\n');
      const sums = Array.from({ length: 120 }, (_, hour) =>
        demand.slice(hour * 12, hour * 12 + 12).reduce((sum, value) => sum + value, 0),
      );
      writeFileSync(join(folder, 'hourly.csv'), csvOf(sums, 3_600));
      const args = ['--origins-file', 'hours', '--horizon', '20h', '--models', 'seasonal-naive-day', '--quantiles'];
      const summedHere = await backtest(['--series', 'demand.csv', '--step', '1h', ...args, 'summed.q']);
      expect(summedHere).toMatchObject({ code: 0 });
      expect((await backtest(['--series', 'hourly.csv', ...args, 'hourly.q'])).code).toBe(0);
      expectComplete(quantilesOf('summed.q'), [96, 100], 20);
      quantilesOf('summed.q').forEach(({ quantiles }, index) => {
        expect(quantiles[1]).toBeCloseTo(quantilesOf('hourly.q')[index]!.quantiles[1]!, 3);
      });
      expect(summedHere.out).toMatch(/seasonal-naive-day .*1\.000/);
    },
    limitMs,
  );

  test(
    'mends what can be mended and tells it: order, duplicates, gaps, negatives',
    async () => {
      const [header, ...lines] = csvOf(demand).trim().split('\n');
      const mixed = [...lines.slice(700), ...lines.slice(0, 700), lines[50]!];
      const holed = mixed.filter((_, index) => index < 900 || index > 903);
      holed[3] = `${holed[3]!.split(',')[0]!},-4`;
      holed[5] = `${holed[5]!.split(',')[0]!},NaN`;
      writeFileSync(join(folder, 'rough.csv'), `${header!}\r\n${holed.join('\r\n')}\r\n`);
      const { code, err } = await backtest([
        ...['--series', 'rough.csv', '--origins-file', 'origins', '--models', 'umbra', '--quantiles', 'rough.q'],
      ]);
      expect(code).toBe(0);
      expect(err).toContain('note: rows were not in order of time and were sorted');
      expect(err).toContain('note: 1 steps had several rows; the last one counts');
      expect(err).toContain('note: 1 negative values are taken as missing');
      expect(err).toContain('note: 4 of 1440 steps are missing');
      expectComplete(quantilesOf('rough.q'), origins, 72);
    },
    limitMs,
  );

  // Hourly for twelve days; the report and the table say what can be said, and nothing is NaN.
  const wave = (hour: number): number => 50 + 30 * Math.sin((hour / 24) * 2 * Math.PI) + ((hour * 7_919) % 13);
  test.each([
    ['constant', () => 50, 50],
    ['all zero', () => 0, 0],
    ['as large as 10^13', (hour: number) => wave(hour) * 1e11, 3e13],
    ['as small as 10^-8', (hour: number) => wave(hour) * 1e-9, 3e-7],
    ['mostly missing', (hour: number) => (hour % 3 === 0 ? 'NaN' : wave(hour)), 300],
    ['ten times higher for two days', (hour: number) => (hour > 240 ? 10 : 1) * wave(hour), 4_000],
  ] as const)(
    'forecasts demand that is %s without a NaN anywhere',
    async (_, demandAt, most) => {
      writeFileSync(
        join(folder, 'odd.csv'),
        csvOf(
          Array.from({ length: 288 }, (_each, hour) => demandAt(hour)),
          3_600,
        ),
      );
      const args = ['--series', 'odd.csv', '--models', 'auto,naive', '--origins', '2', '--quantiles', 'odd.q'];
      const { code, out } = await backtest([...args, '--html', 'odd.html']);
      expect(code).toBe(0);
      const rows = quantilesOf('odd.q');
      expectComplete(rows, [...new Set(rows.map(({ origin }) => origin))], 24);
      expect(Math.max(...rows.map(({ quantiles }) => quantiles[4]!))).toBeLessThanOrEqual(most * 1.01);
      expect(out + readFileSync(join(folder, 'odd.html'), 'utf8')).not.toMatch(/NaN|Infinity/);
    },
    limitMs,
  );

  test.each([
    ['an empty file', { file: '' }, /0 rows of timestamp,value/],
    ['a header and nothing else', { file: 'timestamp,value\n' }, /0 rows/],
    ['one column', { file: '2026-03-01T00:00:00Z\n2026-03-01T00:05:00Z\n' }, /none of the 2 rows holds a value/],
    ['words', { file: 'timestamp,value\n2026-03-01T00:00:00Z,many\n' }, /line 2: .*many.* is not timestamp,value/],
    ['an unknown model', { args: ['--models', 'oracle'] }, /no model is called "oracle"; there are auto, naive/],
    ['an origin out of range', { origins: '5\n999999\n' }, /bad\.origins:2: "999999" is not an origin from 2 to 1440/],
    ['an origin that is no number', { origins: '5\nsoon\n' }, /bad\.origins:2: "soon"/],
    ['no origins', { origins: '\n' }, /names no origin/],
    ['a step that does not fit', { args: ['--step', '7m'] }, /not a multiple/],
    ['a file that is not there', { args: ['--series', 'nowhere.csv'] }, /cannot read nowhere\.csv/],
  ])(
    'refuses %s with a sentence and code 2',
    async (_, input: { file?: string; origins?: string; args?: string[] }, sentence) => {
      const args = [...(input.args ?? [])];
      if (input.file !== undefined) {
        writeFileSync(join(folder, 'bad.csv'), input.file);
        args.push('--series', 'bad.csv');
      } else if (!args.includes('--series')) args.push('--series', 'demand.csv');
      if (input.origins !== undefined) {
        writeFileSync(join(folder, 'bad.origins'), input.origins);
        args.push('--origins-file', 'bad.origins');
      }
      const { code, out, err } = await backtest([...args, '--quantiles', 'never.csv']);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(err).toMatch(sentence);
      expect(existsSync(join(folder, 'never.csv'))).toBe(false);
    },
    limitMs,
  );

  test(
    'tells how far it is, and keeps what is done when it is interrupted',
    async () => {
      const many = Array.from({ length: 250 }, (_, index) => 3 * day + index * 2);
      writeFileSync(join(folder, 'many'), many.join('\n'));
      const { code, out, err } = await backtest(
        ['--series', 'demand.csv', '--origins-file', 'many', '--models', 'mstl', '--quantiles', 'part.q', '--json'],
        /10 % \(mstl\), .* left/,
      );
      expect(code).toBe(0);
      expect(err).toContain('stopped; this is what was done until then');
      const outcome = JSON.parse(out) as Outcome;
      expect(outcome.stopped).toBe(true);
      const done = outcome.models[0]!.origins;
      expect(done).toBeGreaterThanOrEqual(25);
      expect(done).toBeLessThan(250);
      expectComplete(quantilesOf('part.q'), many.slice(0, done), 72);
    },
    limitMs,
  );
});
