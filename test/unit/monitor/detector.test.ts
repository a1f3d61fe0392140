import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { clearSight, judge, policyOf, unknownSince, worst } from '../../../src/monitor/detector.ts';
import { everySecond } from './virtual-world.ts';
import type { DetectorState, Seen, Sight } from '../../../src/monitor/detector.ts';

const policy = policyOf(everySecond);

/** One character per probe, a second apart: `.` good, `s` slow, `x` refused, `-` silent. */
function after(text: string, options: { policy?: typeof policy; sight?: Sight; from?: DetectorState } = {}) {
  const begun = options.from?.recent.at(-1)?.at ?? 0;
  return Array.from(text).reduce<DetectorState>(
    (state, char, i) => {
      const latencyMs = char === 's' ? 450 : char === '-' ? 1_000 : 3;
      const outcome = char === 'x' ? 'refused' : char === '-' ? 'silent' : 'ok';
      const seen: Seen = { at: begun + (i + 1) * 1_000, outcome, latencyMs, detail: `${outcome} on 10.0.0.1:80` };
      return judge(state, options.policy ?? policy, seen, options.sight ?? clearSight);
    },
    options.from ?? unknownSince(0),
  );
}

describe('the detector', () => {
  test.each([
    ['', 'unknown', 'nothing seen yet'],
    ['.', 'healthy', 'one good probe is enough for somebody new'],
    ['..xx', 'healthy', 'two failures are not three'],
    ['..xxx', 'failed', 'three in a row are'],
    ['..x-x', 'failed', 'however they fail'],
    ['..xx.xx.xx', 'healthy', 'a good one in between starts the count again'],
    ['xx', 'unknown', 'somebody new is not failed sooner'],
    ['xxx', 'failed', 'nor later'],
    ['..xxx..', 'failed', 'two good ones do not bring it back'],
    ['..xxx...', 'healthy', 'three do'],
    ['..xxx.x..', 'failed', 'but only in a row'],
    ['..sss', 'healthy', 'three slow answers are not yet overload'],
    ['..ssss', 'overloaded', 'four of five are'],
    ['..ss.ss', 'overloaded', 'even with a fast one in between'],
    ['..ssss....', 'overloaded', 'four fast answers do not end it'],
    ['..ssss.....', 'healthy', 'five do'],
    ['..ssssxxx', 'failed', 'failure outranks overload'],
    ['..xxxsss', 'healthy', 'a slow answer is an answer'],
  ])('after %p says %s: %s', (probes, finding) => {
    expect(after(probes).finding).toBe(finding);
  });

  test('counts failures of the last M where the policy says so', () => {
    const lossy = { ...policy, failures: { count: 3, of: 5 } };
    expect(after('..x.x.x', { policy: lossy }).finding).toBe('failed');
    expect(after('..x..x.', { policy: lossy }).finding).toBe('healthy');
  });

  test('dates a failure from the first failing probe and says for how long', () => {
    const failed = after('..xx-');
    expect(failed.sinceMs).toBe(3_000);
    expect(failed.evidence).toBe('silent on 10.0.0.1:80 for 3.0 s');
  });

  test('does not believe a failure before it has seen its canary after the failing began', () => {
    expect(after('..xxxx', { sight: { at: 2_999, latencyMs: 1 } }).finding).toBe('healthy');
    expect(after('..xxxx', { sight: { at: 3_000, latencyMs: 1 } }).finding).toBe('failed');
  });

  test('does not call an instance slow while its canary is slow too', () => {
    expect(after('..sssss', { sight: { at: 0, latencyMs: 300 } }).finding).toBe('healthy');
    expect(after('..sssss', { sight: { at: 0, latencyMs: 30 } }).finding).toBe('overloaded');
  });

  test('puts a late silent result before the faster one that was sent after it', () => {
    const state = after('..xx');
    const later = judge(state, policy, { at: 6_000, outcome: 'ok', latencyMs: 2, detail: 'ok' }, clearSight);
    const late = judge(later, policy, { at: 5_000, outcome: 'silent', latencyMs: 1_000, detail: 'late' }, clearSight);
    expect(late.finding).toBe('healthy');
  });

  test('lets an instance that had failed recover slowly even when sight was lost in between', () => {
    const lost = { ...unknownSince(9_000, 'failed'), recent: [] };
    expect(after('..', { from: lost }).finding).toBe('unknown');
    expect(after('...', { from: lost }).finding).toBe('healthy');
  });

  test('never says failed without as many failures in a row as asked for, whatever happens', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('.', 's', 'x', '-'), { maxLength: 60 }), (probes) => {
        const text = probes.join('');
        let before: DetectorState = unknownSince(0);
        for (let end = 1; end <= text.length; end += 1) {
          const state = after(text.slice(0, end));
          if (state.finding === 'failed' && before.finding !== 'failed')
            expect(text.slice(end - 3, end)).toMatch(/[x-]{3}/);
          if (state.finding === 'healthy' && before.finding === 'failed')
            expect(text.slice(end - 3, end)).toMatch(/[.s]{3}/);
          before = state;
        }
      }),
      { numRuns: 200 },
    );
  });

  test('takes the worst of several checks', () => {
    const as = (finding: 'healthy' | 'failed' | 'overloaded' | 'unknown') => ({
      finding,
      sinceMs: 0,
      evidence: finding,
    });
    expect(worst([as('healthy'), as('failed'), as('overloaded')]).finding).toBe('failed');
    expect(worst([as('healthy'), as('unknown')]).finding).toBe('unknown');
    expect(worst([as('healthy'), as('healthy')]).finding).toBe('healthy');
    expect(worst([]).finding).toBe('unknown');
  });
});
