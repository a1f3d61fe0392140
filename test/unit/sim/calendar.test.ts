import { expect, test } from '@jest/globals';
import { nextRun } from '../../../src/sim/cluster/calendar.ts';

/** A Tuesday. */
const noon = Date.UTC(2026, 11, 1, 12, 0, 0) / 1000;
const at = (day: number, hour: number, minute = 0): number => Date.UTC(2026, 11, day, hour, minute) / 1000;

test.each<[string, number | undefined]>([
  ['*/15', at(1, 12, 15)],
  ['02:00', at(2, 2)],
  ['12:00', at(2, 12)],
  ['12:01', at(1, 12, 1)],
  ['mon 02:00', at(7, 2)],
  ['tue,thu 11:00', at(3, 11)],
  ['sat..mon 02:00', at(5, 2)],
  ['whenever it suits', undefined],
])('%s is due next at %s', (schedule, expected) => {
  expect(nextRun(schedule, noon)).toBe(expected);
});
