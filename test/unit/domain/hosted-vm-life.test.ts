import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { explain } from '../../../src/domain/explain.ts';
import { instanceOf } from '../../../src/domain/hosted-vm/instances.ts';
import { viewOf } from '../../../src/domain/view-of.ts';
import { goodLuck, Run, things } from './imagined-life.ts';
import type { Thing } from './imagined-life.ts';

function checkInvariants(run: Run): void {
  const { state } = run;
  // 2: never empty, never a deleted instance.
  expect(state.serving.length).toBeGreaterThan(0);
  for (const id of state.serving) {
    expect(instanceOf(state, id).state.kind).toBe('serving');
    expect(instanceOf(state, id).role).not.toBe('retired');
  }
  expect(run.answers.every((answer) => answer.length > 0)).toBe(true);
  // 3: a generation never goes back.
  expect(run.generations).toEqual([...run.generations].sort((left, right) => left - right));
  expect(new Set(run.generations).size).toBe(run.generations.length);
  // 9: never more shadows than the policy allows.
  const shadows = state.instances.filter(({ role, id }) => role === 'shadow' && !state.serving.includes(id));
  expect(
    shadows.filter(({ state: { kind } }) => kind === 'warm' || kind === 'provisioning').length,
  ).toBeLessThanOrEqual(3);
  // 11: a paused VM is never touched.
  expect(run.touchedWhilePaused).toEqual([]);
  // 12: every event has a reason and an id of its own.
  expect(state.events.every(({ reason }) => reason.text.length > 0)).toBe(true);
  expect(new Set(state.events.map(({ id }) => id)).size).toBe(state.events.length);
  // 4, 5: a counted move has a quorum of those that report, a token and no open breaker; two a day, and not in a row.
  for (const { verdict, breakerOpen, explained, tokens } of run.moves) {
    expect(verdict.agree).toBeGreaterThanOrEqual(2);
    expect(verdict.agree * 2).toBeGreaterThan(verdict.reporting);
    expect(explained || (!breakerOpen && tokens > 0)).toBe(true);
  }
  // 6: retired only after probation and drain and with a healthy shadow throughout; a disk outlives its retirement.
  for (const { at, endsAt, drainedAt, failedAt, openedAt } of run.promotions) {
    expect(at).toBeGreaterThanOrEqual(endsAt);
    expect(at).toBeGreaterThanOrEqual(drainedAt);
    // A failure during probation moves on or begins it anew; it never shortens it.
    if (failedAt > openedAt) expect(endsAt - failedAt).toBeGreaterThanOrEqual(state.spec.policy.probationMs);
  }
  for (const { at, allowedAt } of run.deletions) expect(at).toBeGreaterThanOrEqual(allowedAt);
  // One primary, or none but the serving.
  expect(state.instances.filter(({ role }) => role === 'primary')).toHaveLength(1);
  // What crosses history is plain JSON.
  expect(JSON.parse(JSON.stringify(state))).toEqual(state);
  // Whoever asks is always answered.
  expect(viewOf(state, run.now).sentence.length).toBeGreaterThan(0);
  expect(explain(state, run.now).sentence.length).toBeGreaterThan(0);
}

describe('whatever happens to a hosted VM', () => {
  const livesOf = (
    numRuns: number,
    maxLength: number,
    check: (run: Run) => void,
    live: (run: Run, thing: Thing) => void,
  ): Map<string, number> => {
    const lived = new Map<string, number>();
    fc.assert(
      fc.property(fc.array(things, { maxLength }), (sequence) => {
        const run = new Run();
        run.settle();
        for (const thing of sequence) live(run, thing);
        check(run);
        for (const { kind } of run.state.events) lived.set(kind, (lived.get(kind) ?? 0) + 1);
      }),
      { numRuns, seed: 20_261_122 },
    );
    return lived;
  };

  test('its answers are never empty and never go back, a pause holds, and it always comes to rest', () => {
    const lived = livesOf(
      400,
      60,
      () => undefined,
      (run, thing) => {
        run.happen(thing);
        checkInvariants(run);
      },
    );
    // A property says nothing about a life that was never lived.
    const expected = [
      'answer-changed',
      'promoted',
      'promotion-held',
      'handed-back',
      'needs-human',
      'fenced',
      'primary-retired',
      'shadow-failed',
      'shadow-lost',
      'shadow-given-up',
      'move-given-up',
      'instance-deleted',
    ];
    expect([...lived.keys()]).toEqual(expect.arrayContaining(expected));
  });

  test('nothing is left over once all is well again for a while', () => {
    livesOf(
      200,
      40,
      (run) => {
        makeWell(run);
        const { phase, instances, serving, trouble } = run.state;
        expect(phase.kind).toBe('guarded');
        expect(trouble).toBeNull();
        const states = instances.map(({ id, state }) => (serving.includes(id) ? 'serving' : state.kind)).sort();
        expect(states).toEqual(['serving', 'warm']);
      },
      (run, thing) => run.happen(thing),
    );
  });
});

/** Good luck, healthy reports, an operator who approves, and weeks of time. */
function makeWell(run: Run): void {
  run.happen({ kind: 'luck', luck: goodLuck });
  run.happen({ kind: 'breaker', open: false });
  for (let day = 0; day < 24; day += 1) {
    for (const command of ['resume', 'approve'] as const) run.happen({ kind: 'ask', command });
    for (let who = 0; who < run.state.instances.length; who += 1) {
      for (const vantage of ['north', 'south', 'east']) run.happen({ kind: 'report', who, vantage, to: 'healthy' });
    }
    run.happen({ kind: 'wait', ms: 90_000_000 });
  }
}
