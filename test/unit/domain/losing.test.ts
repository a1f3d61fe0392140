import { describe, expect, test } from '@jest/globals';
import { withAdopted } from '../../../src/domain/hosted-vm/adopting.ts';
import { adoptingState } from '../../../src/domain/hosted-vm/begin.ts';
import { refusalFor } from '../../../src/domain/hosted-vm/commanding.ts';
import { askHuman, beginMove } from '../../../src/domain/hosted-vm/deciding.ts';
import { withReports } from '../../../src/domain/hosted-vm/evidence.ts';
import { instanceOf, withInstance } from '../../../src/domain/hosted-vm/instances.ts';
import { readyToServe } from '../../../src/domain/traffic.ts';
import { givenUpAt, patienceMs, shadowToLose, withShadowLost } from '../../../src/domain/hosted-vm/losing.ts';
import { withAnswersChanged, withFenced, withMoveGivenUp } from '../../../src/domain/hosted-vm/moving.ts';
import { withInstanceNews } from '../../../src/domain/hosted-vm/news.ts';
import { nextStep } from '../../../src/domain/hosted-vm/next-step.ts';
import { withStandby } from '../../../src/domain/hosted-vm/standby.ts';
import { wishesToTell } from '../../../src/domain/hosted-vm/wishes.ts';
import type { HealthFinding, HealthReport } from '../../../src/domain/health.ts';
import type { VantageKind } from '../../../src/domain/vantage.ts';
import type { HostedVmState, Move } from '../../../src/domain/hosted-vm.ts';
import type { InstanceState, Warmth } from '../../../src/domain/instance.ts';
import { specOf } from '../../support/spec-of.ts';

const start = 1_700_000_000_000;
const reason = { code: 'test', text: 'test' };

/** `shop` served by its primary, with shadow `shop/1` warm since `start` and told so. */
function guarded(warmth: Warmth = 'hot'): HostedVmState {
  const facts = { node: 'pve1', address: '10.0.0.11', generation: 1, resources: { cores: 2, memoryMiB: 1024 } };
  const wanted = withStandby(withAdopted(adoptingState(specOf('shop'), 1, 2, start), facts, start), start);
  const told = Object.fromEntries(wishesToTell(wanted).map(({ id, wish }) => [id, wish]));
  const made = { ...instanceOf(wanted, 'shop/1'), node: 'pve2', vmid: 9001, address: '10.0.1.1' };
  const warm: InstanceState = { kind: 'warm', since: start, warmth };
  return withInstanceNews({ ...wanted, told, failoverTokens: 1 }, { instance: { ...made, state: warm } }, start);
}

let seq = 0;
function reported(
  state: HostedVmState,
  to: HealthFinding,
  at: number,
  by: readonly string[] = ['north', 'south', 'east'],
  kind: VantageKind = 'probe',
): HostedVmState {
  const inbox = by.map((vantage): HealthReport => {
    seq += 1;
    const what = { instance: 'shop/1', vantage, kind, to, epoch: 1, seq };
    return { ...what, observedAtMs: at, sinceMs: at - 3_000, evidence: 'connection refused' };
  });
  return withReports({ ...state, inbox });
}

function lost(at = start + 10_000, warmth: Warmth = 'hot'): HostedVmState {
  const state = reported(guarded(warmth), 'failed', at);
  const found = shadowToLose(state)!;
  return withShadowLost(state, found.instance, found.verdict, at);
}

const wishOf = (state: HostedVmState, id = 'shop/1') => wishesToTell(state).find((told) => told.id === id)?.wish.goal;

describe('a warm shadow in trouble', () => {
  const at = start + 10_000;
  test.each<[string, boolean, Warmth, HealthFinding, readonly string[], VantageKind, number]>([
    ['three vantage points find a hot one failed', true, 'hot', 'failed', ['north', 'south', 'east'], 'probe', at],
    ['two of two are a quorum', true, 'hot', 'failed', ['north', 'south'], 'probe', at],
    ['one alone is none', false, 'hot', 'failed', ['north'], 'probe', at],
    ['what is not known is no failure', false, 'hot', 'unknown', ['north', 'south', 'east'], 'probe', at],
    ['overload is no failure', false, 'hot', 'overloaded', ['north', 'south', 'east'], 'probe', at],
    ['what was said before it was ready is of yesterday', false, 'hot', 'failed', ['north', 'south'], 'probe', start],
    ['a paused one answers no probe', false, 'paused', 'failed', ['north', 'south', 'east'], 'probe', at],
    ['Proxmox knows that the node of a paused one is off', true, 'paused', 'failed', ['proxmox'], 'proxmox', at],
    ['a stopped one is meant to be stopped', false, 'stopped', 'failed', ['proxmox'], 'proxmox', at],
  ])('%s: lost %s', (_, isLost, warmth, to, by, kind, observedAt) => {
    expect(shadowToLose(reported(guarded(warmth), to, observedAt, by, kind)) !== undefined).toBe(isLost);
  });

  test('is no candidate any more, is asked to come back, and nothing else is started meanwhile', () => {
    const state = lost();
    expect(readyToServe(state)).toEqual([]);
    expect(wishOf(state)).toEqual({ kind: 'warm', warmth: 'hot', again: at });
    expect(withStandby(state, at + patienceMs - 1)).toBe(state);
    expect(state.events.at(-1)).toMatchObject({ kind: 'shadow-lost', reason: { code: 'shadow-lost' } });
  });

  test('that comes back is ready again and is not told a second time', () => {
    const asked = lost();
    const told = { ...asked.told, 'shop/1': { ...asked.told['shop/1']!, goal: wishOf(asked)! } };
    const instance = instanceOf(asked, 'shop/1');
    const news = { instance: { ...instance, state: { kind: 'warm', since: at + 5_000, warmth: 'hot' } as const } };
    const back = withInstanceNews({ ...asked, told }, news, at + 5_000);
    expect(readyToServe(back).map(({ id }) => id)).toEqual(['shop/1']);
    expect(wishesToTell(back)).toEqual([]);
    // The old reports stand until new ones come, and do not make it lost again.
    expect(shadowToLose(back)).toBeUndefined();
  });

  test('word from before the loss does not bring it back', () => {
    const state = lost();
    const late = { ...instanceOf(state, 'shop/1'), state: { kind: 'warm', since: start, warmth: 'hot' } as const };
    expect(readyToServe(withInstanceNews(state, { instance: late }, at + 1))).toEqual([]);
  });

  test('is given up after a minute: it is deleted, and another is made', () => {
    const state = lost();
    const instance = instanceOf(state, 'shop/1');
    expect(givenUpAt(instance)).toBe(at + 60_000);
    expect(nextStep(state, at + 60_000, new Set()).kind).toBe('tell');
    const after = withStandby(state, at + 60_000);
    expect(instanceOf(after, 'shop/1')).toMatchObject({ role: 'retired', state: { kind: 'retired' } });
    expect(wishOf(after)).toEqual({ kind: 'retired', deleteAt: at + 60_000 });
    expect(instanceOf(after, 'shop/2')).toMatchObject({ role: 'shadow', state: { kind: 'provisioning' } });
  });

  test('is not looked after while it serves: that is a failover', () => {
    const state = guarded();
    const serving = { ...withInstance(state, instanceOf(state, 'shop/1')), serving: ['shop/1'] };
    expect(shadowToLose(reported(serving, 'failed', at))).toBeUndefined();
  });
});

describe('a move to a shadow', () => {
  const order = {
    motive: 'failed',
    to: ['shop/1'],
    fence: ['shop/0'],
    fenceOrder: 'beside',
    reason,
    actor: 'workflow',
    explained: false,
    failedSinceMs: start,
    counts: true,
  } as const;
  const moving = (state: HostedVmState, now: number): { begun: HostedVmState; move: Move } => {
    const begun = beginMove(state, order, now);
    if (begun.phase.kind !== 'failing-over' || begun.phase.move === undefined) throw new Error('no move');
    return { begun, move: begun.phase.move };
  };

  test('that does not wake does not count: the next shadow may be tried at once', () => {
    const { begun, move } = moving(guarded('paused'), start + 1_000);
    expect(begun).toMatchObject({ failoversAt: [start + 1_000], failoverTokens: 0 });
    const after = withMoveGivenUp(begun, move, { code: 'does-not-wake', text: 'test' }, start + 5_000, 'shop/1');
    expect(after).toMatchObject({ failoversAt: [], blockedUntil: 0, failoverTokens: 1, lookAgainAt: start + 5_000 });
    expect(after.phase.kind).toBe('guarded');
    expect(wishOf(after)).toEqual({ kind: 'deleted' });
    // One after another, each a clone and a boot, would be a storm.
    expect(withStandby(after, start + 5_000)).toBe(after);
    expect(instanceOf(withStandby(after, start + 40_000), 'shop/2').state.kind).toBe('provisioning');
  });

  test('that DNS refuses counts and is not tried again at once', () => {
    const { begun, move } = moving(guarded(), start + 1_000);
    const after = withMoveGivenUp(begun, move, { code: 'not-owned', text: 'test' }, start + 2_000);
    expect(after.failoversAt).toEqual([start + 1_000]);
    expect(after.lookAgainAt).toBeGreaterThan(start + 2_000);
  });

  test('a pause that was accepted comes before a move that was decided meanwhile', () => {
    const { begun } = moving(guarded(), start + 1_000);
    const pause = { command: 'pause', at: start, with: { requestId: '1', actor: 'ada', reason: 'works' } } as const;
    expect(nextStep({ ...begun, asked: [pause] }, start + 1_000, new Set())).toEqual({ kind: 'obey', order: pause });
    const paused = { ...begun, paused: { since: start, by: 'ada', reason: 'works' } };
    expect(['wait', 'tell']).toContain(nextStep(paused, start + 1_000, new Set()).kind);
  });

  test('a shadow that failed while it served is retired once it is fenced: nobody hands back to it', () => {
    const { begun, move } = moving(guarded(), start + 1_000);
    const change = { generation: 2, appliedAtMs: start + 1_100 };
    const serving = withAnswersChanged(begun, ['shop/1'], change, move, reason, start + 1_100);
    const gone = withFenced({ ...serving, serving: ['shop/0'] }, 'shop/1', 'stopped', start + 9_000);
    const deleteAt = start + 9_000 + gone.spec.policy.keepDiskMs;
    // That it served is told on, for a policy that keeps its disk for no time at all must not skip the look at its successor.
    expect(wishOf(gone)).toEqual({ kind: 'retired', deleteAt, served: true });
    expect(instanceOf(gone, 'shop/1')).toMatchObject({ role: 'retired', state: { kind: 'retired', deleteAt } });
    expect(instanceOf(withFenced(serving, 'shop/0', 'stopped', start + 9_000), 'shop/0')).toMatchObject({
      role: 'primary',
      state: { kind: 'fenced' },
    });
  });
});

test('what was proposed cannot be approved once its shadow is gone', () => {
  const asked = askHuman(guarded(), { code: 'approve', text: 'test' }, ['shop/1'], start + 1_000);
  const approve = { requestId: '1', actor: 'ada', reason: 'yes' };
  expect(refusalFor(asked, 'approve', approve)).toBeUndefined();
  const found = shadowToLose(reported(asked, 'failed', start + 2_000))!;
  const after = withShadowLost(asked, found.instance, found.verdict, start + 2_000);
  expect(refusalFor(after, 'approve', approve)?.reason.code).toBe('not-ready');
});
