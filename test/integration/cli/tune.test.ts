import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { dailyDemand, seeded } from '../../unit/planning/fixtures.ts';

const umbra = fileURLToPath(new URL('../../../bin/umbra', import.meta.url));
const limitMs = 120_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'umbra-tune-'));
  // Six days of a daily wave: capacity 70 is passed every evening for hours.
  write('wave.csv', dailyDemand(6).qps);
  // Quiet, but for single steps that nothing announces.
  const random = seeded(5);
  write(
    'sparks.csv',
    dailyDemand(6, { level: 10 }).qps.map((value) => (random() < 0.01 ? 100 : value)),
  );
  write('short.csv', dailyDemand(1).qps);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function write(name: string, values: readonly number[]): void {
  const start = Date.UTC(2026, 2, 1);
  const rows = values.map((value, step) => `${new Date(start + step * 300_000).toISOString()},${value.toFixed(3)}`);
  writeFileSync(join(folder, name), `timestamp,value\n${rows.join('\n')}\n`);
}

function run(...args: string[]): { code: number | null; out: string; err: string } {
  const env = { PATH: process.env['PATH'], HOME: folder };
  const { status, stdout, stderr } = spawnSync(umbra, args, { cwd: folder, env, encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

type Plan = { policy: string; threshold: number; needs: number; hits: number; idleHours: number };

describe('umbra tune', () => {
  test(
    'proposes the cheapest threshold that meets the wanted share of needs, and says what it costs',
    () => {
      const asked = ['tune', '--series', 'wave.csv', '--capacity', '70', '--hit-rate', '0.97'];
      const { code, out } = run(...asked, '--memory', '2048');
      expect(code).toBe(0);
      expect(out).toMatch(/proposed: volumeThreshold: \{ share: [\d.]+, quantile: 0\.9+ \}/);
      expect(out).toMatch(
        /meets \S+ % of \d+ needs with \d+ % fewer idle hours than a shadow kept always, 5m lead time/,
      );
      expect(out).toContain('Chosen in hindsight');
      expect(out).toMatch(/GiB-hours/);

      const { proposed, staticPool, outcomes } = JSON.parse(run(...asked, '--json').out) as {
        proposed: Plan;
        staticPool: Plan;
        outcomes: Plan[];
      };
      const good = outcomes.filter(({ hits, needs }) => hits / needs >= 0.97);
      expect(proposed.needs).toBeGreaterThan(100);
      expect(proposed.idleHours).toBe(Math.min(...good.map(({ idleHours }) => idleHours)));
      expect(proposed.idleHours).toBeLessThan(0.6 * staticPool.idleHours);
      // The price of a shadow of 2 GiB is twice its hours.
      const row = out.split('\n').find((line) => line.startsWith('static pool'))!;
      expect(row).toMatch(new RegExp(`${staticPool.idleHours.toFixed(1)} +${(2 * staticPool.idleHours).toFixed(0)} `));
    },
    limitMs,
  );

  test(
    'says what is the most when no threshold meets the wanted share, and what would',
    () => {
      const { code, out } = run('tune', '--series', 'sparks.csv', '--capacity', '90', '--hit-rate', '1');
      expect(code).toBe(0);
      expect(out).toMatch(/no threshold meets 100 % of \d+ needs; the most is [\d.]+ % \(p9\d at [\d.]+\)/);
      expect(out).toMatch(/minShadows: 1 keeps a shadow always and meets all of them, for \d+ idle hours/);
      expect(out).not.toContain('proposed');
    },
    limitMs,
  );

  test(
    'refuses to tune where demand never passed capacity',
    () => {
      const { code, out, err } = run('tune', '--series', 'wave.csv', '--capacity', '5000');
      expect({ code, out }).toEqual({ code: 3, out: '' });
      expect(err).toContain('demand never passed 5000 in the second half of this series: nothing to tune');
    },
    limitMs,
  );

  test.each([
    ['a hit rate above one', ['--series', 'wave.csv', '--hit-rate', '99'], /"99" is not a share from 0 to 1/],
    ['a hit rate of zero', ['--series', 'wave.csv', '--hit-rate', '0'], /"0" is not a share/],
    ['a negative capacity', ['--series', 'wave.csv', '--capacity', '-5'], /"-5" is not a number above 0/],
    ['a lead time in words', ['--series', 'wave.csv', '--lead', 'soon'], /"soon" is not a duration such as 5m/],
    ['neither file nor hosted VM', [], /give either --series FILE or --vm ID/],
    ['both', ['--series', 'wave.csv', '--vm', 'shop'], /give either --series FILE or --vm ID/],
    ['a file that is not there', ['--series', 'nowhere.csv'], /cannot read nowhere\.csv/],
    ['a day of demand', ['--series', 'short.csv'], /1\.0 days are too short to tune on; 2 are the least/],
  ])(
    'refuses %s with a sentence and code 2',
    (_, args, sentence) => {
      const { code, out, err } = run('tune', ...args);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(err).toMatch(sentence);
    },
    limitMs,
  );
});

describe('umbra backtest --plan', () => {
  test(
    'fixes thresholds before the half that judges them, and says so',
    () => {
      const asked = [
        'backtest',
        '--series',
        'wave.csv',
        '--models',
        'seasonal-naive-day',
        '--plan',
        '--capacity',
        '70',
      ];
      const { code, out } = run(...asked, '--memory', '1024');
      expect(code).toBe(0);
      expect(out).toMatch(/capacity 70, lead time 5m; demand was above it in \d+ steps of the second half/);
      expect(out).toContain(
        'thresholds fixed on the second quarter of the series (99 % hits at the fewest idle hours)',
      );
      expect(out).toContain('with hindsight, policies that no other beats on the second half:');

      const { plan } = JSON.parse(run(...asked, '--json').out) as {
        plan: { fixed: { past: Plan; came: Plan }[]; outcomes: Plan[] };
      };
      expect(plan.fixed.map(({ came }) => came.policy.replace(/ p9\d/, ''))).toEqual([
        'umbra',
        'reactive',
        'last week',
        'static pool',
      ]);
      for (const { past, came } of plan.fixed) {
        expect([came.policy, came.threshold]).toEqual([past.policy, past.threshold]);
        expect(plan.outcomes).toContainEqual(came);
      }
    },
    limitMs,
  );

  test(
    'lets nothing of the second half choose a threshold',
    () => {
      // The same past with another future: the thresholds are the same, what comes of them is not.
      const half = dailyDemand(6).qps;
      write('otherwise.csv', [
        ...half.slice(0, half.length / 2),
        ...half.slice(half.length / 2).map((qps) => 1.6 * qps),
      ]);
      const fixed = ['wave.csv', 'otherwise.csv'].map((series) => {
        const { out } = run(
          ...['backtest', '--series', series, '--models', 'seasonal-naive-day', '--plan', '--capacity', '70', '--json'],
        );
        return (JSON.parse(out) as { plan: { fixed: { past: Plan; came: Plan }[] } }).plan.fixed;
      });
      expect(fixed[1]!.map(({ past }) => past)).toEqual(fixed[0]!.map(({ past }) => past));
      expect(fixed[1]!.map(({ came }) => came.needs)).not.toEqual(fixed[0]!.map(({ came }) => came.needs));
    },
    limitMs,
  );
});
