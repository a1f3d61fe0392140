import { describe, expect, test } from '@jest/globals';

import { Attendance } from '../../../src/collector/attendance.ts';

const s = 1_000;

describe('which servers are missed', () => {
  test('a server seen for the first time is not asked where it was before', () => {
    const attendance = new Attendance();
    attendance.arrive('a', 4 * s);
    expect(attendance.take(0, 13 * s)).toEqual({ senders: 1, intake: 1 });
  });

  test('the time a server was away lowers the share by its usual part of the traffic', () => {
    const attendance = new Attendance();
    for (const [key, frames] of [
      ['big', 300],
      ['small', 100],
    ] as const) {
      attendance.arrive(key, 0);
      attendance.count(key, frames);
    }
    attendance.take(0, 13 * s);
    attendance.leave('big', 15 * s, false);
    expect(attendance.take(10 * s, 23 * s)).toEqual({ senders: 2, intake: 0.625 });
    expect(attendance.take(20 * s, 33 * s)).toMatchObject({ senders: 1 });
    attendance.arrive('big', 40 * s);
    attendance.take(30 * s, 43 * s);
    expect(attendance.take(40 * s, 53 * s)).toEqual({ senders: 2, intake: 1 });
  });

  test('a server that said goodbye is not missed', () => {
    const attendance = new Attendance();
    attendance.arrive('a', 0);
    attendance.count('a', 50);
    attendance.take(0, 13 * s);
    attendance.leave('a', 11 * s, true);
    expect(attendance.take(10 * s, 23 * s)).toEqual({ senders: 1, intake: 1 });
    expect(attendance.take(20 * s, 33 * s)).toEqual({ senders: 0, intake: 1 });
  });

  test('a goodbye does not take away the bucket before it', () => {
    const attendance = new Attendance();
    attendance.arrive('a', 0);
    attendance.leave('a', 11 * s, true);
    expect(attendance.take(0, 13 * s).senders).toBe(1);
    expect(attendance.take(10 * s, 23 * s).senders).toBe(1);
  });

  test('a server with two connections is there while one of them is', () => {
    const attendance = new Attendance();
    attendance.arrive('a', 0);
    attendance.arrive('a', 1 * s);
    attendance.leave('a', 12 * s, false);
    attendance.take(0, 13 * s);
    expect(attendance.take(10 * s, 23 * s)).toEqual({ senders: 1, intake: 1 });
  });
});
