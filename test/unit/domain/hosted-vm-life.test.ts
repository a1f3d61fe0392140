import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { AskedCommand, Command } from '../../../src/domain/commands.ts';
import { explain } from '../../../src/domain/explain.ts';
import type { HealthFinding } from '../../../src/domain/health.ts';
import type { HostedVmState } from '../../../src/domain/hosted-vm.ts';
import { withAdopted } from '../../../src/domain/hosted-vm/adopting.ts';
import { adoptingState } from '../../../src/domain/hosted-vm/begin.ts';
import { refusalFor, withCommand } from '../../../src/domain/hosted-vm/commanding.ts';
import { beginMove, withDecision, withDetection, withRecovery } from '../../../src/domain/hosted-vm/deciding.ts';
import { isExplained, withReports } from '../../../src/domain/hosted-vm/evidence.ts';
import { candidates, instanceOf } from '../../../src/domain/hosted-vm/instances.ts';
import { withShadowLost } from '../../../src/domain/hosted-vm/losing.ts';
import { withAnswersChanged, withFenced } from '../../../src/domain/hosted-vm/moving.ts';
import { withInstanceNews } from '../../../src/domain/hosted-vm/news.ts';
import { nextStep } from '../../../src/domain/hosted-vm/next-step.ts';
import {
  whyNotPromote,
  withProbationExtended,
  withPromoted,
  withPromotionBegun,
} from '../../../src/domain/hosted-vm/probation.ts';
import { withStandby } from '../../../src/domain/hosted-vm/standby.ts';
import { wishesToTell } from '../../../src/domain/hosted-vm/wishes.ts';
import { viewOf } from '../../../src/domain/view-of.ts';
import { decideFailover } from '../../../src/planning/failover.ts';
import { planAnswers } from '../../../src/planning/dns-plan.ts';
import { specOf } from '../../support/spec-of.ts';

type Thing =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'report'; readonly who: number; readonly vantage: string; readonly to: HealthFinding }
  | { readonly kind: 'ask'; readonly command: Command }
  | { readonly kind: 'serving-is'; readonly to: HealthFinding }
  | { readonly kind: 'shadow-fails'; readonly who: number };

const things: fc.Arbitrary<Thing> = fc.oneof(
  fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(100, 5_000, 600_000, 3_600_000, 90_000_000) }),
  fc.record({
    kind: fc.constant('report' as const),
    who: fc.nat(5),
    vantage: fc.constantFrom('north', 'south', 'east'),
    to: fc.constantFrom<HealthFinding>('healthy', 'failed', 'failed', 'overloaded', 'unknown'),
  }),
  fc.record({
    kind: fc.constant('ask' as const),
    command: fc.constantFrom<Command>(
      'failover',
      'handBack',
      'approve',
      'promote',
      'extendProbation',
      'pause',
      'resume',
    ),
  }),
  fc.record({
    kind: fc.constant('serving-is' as const),
    to: fc.constantFrom<HealthFinding>('failed', 'overloaded', 'healthy'),
  }),
  fc.record({ kind: fc.constant('shadow-fails' as const), who: fc.nat(5) }),
);

/** The world a story lives in here: every step succeeds at once, and everything that was ever done is written down. */
class Run {
  now = 1_700_000_000_000;
  seq = 0;
  state: HostedVmState;
  readonly generations: number[] = [];
  readonly answers: string[][] = [];
  readonly touchedWhilePaused: string[] = [];

  constructor() {
    const base = adoptingState(specOf('shop'), 1, 2, this.now);
    const facts = { node: 'pve1', address: '10.0.0.11', generation: 1, resources: { cores: 2, memoryMiB: 1024 } };
    this.state = withAdopted(base, facts, this.now);
  }

  happen(thing: Thing): void {
    const { instances } = this.state;
    switch (thing.kind) {
      case 'wait':
        this.now += thing.ms;
        break;
      case 'serving-is':
        for (const vantage of ['north', 'south', 'east']) this.report(this.state.serving[0]!, vantage, thing.to);
        break;
      case 'report':
        this.report(instances[thing.who % instances.length]!.id, thing.vantage, thing.to);
        break;
      case 'ask': {
        this.seq += 1;
        const with_ = { requestId: String(this.seq), actor: 'ada', reason: 'test', byMs: 3_600_000 };
        const order = { command: thing.command, at: this.now, with: with_ } as AskedCommand;
        if (refusalFor(this.state, thing.command, order.with) === undefined) {
          this.state = { ...this.state, asked: [...this.state.asked, order] };
        }
        break;
      }
      case 'shadow-fails': {
        const instance = instances[thing.who % instances.length]!;
        const why = { code: 'no-answer', text: 'test' };
        this.state = withInstanceNews(
          this.state,
          { instance: { ...instance, state: { kind: 'failed', since: this.now, why } } },
          this.now,
        );
      }
    }
    this.settle();
  }

  private report(instance: string, vantage: string, to: HealthFinding): void {
    this.seq += 1;
    const report = { instance, vantage, kind: 'probe', to, epoch: 1, seq: this.seq } as const;
    const stamped = { ...report, observedAtMs: this.now, sinceMs: this.now - 3_000, evidence: to };
    this.state = { ...this.state, inbox: [...this.state.inbox, stamped] };
  }

  /** Takes steps until the story waits. */
  settle(): void {
    for (let steps = 0; steps < 200; steps += 1) {
      this.state = withReports(this.state);
      const step = nextStep(this.state, this.now, new Set(['project', 'reconcile']));
      if (step.kind === 'wait') return;
      if (this.state.paused !== null && step.kind !== 'obey' && step.kind !== 'tell')
        this.touchedWhilePaused.push(step.kind);
      this.take(step);
    }
    throw new Error(`it never comes to rest: ${nextStep(this.state, this.now, new Set()).kind}`);
  }

  private take(step: ReturnType<typeof nextStep>): void {
    const { state, now } = this;
    switch (step.kind) {
      case 'obey':
        this.state = withCommand({ ...state, asked: state.asked.slice(1) }, step.order, now);
        return;
      case 'look-again': {
        const seen = withDetection(state, step.trouble, now);
        const looks = [...seen.serving.map((id) => instanceOf(seen, id)), ...candidates(seen)].map(({ id }) => ({
          instance: id,
          answers: !step.trouble.instances.includes(id) || step.trouble.finding === 'overloaded',
          latencyMs: 1,
          detail: 'test',
        }));
        const decision = decideFailover({
          ...seen,
          finding: step.trouble.finding,
          troubled: step.trouble.instances,
          verdict: step.trouble.verdict,
          explained: step.trouble.instances.some((id) => isExplained(seen, id)),
          serving: seen.serving.map((id) => instanceOf(seen, id)),
          candidates: candidates(seen),
          looks,
          now,
        });
        this.state = withDecision(seen, step.trouble, { looks, decision }, now);
        return;
      }
      case 'switch': {
        const plan = planAnswers({
          ...state.spec,
          serving: step.phase.to.map((id) => instanceOf(state, id)),
          from: state.generation ?? 0,
        });
        if (plan.kind === 'refused')
          throw new Error(`the story asked for an answer that must not be: ${plan.reason.text}`);
        this.generations.push(plan.to);
        this.answers.push([...plan.a]);
        const change = { generation: plan.to, appliedAtMs: now };
        this.state = withAnswersChanged(state, step.phase.to, change, step.move, step.phase.cause, now);
        return;
      }
      case 'shadow-lost':
        this.state = withShadowLost(state, step.instance, step.verdict, now);
        return;
      case 'fence':
        this.state = withFenced(state, step.instance.id, 'stopped', now);
        return;
      case 'recovered':
        this.state = withRecovery(state, now);
        return;
      case 'narrow':
        this.state = beginMove(state, step.order, now);
        return;
      case 'look-before-promotion': {
        const look = { serving: [], dnsAgrees: true, dnsDetail: '', formerQps: null };
        const why = whyNotPromote(state, step.phase, look, now);
        this.state =
          why === undefined ? withPromotionBegun(state, now) : withProbationExtended(state, step.phase, why, now);
        return;
      }
      case 'promote':
        this.state = withPromoted(state, step.phase.to, now);
        return;
      case 'match-plan':
        this.state = withStandby(state, now);
        return;
      case 'tell':
        for (const { id, wish } of wishesToTell(state)) this.tell(id, wish);
        return;
      case 'evaluate':
        this.state = { ...state, nextEvaluationAt: now + 3_600_000 };
        return;
      case 'ask-tokens':
        this.state = { ...state, failoverTokens: 1, tokensAskedAt: null };
        return;
      case 'reconcile':
      case 'adopt':
      case 'let-go':
      case 'end':
      case 'wait':
        throw new Error(`unexpected here: ${step.kind}`);
    }
  }

  private tell(id: string, wish: HostedVmState['told'][string]): void {
    this.state = { ...this.state, told: { ...this.state.told, [id]: wish } };
    if (wish.paused) return;
    const instance = instanceOf(this.state, id);
    const n = instance.n;
    const { goal } = wish;
    if (goal.kind === 'warm') {
      const made = {
        ...instance,
        node: 'pve2',
        vmid: 9_000 + n,
        address: `10.0.1.${n}`,
        state: { kind: 'warm', since: this.now, warmth: goal.warmth } as const,
      };
      this.state = withInstanceNews(this.state, { instance: made }, this.now);
    }
    const delayed = goal.kind === 'retired' && (goal.deleteAt ?? Infinity) > this.now;
    if (goal.kind === 'deleted' || (goal.kind === 'retired' && !delayed)) {
      this.state = withInstanceNews(
        this.state,
        { instance: { ...instance, state: { kind: 'deleted', since: this.now } } },
        this.now,
      );
    }
  }
}

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
  // One primary, or none but the serving.
  expect(state.instances.filter(({ role }) => role === 'primary')).toHaveLength(1);
  // What crosses history is plain JSON.
  expect(JSON.parse(JSON.stringify(state))).toEqual(state);
  // Whoever asks is always answered.
  expect(viewOf(state, run.now).sentence.length).toBeGreaterThan(0);
  expect(explain(state, run.now).sentence.length).toBeGreaterThan(0);
}

describe('whatever happens to a hosted VM', () => {
  test('its answers are never empty and never go back, a pause holds, and it always comes to rest', () => {
    const lived = new Map<string, number>();
    fc.assert(
      fc.property(fc.array(things, { maxLength: 60 }), (sequence) => {
        const run = new Run();
        run.settle();
        for (const thing of sequence) {
          run.happen(thing);
          checkInvariants(run);
        }
        for (const { kind } of run.state.events) lived.set(kind, (lived.get(kind) ?? 0) + 1);
      }),
      { numRuns: 400, seed: 20_261_122 },
    );
    // A property says nothing about a life that was never lived.
    const expected = [
      'answer-changed',
      'promoted',
      'handed-back',
      'needs-human',
      'fenced',
      'primary-retired',
      'shadow-failed',
      'instance-deleted',
    ];
    expect([...lived.keys()]).toEqual(expect.arrayContaining(expected));
  });
});
