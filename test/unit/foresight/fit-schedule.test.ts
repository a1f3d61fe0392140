import { describe, expect, test } from '@jest/globals';
import { dayMs, hourMs, minuteMs } from '../../../src/domain/time.ts';
import { nextFitAt, turnOfDayMs } from '../../../src/foresight/fit-schedule.ts';
import { sinceFirstQuery } from '../../../src/foresight/history.ts';
import { now } from '../planning/fixtures.ts';

const ids = Array.from({ length: 1_000 }, (_, index) => `vm-${index}`);

describe('the next fit of a hosted VM', () => {
  test('comes daily at a time of its own, six hours to thirty after the last', () => {
    for (const id of ids) {
      const at = nextFitAt(id, now, 28 * dayMs);
      expect(at % dayMs).toBe(turnOfDayMs(id));
      expect(at - now).toBeGreaterThanOrEqual(6 * hourMs);
      expect(at - now).toBeLessThan(30 * hourMs);
      // Fitted exactly then, it is due a day later.
      expect(nextFitAt(id, at, 28 * dayMs)).toBe(at + dayMs);
    }
  });

  test('is spread over the day', () => {
    const perHour = new Array<number>(24).fill(0);
    for (const id of ids) perHour[Math.floor(turnOfDayMs(id) / hourMs)]! += 1;
    expect(Math.max(...perHour)).toBeLessThan(85);
    expect(Math.min(...perHour)).toBeGreaterThan(15);
  });

  test.each([
    [2 * hourMs, 30 * minuteMs],
    [10 * hourMs, 2.5 * hourMs],
    [16 * hourMs, 4 * hourMs],
  ])('comes sooner while its history is young: %d ms known, %d ms later', (knownMs, later) => {
    expect(nextFitAt('shop', now, knownMs) - now).toBe(later);
  });
});

describe('history begins with the first query', () => {
  const series = (qps: number[]) => ({ start: now, stepMs: 5 * minuteMs, qps });

  test.each([
    ['what was there before is left out', [NaN, 0, 0, 3, 0, 5], [3, 0, 5], 3],
    ['a series that starts with one is left as it is', [2, 0, NaN], [2, 0, NaN], 0],
    ['of a name nobody asks for, quiet steps are known', [NaN, 0, 0], [0, 0], 1],
    ['nothing known stays nothing known', [NaN, NaN], [NaN, NaN], 0],
  ])('%s', (_name, given, kept, from) => {
    expect(sinceFirstQuery(series(given))).toEqual({ ...series(kept), start: now + from * 5 * minuteMs });
  });
});
