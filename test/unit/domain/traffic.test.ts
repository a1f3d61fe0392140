import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { withCommand } from '../../../src/domain/hosted-vm/commanding.ts';
import { explain } from '../../../src/domain/explain.ts';
import { adoptingState } from '../../../src/domain/hosted-vm/begin.ts';
import { nameOf } from '../../../src/domain/hosted-vm/instances.ts';
import type { HostedVmState } from '../../../src/domain/hosted-vm.ts';
import type { Instance } from '../../../src/domain/instance.ts';
import type { Evaluation } from '../../../src/domain/plan.ts';
import { capacityOf, overflowOf, planTraffic, plainTuning, readyToServe } from '../../../src/domain/traffic.ts';
import type { TrafficMotive } from '../../../src/domain/traffic.ts';
import { viewOf } from '../../../src/domain/view-of.ts';
import { decideFailover } from '../../../src/planning/failover.ts';
import { commandPlan } from '../../../src/web/text/commands.ts';
import { lossOf } from '../../../src/web/text/what-if.ts';
import { specOf } from '../../support/spec-of.ts';

const now = 1_700_000_000_000;

function instance(n: number, capacityQps: number, state: Instance['state']): Instance {
  return {
    ...{ id: `shop/${n}`, n, role: n === 0 ? 'primary' : 'shadow', tier: capacityQps / 100, capacityQps },
    ...{ cluster: 'main', node: n === 0 ? 'pve1' : `pve${n + 1}`, vmid: n === 0 ? 101 : 9000 + n },
    ...{ address: `10.0.0.${n + 10}`, owned: true, state },
  };
}

function evaluationOf(p90: number | null, demandQps: number | null): Evaluation {
  return {
    ...{ at: now, demandQps, model: 'test', peak: p90 === null ? null : { p50: p90 / 2, p90, p99: p90 * 2 } },
    risk: { score: 0, overload: 0, failure: 0, parts: [], calibrated: false },
    ...{ plan: { wanted: [], reasons: [] }, traffic: plainTuning, nextInMs: 1 },
  };
}

const hot = { kind: 'warm', since: 0, warmth: 'hot' } as const;
const capacities = fc.constantFrom(50, 100, 100, 200, 300, 400);
const warmths = fc.constantFrom('hot' as const, 'hot' as const, 'paused' as const, 'stopped' as const);

/** A primary and up to five shadows; the first few serve. */
const states: fc.Arbitrary<HostedVmState> = fc
  .record({
    shadows: fc.array(fc.record({ capacityQps: capacities, warmth: warmths }), { maxLength: 5 }),
    serving: fc.integer({ min: 1, max: 3 }),
    p90: fc.option(fc.integer({ min: 0, max: 900 })),
    demandQps: fc.option(fc.integer({ min: 0, max: 900 })),
  })
  .map(({ shadows, serving, p90, demandQps }) => {
    const base = adoptingState(specOf('shop'), 1, 2, now);
    const all = [
      instance(0, 100, { kind: 'serving', since: 0 }),
      ...shadows.map(({ capacityQps, warmth }, at) =>
        instance(at + 1, capacityQps, at + 1 < serving ? { kind: 'serving', since: 0 } : { ...hot, warmth }),
      ),
    ];
    return {
      ...base,
      phase: { kind: 'guarded', since: now },
      instances: all,
      serving: all.slice(0, serving).map(({ id }) => id),
      generation: 1,
      evaluation: evaluationOf(p90, demandQps),
    };
  });

const servingOf = (state: HostedVmState): Instance[] => state.instances.filter(({ id }) => state.serving.includes(id));
const idsOf = (of: readonly Instance[]): string[] => of.map(({ id }) => id);

/** What a failover would do if the look found everybody ready to answer, and those in trouble silent. */
function failoverOf(state: HostedVmState, troubled: readonly string[]): readonly string[] {
  const serving = servingOf(state);
  const candidates = readyToServe(state);
  const looks = [...serving, ...candidates].map(({ id }) => ({
    ...{ instance: id, answers: !troubled.includes(id), latencyMs: 1, detail: 'test' },
  }));
  const verdict = { finding: 'failed', agree: 3, reporting: 3, sinceMs: now - 3_000, evidence: [] } as const;
  const decision = decideFailover({
    ...{
      spec: state.spec,
      finding: 'failed',
      troubled,
      verdict,
      quorum: 2,
      explained: false,
      serving,
      candidates,
      looks,
    },
    ...{ frozen: [], evaluation: state.evaluation, breaker: null, failoversAt: [], blockedUntil: 0 },
    ...{ failoverTokens: 1, now },
  });
  return decision.kind === 'hold' ? [] : decision.to;
}

describe('everybody names the same target', () => {
  test('failover, explain, the command, its dialog and what-if, when all that serves is lost', () => {
    fc.assert(
      fc.property(states, (state) => {
        const chosen = failoverOf(state, state.serving);
        const names = state.instances.filter(({ id }) => chosen.includes(id));
        const said = explain(state, now).next.at(-1)!;
        if (chosen.length === 0) expect(said).toContain('no shadow is ready');
        else for (const each of names) expect(said).toContain(nameOf(each));

        const view = viewOf(state, now);
        const asked = { requestId: '1', actor: 'ada', reason: 'test' };
        const moved = withCommand(state, { command: 'failover', at: now, with: asked }, now);
        if (chosen.length > 0) {
          expect(moved.phase).toMatchObject({ kind: 'failing-over', to: chosen });
          const [answers] = commandPlan('failover', view).changes;
          for (const each of names) expect(answers).toContain(`(${each.id},`);
        }
        // One node that holds all that serves, and nobody else.
        const apart = state.instances.map((each) => ({
          ...each,
          node: state.serving.includes(each.id) ? 'pve1' : 'pve2',
        }));
        const [loss] = lossOf('pve1', [{ ...view, instances: apart }]);
        expect(idsOf(loss!.carriers)).toEqual(chosen);
      }),
      { numRuns: 1_000 },
    );
  });

  test('failover, explain and what-if, when one of several is lost', () => {
    fc.assert(
      fc.property(states, (state) => {
        fc.pre(state.serving.length > 1);
        const [lost] = state.serving;
        const chosen = failoverOf(state, [lost!]);
        const apart = state.instances.map((each) => ({ ...each, node: each.id === lost ? 'pve1' : 'pve2' }));
        const [loss] = lossOf('pve1', [{ ...viewOf(state, now), instances: apart }]);
        expect(idsOf(loss!.carriers)).toEqual(chosen);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the choice', () => {
  const motives: TrafficMotive[] = [{ kind: 'asked' }, { kind: 'failed', lost: ['shop/0'] }, { kind: 'overloaded' }];
  test.each(motives)('for $kind no other set leaves less without room, or carries it with fewer', (motive) => {
    fc.assert(
      fc.property(states, (state) => {
        const serving = servingOf(state);
        const ready = readyToServe(state);
        const plan = planTraffic({ serving, ready, evaluation: state.evaluation }, motive);
        const lost = motive.kind === 'failed' ? motive.lost : state.serving;
        const staying = motive.kind === 'overloaded' ? serving : serving.filter(({ id }) => !lost.includes(id));
        for (const set of subsets(ready)) {
          for (const other of [set, [...staying, ...set]]) {
            if (other.length === 0) continue;
            const overflow = overflowOf(other, plan.neededQps);
            // An overloaded set may be replaced by bigger ones only, or joined.
            if (motive.kind === 'overloaded' && other === set) continue;
            expect(overflowOf(plan.serving, plan.neededQps)).toBeLessThanOrEqual(overflow + 1e-9);
            if (motive.kind === 'asked' && overflow === 0)
              expect(plan.serving.length).toBeLessThanOrEqual(other.length);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('nobody in a set that carries gets more than it can', () => {
    fc.assert(
      fc.property(states, fc.constantFrom(...motives), (state, motive) => {
        const question = { serving: servingOf(state), ready: readyToServe(state), evaluation: state.evaluation };
        const plan = planTraffic(question, motive);
        fc.pre(plan.carries);
        const share = plan.neededQps / plan.serving.length;
        for (const { capacityQps } of plan.serving) expect(share).toBeLessThanOrEqual(capacityQps);
      }),
    );
  });

  test.each([
    [[], 0],
    [[100], 100],
    [[100, 200], 200],
    [[50, 200, 400], 150],
  ])('instances of %j q/s carry %d q/s in equal shares', (sizes, carried) => {
    expect(capacityOf(sizes.map((capacityQps) => ({ capacityQps })))).toBe(carried);
  });

  test('a helper that would drown in its equal share is not asked to help', () => {
    const serving = [instance(0, 200, { kind: 'serving', since: 0 })];
    const ready = [instance(1, 50, hot)];
    const plan = planTraffic({ serving, ready, evaluation: evaluationOf(210, 210) }, { kind: 'overloaded' });
    expect(idsOf(plan.serving)).toEqual(['shop/0']);
  });
});

function subsets<T>(of: readonly T[]): T[][] {
  return of.reduce<T[][]>((sets, each) => [...sets, ...sets.map((set) => [...set, each])], [[]]);
}
