import fc from 'fast-check';
import type { TokenGrant } from '../../../src/domain/cluster-messages.ts';
import type { AskedCommand, Command } from '../../../src/domain/commands.ts';
import type { HealthFinding, Verdict } from '../../../src/domain/health.ts';
import type { HostedVmState } from '../../../src/domain/hosted-vm.ts';
import { withAdopted } from '../../../src/domain/hosted-vm/adopting.ts';
import { adoptingState } from '../../../src/domain/hosted-vm/begin.ts';
import { refusalFor, withCommand } from '../../../src/domain/hosted-vm/commanding.ts';
import {
  askHuman,
  beginMove,
  withDecision,
  withDetection,
  withRecovery,
} from '../../../src/domain/hosted-vm/deciding.ts';
import { isExplained, withReports } from '../../../src/domain/hosted-vm/evidence.ts';
import { instanceOf } from '../../../src/domain/hosted-vm/instances.ts';
import { readyToServe } from '../../../src/domain/traffic.ts';
import { withShadowLost } from '../../../src/domain/hosted-vm/losing.ts';
import {
  withAnswersChanged,
  withAnswersRestored,
  withFenced,
  withMoveGivenUp,
} from '../../../src/domain/hosted-vm/moving.ts';
import { withInstanceNews } from '../../../src/domain/hosted-vm/news.ts';
import { nextStep } from '../../../src/domain/hosted-vm/next-step.ts';
import {
  whyNotPromote,
  withProbationExtended,
  withPromoted,
  withPromotionBegun,
} from '../../../src/domain/hosted-vm/probation.ts';
import { needsToken, withTokens } from '../../../src/domain/hosted-vm/tokens.ts';
import { withStandby } from '../../../src/domain/hosted-vm/standby.ts';
import { wishesToTell } from '../../../src/domain/hosted-vm/wishes.ts';
import type { Warmth } from '../../../src/domain/instance.ts';
import type { Evaluation } from '../../../src/domain/plan.ts';
import { decideFailover } from '../../../src/planning/failover.ts';
import { planAnswers } from '../../../src/planning/dns-plan.ts';
import { specOf } from '../../support/spec-of.ts';

/** What may happen to a hosted VM. */
export type Thing =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'report'; readonly who: number; readonly vantage: string; readonly to: HealthFinding }
  | { readonly kind: 'ask'; readonly command: Command }
  | { readonly kind: 'serving-is'; readonly to: HealthFinding }
  | { readonly kind: 'shadow-fails'; readonly who: number }
  | { readonly kind: 'shadow-is'; readonly who: number; readonly to: HealthFinding }
  | { readonly kind: 'breaker'; readonly open: boolean }
  | { readonly kind: 'luck'; readonly luck: Luck };

/** The part of a cluster that a failover asks and tells. */
export type Grantor = {
  grant(hostedVmId: string, needed: boolean): TokenGrant;
  failedOver(hostedVmId: string, at: number): void;
};

/** How the world behaves from now on. */
export type Luck = {
  readonly wakes: boolean;
  readonly dns: 'applied' | 'refused';
  readonly marks: boolean;
  /** Shadows that were lost come back when asked to. */
  readonly comesBack: boolean;
  /** Whether what is said to fail does not answer at the second look either. */
  readonly confirmed: boolean;
  readonly warmth: Warmth;
  readonly tokens: 0 | 1;
};

export const goodLuck: Luck = {
  wakes: true,
  dns: 'applied',
  marks: true,
  comesBack: true,
  confirmed: true,
  warmth: 'hot',
  tokens: 1,
};

export const things: fc.Arbitrary<Thing> = fc.oneof(
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
  fc.record({
    kind: fc.constant('shadow-is' as const),
    who: fc.nat(5),
    to: fc.constantFrom<HealthFinding>('failed', 'healthy'),
  }),
  fc.record({ kind: fc.constant('breaker' as const), open: fc.boolean() }),
  fc.record({
    kind: fc.constant('luck' as const),
    luck: fc.record({
      wakes: fc.boolean(),
      dns: fc.constantFrom('applied' as const, 'applied' as const, 'refused' as const),
      marks: fc.boolean(),
      comesBack: fc.boolean(),
      confirmed: fc.constantFrom(true, true, false),
      warmth: fc.constantFrom<Warmth>('hot', 'hot', 'paused', 'stopped'),
      tokens: fc.constantFrom<0 | 1>(1, 1, 0),
    }),
  }),
);

const vantages = ['north', 'south', 'east'] as const;

/** The world a story lives in here: every step ends at once, as luck will have it, and all that was ever done is written down. */
export class Run {
  now = 1_700_000_000_000;
  seq = 0;
  state: HostedVmState;
  readonly generations: number[] = [];
  readonly answers: string[][] = [];
  readonly touchedWhilePaused: string[] = [];
  private readonly cluster: Grantor | undefined;
  luck = goodLuck;
  /** Automatic moves because of a failure, with what was known when each was decided. */
  readonly moves: {
    at: number;
    verdict: Verdict;
    breakerOpen: boolean;
    explained: boolean;
    tokens: number;
    finding: string;
  }[] = [];
  /** Promotions, with what an auditor would ask. */
  readonly promotions: { at: number; endsAt: number; drainedAt: number; failedAt: number; openedAt: number }[] = [];
  /** Guests deleted, and when that was allowed. */
  readonly deletions: { at: number; allowedAt: number; id: string }[] = [];
  /** Last instant at which a quorum found what serves failed and it was acted upon. */
  failedAt = 0;

  /** @param cluster who grants tokens and counts failovers; a generous one of its own unless told */
  constructor(id = 'shop', cluster?: Grantor) {
    this.cluster = cluster;
    const base = adoptingState(specOf(id), 1, 2, this.now);
    const facts = { node: 'pve1', address: '10.0.0.11', generation: 1, resources: { cores: 2, memoryMiB: 1024 } };
    this.state = withAdopted(base, facts, this.now);
  }

  happen(thing: Thing): void {
    const { instances } = this.state;
    switch (thing.kind) {
      case 'wait':
        this.now += thing.ms;
        this.deleteWhatIsDue();
        break;
      case 'serving-is':
        for (const vantage of vantages) this.report(this.state.serving[0]!, vantage, thing.to);
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
      case 'breaker':
        this.state = { ...this.state, breaker: { open: thing.open, reason: { code: 'test', text: 'test' } } };
        break;
      case 'luck':
        this.luck = thing.luck;
        break;
      case 'shadow-is': {
        const shadows = instances.filter(({ id, role }) => role === 'shadow' && !this.state.serving.includes(id));
        const shadow = shadows[thing.who % Math.max(1, shadows.length)];
        if (shadow !== undefined) for (const vantage of vantages) this.report(shadow.id, vantage, thing.to);
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

  /** A cluster with a budget of its own; while its breaker is open nobody is granted anything new. */
  private grant(): TokenGrant {
    if (this.cluster !== undefined) return this.cluster.grant(this.state.spec.id, needsToken(this.state));
    const open = this.state.breaker?.open ?? false;
    const tokens = open ? this.state.failoverTokens : this.luck.tokens;
    return { requestId: 'test', tokens, breakerOpen: open, reason: { code: 'test', text: 'test' } };
  }

  /** What the workflows of retired instances do by themselves once their time has come. */
  private deleteWhatIsDue(): void {
    for (const instance of this.state.instances) {
      const goal = this.state.told[instance.id]?.goal;
      if (this.state.paused !== null || goal?.kind !== 'retired' || goal.deleteAt === null || goal.deleteAt > this.now)
        continue;
      this.deletions.push({ at: this.now, allowedAt: goal.deleteAt, id: instance.id });
      const deleted = { ...instance, state: { kind: 'deleted', since: this.now } as const };
      this.state = withInstanceNews(this.state, { instance: deleted }, this.now);
    }
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
        this.state = withCommand(
          { ...state, asked: state.asked.filter((order) => order !== step.order) },
          step.order,
          now,
        );
        return;
      case 'look-again': {
        const seen = withDetection(state, step.trouble, now);
        if (step.trouble.finding === 'failed') this.failedAt = now;
        const looks = [...seen.serving.map((id) => instanceOf(seen, id)), ...readyToServe(seen)].map(({ id }) => ({
          instance: id,
          answers:
            !this.luck.confirmed || !step.trouble.instances.includes(id) || step.trouble.finding === 'overloaded',
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
          candidates: readyToServe(seen),
          looks,
          frozen: [],
          now,
        });
        this.state = withDecision(seen, step.trouble, { looks, decision }, now);
        if (decision.kind === 'move' && decision.counts) {
          this.moves.push({
            at: now,
            verdict: step.trouble.verdict,
            breakerOpen: seen.breaker?.open ?? false,
            explained: step.trouble.instances.some((id) => isExplained(seen, id)),
            tokens: seen.failoverTokens,
            finding: step.trouble.finding,
          });
        }
        return;
      }
      case 'switch': {
        const asleep = step.phase.to
          .map((id) => instanceOf(state, id))
          .find(({ state: own }) =>
            own.kind === 'warm' ? own.warmth !== 'hot' : own.kind === 'fenced' || own.kind === 'failed',
          );
        if (asleep !== undefined && !this.luck.wakes) {
          if (this.moves.at(-1)?.at === step.move.decidedAtMs) this.moves.pop();
          const reason = { code: 'does-not-wake', text: 'test' };
          const unusable = asleep.role === 'shadow' ? asleep.id : undefined;
          this.state = withMoveGivenUp(state, step.move, reason, now, unusable);
          return;
        }
        if (this.luck.dns === 'refused') {
          const reason = { code: 'not-owned', text: 'test' };
          this.state = askHuman(withMoveGivenUp(state, step.move, reason, now), reason, [], now);
          return;
        }
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
        if (step.move.motive === 'failed') this.cluster?.failedOver(state.spec.id, step.move.decidedAtMs);
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
          why === undefined
            ? withPromotionBegun(state, step.phase, now)
            : withProbationExtended(state, step.phase, why, now);
        return;
      }
      case 'promote': {
        const { passed } = step.phase;
        if (!this.luck.marks) {
          this.state = withProbationExtended(state, passed, { code: 'transient', text: 'test' }, now);
          return;
        }
        const { endsAt, since } = passed;
        const { drainedAt } = state;
        this.promotions.push({ at: now, endsAt, drainedAt, failedAt: this.failedAt, openedAt: since });
        this.state = withPromoted(state, step.phase.to, now);
        return;
      }
      case 'restore-answers':
        this.state = withAnswersRestored(state, (state.generation ?? 0) + 1, now);
        return;
      case 'match-plan':
        this.state = withStandby(state, now);
        return;
      case 'tell':
        for (const { id, wish } of wishesToTell(state)) this.tell(id, wish);
        return;
      case 'evaluate':
        this.state = { ...state, evaluation: evaluationAt(now), nextEvaluationAt: now + 3_600_000 };
        return;
      case 'ask-tokens':
        this.state = { ...state, tokensAskedAt: now };
        this.state = withTokens(this.state, this.grant());
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
        state: { kind: 'warm', since: this.now, warmth: this.luck.warmth } as const,
      };
      if (goal.again !== undefined && !this.luck.comesBack) return;
      // It takes a moment.
      if (goal.again !== undefined) this.now += 1;
      this.state = withInstanceNews(this.state, { instance: made }, this.now);
    }
    const delayed = goal.kind === 'retired' && (goal.deleteAt ?? Infinity) > this.now;
    if (goal.kind === 'deleted' || (goal.kind === 'retired' && !delayed && goal.deleteAt !== null)) {
      const allowedAt = instance.state.kind === 'retired' ? instance.state.deleteAt : 0;
      this.deletions.push({ at: this.now, allowedAt, id });
      this.state = withInstanceNews(
        this.state,
        { instance: { ...instance, state: { kind: 'deleted', since: this.now } } },
        this.now,
      );
    }
  }
}

/** A calm forecast: one shadow of full size, and the primary carries it all alone. */
function evaluationAt(now: number): Evaluation {
  const reason = { code: 'min-shadows', text: 'test' };
  return {
    at: now,
    demandQps: 40,
    model: 'test',
    peak: { p50: 40, p90: 50, p99: 60 },
    risk: { score: 0.1, overload: 0.05, failure: 0.05, parts: [], calibrated: false },
    plan: { wanted: [{ tier: 1, count: 1, warmth: 'hot', reason }], reasons: [reason] },
    nextInMs: 3_600_000,
  };
}
