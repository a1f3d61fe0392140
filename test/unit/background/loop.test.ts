import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { startLoop } from '../../../src/background/loop.ts';
import type { Loop, LoopOptions } from '../../../src/background/loop.ts';

let loops: Loop[] = [];
beforeEach(() => {
  jest.useFakeTimers({ now: 10_500 });
  loops = [];
});
afterEach(async () => {
  await Promise.all(loops.map((loop) => loop.stop()));
  jest.useRealTimers();
});

function loop(options: Partial<LoopOptions> & Pick<LoopOptions, 'round'>): Loop {
  const started = startLoop({ everyMs: 1_000, failed: () => undefined, ...options });
  loops.push(started);
  return started;
}

/** A round that ends when the test says so. */
function gate(): { round: () => Promise<void>; open: () => void; begun: () => number } {
  const state: { begun: number; open: () => void } = { begun: 0, open: () => undefined };
  return {
    round: () => {
      state.begun += 1;
      return new Promise((resolve) => (state.open = resolve));
    },
    open: () => state.open(),
    begun: () => state.begun,
  };
}

describe('a loop', () => {
  test('begins at once and then keeps its pace, whatever a round takes', async () => {
    const at: number[] = [];
    loop({
      round: async () => {
        at.push(Date.now());
        await new Promise((resolve) => setTimeout(resolve, 300));
      },
    });
    await jest.advanceTimersByTimeAsync(2_500);
    expect(at).toEqual([10_500, 11_500, 12_500]);
  });

  test('begins at multiples of wall time where it is told an offset', async () => {
    const at: number[] = [];
    loop({ offsetMs: 250, round: () => void at.push(Date.now()) });
    await jest.advanceTimersByTimeAsync(2_000);
    expect(at).toEqual([11_250, 12_250]);
  });

  test('never runs two rounds at once, and wakes once more for everybody who asked meanwhile', async () => {
    const { round, open, begun } = gate();
    const running = loop({ round });
    running.wake();
    running.wake();
    await jest.advanceTimersByTimeAsync(5_000);
    expect(begun()).toBe(1);
    open();
    await jest.advanceTimersByTimeAsync(0);
    expect(begun()).toBe(2);
    open();
    await jest.advanceTimersByTimeAsync(0);
    expect(begun()).toBe(2);
  });

  test('goes on after a round that throws, and tells of it', async () => {
    const failures: unknown[] = [];
    let rounds = 0;
    loop({
      round: () => {
        rounds += 1;
        throw new Error(`round ${rounds}`);
      },
      failed: (error) => failures.push(error),
    });
    await jest.advanceTimersByTimeAsync(1_000);
    expect(failures).toEqual([new Error('round 1'), new Error('round 2')]);
  });

  test('who asks for the next round hears of that round and not of the one under way', async () => {
    const { round, open } = gate();
    const running = loop({ round });
    const heard: string[] = [];
    const asked = running.next().then(() => heard.push('ended'));
    open();
    await jest.advanceTimersByTimeAsync(0);
    expect(heard).toEqual([]);
    open();
    await asked;
    expect(heard).toEqual(['ended']);
  });

  test('tells who asked when the round fails', async () => {
    const running = loop({ firstAfterMs: 1_000, round: () => Promise.reject(new Error('no store')) });
    await expect(running.next()).rejects.toThrow('no store');
  });

  test('stop aborts the round under way, waits for it and begins no other', async () => {
    const rounds: AbortSignal[] = [];
    const running = loop({
      round: async (signal) => {
        rounds.push(signal);
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      },
    });
    const waiting = running.next();
    await running.stop();
    await waiting;
    running.wake();
    await running.next();
    await jest.advanceTimersByTimeAsync(5_000);
    expect(rounds.map(({ aborted }) => aborted)).toEqual([true]);
  });
});
