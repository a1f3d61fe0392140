import { describe, expect, test } from '@jest/globals';
import type { SecondLook } from '../../../src/domain/hosted-vm/decision.ts';
import type { Instance } from '../../../src/domain/instance.ts';
import type { Evaluation } from '../../../src/domain/plan.ts';
import { planAnswers } from '../../../src/planning/dns-plan.ts';
import { decideFailover } from '../../../src/planning/failover.ts';
import type { Situation } from '../../../src/planning/failover.ts';
import { planTraffic } from '../../../src/domain/traffic.ts';
import { specOf } from '../../support/spec-of.ts';

const now = 1_700_000_000_000;

function instance(n: number, tier: number, changes: Partial<Instance> = {}): Instance {
  return {
    id: `shop/${n}`,
    n,
    role: n === 0 ? 'primary' : 'shadow',
    tier,
    capacityQps: tier * 100,
    cluster: 'main',
    node: `pve${n + 1}`,
    vmid: n === 0 ? 101 : 9000 + n,
    address: `10.0.0.${n + 10}`,
    owned: true,
    state: n === 0 ? { kind: 'serving', since: 0 } : { kind: 'warm', since: 0, warmth: 'hot' },
    ...changes,
  };
}

const look = (id: string, answers: boolean): SecondLook => ({
  instance: id,
  answers,
  latencyMs: 1,
  detail: answers ? '200' : 'refused',
});

function evaluationOf(p90: number): Evaluation {
  return {
    at: now,
    demandQps: p90 / 2,
    model: 'test',
    peak: { p50: p90 / 2, p90, p99: p90 * 2 },
    risk: { score: 0, overload: 0, failure: 0, parts: [], calibrated: false },
    plan: { wanted: [], reasons: [] },
    nextInMs: 1,
  };
}

function situation(changes: Partial<Situation> = {}): Situation {
  return {
    spec: specOf('shop'),
    finding: 'failed',
    troubled: ['shop/0'],
    verdict: { finding: 'failed', agree: 3, reporting: 3, sinceMs: now - 3_000, evidence: ['north: refused'] },
    quorum: 2,
    explained: false,
    serving: [instance(0, 1)],
    candidates: [instance(1, 1), instance(2, 2), instance(3, 0.5)],
    looks: [look('shop/0', false), look('shop/1', true), look('shop/2', true), look('shop/3', true)],
    frozen: [],
    evaluation: evaluationOf(60),
    breaker: null,
    failoversAt: [],
    blockedUntil: 0,
    failoverTokens: 1,
    now,
    ...changes,
  };
}

describe('what a failed primary leads to', () => {
  test.each([
    [40, ['shop/3'], 'the smallest carries it'],
    [60, ['shop/1'], 'the half one does not, the whole one does'],
    [150, ['shop/2'], 'only the double one does'],
    [190, ['shop/2'], 'the double one alone still does'],
    [250, ['shop/2', 'shop/1'], 'two in equal shares are short of 25 q/s, one alone of 50'],
    [900, ['shop/2', 'shop/1', 'shop/3'], 'all together are not enough and better than nothing'],
  ])('with p90 of %d q/s it moves to %j: %s', (p90, to) => {
    const decision = decideFailover(situation({ evaluation: evaluationOf(p90) }));
    expect(decision).toMatchObject({ kind: 'move', to, fence: ['shop/0'], fenceOrder: 'beside', counts: true });
    expect(decision.reason.text).toContain('primary 101 silent for 3s at 3 of 3 vantage points');
  });

  test('a shadow that does not answer just now is passed over', () => {
    const looks = [look('shop/0', false), look('shop/1', false), look('shop/2', true), look('shop/3', false)];
    expect(decideFailover(situation({ looks }))).toMatchObject({ kind: 'move', to: ['shop/2'] });
  });

  test('a paused shadow cannot be asked and may be woken, after a hot one of its size', () => {
    const paused = instance(1, 1, { state: { kind: 'warm', since: 0, warmth: 'paused' } });
    const looks = [look('shop/0', false)];
    expect(decideFailover(situation({ candidates: [paused], looks }))).toMatchObject({ kind: 'move', to: ['shop/1'] });
    const both = { candidates: [paused, instance(4, 1)], looks: [...looks, look('shop/4', true)] };
    expect(decideFailover(situation(both))).toMatchObject({ to: ['shop/4'] });
  });

  test('it holds when the primary answers after all', () => {
    const looks = [look('shop/0', true), look('shop/1', true)];
    expect(decideFailover(situation({ looks }))).toMatchObject({ kind: 'hold', reason: { code: 'answers-after-all' } });
  });

  test('it waits for the thaw of one that a backup has frozen, for half a minute', () => {
    const frozen = { frozen: ['shop/0'] };
    expect(decideFailover(situation(frozen))).toMatchObject({ kind: 'hold', reason: { code: 'frozen' } });
    const verdict = { ...situation().verdict, sinceMs: now - 31_000 };
    expect(decideFailover(situation({ ...frozen, verdict })).kind).toBe('move');
    const serving = [instance(0, 1), instance(2, 2, { state: { kind: 'serving', since: 0 } })];
    expect(decideFailover(situation({ ...frozen, serving, troubled: ['shop/0', 'shop/2'] })).kind).toBe('move');
  });

  test('one of two that share is taken out without counting as a failover', () => {
    const serving = [instance(0, 1), instance(2, 2, { state: { kind: 'serving', since: 0 } })];
    const decision = decideFailover(
      situation({ serving, candidates: [], looks: [look('shop/0', false), look('shop/2', true)], failoverTokens: 0 }),
    );
    expect(decision).toMatchObject({ kind: 'move', to: ['shop/2'], fence: ['shop/0'], counts: false });
  });
});

describe('the guards', () => {
  const open = { open: true, reason: { code: 'unexplained', text: '4 of 20 failed' } };
  test.each<[string, Partial<Situation>, 'hold' | 'ask', string]>([
    ['no shadow', { candidates: [] }, 'ask', 'no-shadow'],
    ['storage class pinned', { spec: specOf('shop', { storageClass: 'pinned' }) }, 'ask', 'storage-class'],
    ['one vantage point only', { verdict: { ...situation().verdict, agree: 1, reporting: 1 } }, 'hold', 'no-quorum'],
    ['two of four', { verdict: { ...situation().verdict, agree: 2, reporting: 4 } }, 'hold', 'no-quorum'],
    ['an open breaker', { breaker: open }, 'ask', 'breaker-open'],
    ['two moves today', { failoversAt: [now - 1, now - 3_600_000] }, 'ask', 'too-many-moves'],
    ['the block period', { blockedUntil: now + 1 }, 'ask', 'blocked'],
    ['no tokens', { failoverTokens: 0 }, 'hold', 'no-tokens'],
  ])('%s refuses', (_, changes, kind, code) => {
    expect(decideFailover(situation(changes))).toMatchObject({ kind, reason: { code } });
  });

  test.each<[string, Partial<Situation>]>([
    ['an open breaker', { breaker: open, explained: true }],
    ['no tokens', { failoverTokens: 0, explained: true }],
    ['the block period', { blockedUntil: now + 1, explained: true }],
    ['moves of yesterday', { failoversAt: [now - 86_400_001, now - 90_000_000] }],
  ])('%s does not stand in the way of an explained or a rare failover', (_, changes) => {
    expect(decideFailover(situation(changes)).kind).toBe('move');
  });
});

describe('what an overload leads to', () => {
  const overloaded: Partial<Situation> = {
    finding: 'overloaded',
    verdict: { finding: 'overloaded', agree: 2, reporting: 3, sinceMs: now, evidence: ['dns: demand 130 q/s'] },
    looks: [look('shop/0', true), look('shop/1', true), look('shop/2', true), look('shop/3', true)],
  };
  test('a bigger shadow that carries it alone takes over; the primary is not fenced', () => {
    expect(decideFailover(situation({ ...overloaded, evaluation: evaluationOf(130) }))).toMatchObject({
      kind: 'move',
      to: ['shop/2'],
      fence: [],
      counts: true,
    });
  });
  test('several share when none carries it alone', () => {
    const decision = decideFailover(situation({ ...overloaded, evaluation: evaluationOf(240) }));
    // 264 q/s with what is to spare: the 1x that serves would get 132 of it beside the 2x alone, and gets 88 of three.
    expect(decision).toMatchObject({ kind: 'move', to: ['shop/0', 'shop/2', 'shop/1'], counts: false });
  });
  test('it waits when nothing is ready to help', () => {
    expect(decideFailover(situation({ ...overloaded, candidates: [] }))).toMatchObject({
      kind: 'hold',
      reason: { code: 'no-shadow' },
    });
  });
});

test('a traffic plan of nobody is empty, and no answer is made of it', () => {
  expect(planTraffic({ serving: [], ready: [], evaluation: null }, { kind: 'asked' }).serving).toEqual([]);
  const wish = { zone: 'example.test', names: ['a.example.test'], ttlSeconds: 5, serving: [], from: 3 };
  expect(planAnswers(wish)).toMatchObject({ kind: 'refused', reason: { code: 'never-empty' } });
});

test('an answer never names the gone, and names each address once at the next generation', () => {
  const wish = { zone: 'example.test', names: ['a.example.test'], ttlSeconds: 5, from: 3 };
  const gone = instance(1, 1, { state: { kind: 'retired', since: 0, deleteAt: 1 } });
  expect(planAnswers({ ...wish, serving: [instance(0, 1), gone] })).toMatchObject({
    kind: 'refused',
    reason: { code: 'names-the-gone' },
  });
  expect(planAnswers({ ...wish, serving: [instance(2, 1), instance(0, 1), instance(2, 1)] })).toMatchObject({
    kind: 'plan',
    a: ['10.0.0.10', '10.0.0.12'],
    to: 4,
  });
});
