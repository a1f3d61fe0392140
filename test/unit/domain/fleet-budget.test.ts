import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { apply } from '../../../src/domain/cluster/machine.ts';
import type { ClusterMessage, Outgoing } from '../../../src/domain/cluster/state.ts';
import { newCluster } from '../../../src/domain/cluster/state.ts';
import type { BreakerNews, TokenGrant } from '../../../src/domain/cluster-messages.ts';
import { hostedVmWorkflowId } from '../../../src/domain/cluster-messages.ts';
import { spec } from './cluster/bookkeeping.ts';
import { Run } from './imagined-life.ts';

const windowMs = 60_000;

/** A cluster's real bookkeeping and hosted VMs that ask it, on one clock. */
class Fleet {
  now = 1_700_000_000_000;
  readonly runs = new Map<string, Run>();
  readonly limit: number;
  private cluster;
  /** Failovers that no dead node explains, in the order they happened. */
  readonly failovers: number[] = [];
  readonly whileOpen: string[] = [];

  constructor(size: number, limit: number) {
    this.limit = limit;
    this.cluster = newCluster(spec({ failovers: { limit, windowMs } }), this.now);
    const grantor = {
      grant: (hostedVmId: string, needed: boolean): TokenGrant => {
        const request = { requestId: 'r', replyTo: hostedVmWorkflowId(hostedVmId), hostedVmId, needed };
        const said = this.tell({ kind: 'tokensRequested', request });
        return said.find(({ signal }) => signal === 'failoverTokens')!.payload as TokenGrant;
      },
      failedOver: (hostedVmId: string, at: number): void => {
        if (this.cluster.breaker.kind === 'open') this.whileOpen.push(hostedVmId);
        this.failovers.push(at);
        this.tell({ kind: 'failoverHappened', news: { hostedVmId, at, explained: false, node: 'pve1' } });
      },
    };
    for (let n = 0; n < size; n += 1) this.runs.set(`vm${n}`, new Run(`vm${n}`, grantor));
    for (const run of this.runs.values()) run.settle();
  }

  wait(ms: number): void {
    this.now += ms;
    this.tell({ kind: 'timePassed' });
    for (const run of this.runs.values()) run.happen({ kind: 'wait', ms: Math.max(0, this.now - run.now) });
  }

  fail(n: number): void {
    const run = [...this.runs.values()][n % this.runs.size]!;
    run.happen({ kind: 'serving-is', to: 'failed' });
  }

  private tell(message: ClusterMessage): readonly Outgoing[] {
    const step = apply(this.now, this.cluster, message);
    this.cluster = step.state;
    for (const { to, signal, payload } of step.outgoing) {
      if (signal !== 'breakerChanged') continue;
      const run = [...this.runs.values()].find(({ state }) => hostedVmWorkflowId(state.spec.id) === to);
      if (run !== undefined) run.state = { ...run.state, breaker: payload as BreakerNews };
    }
    return step.outgoing;
  }
}

test('no more than the budget of failovers in any window, and none while the breaker is open, however many fail', () => {
  let most = 0;
  const happening = fc.oneof(
    fc.record({ fail: fc.nat(30) }),
    fc.record({ fail: fc.nat(30) }),
    fc.record({ wait: fc.constantFrom(200, 6_000, 61_000, 700_000) }),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(3, 8, 31),
      fc.constantFrom(1, 2, 6),
      fc.array(happening, { maxLength: 50 }),
      (size, limit, sequence) => {
        const fleet = new Fleet(size, limit);
        for (const each of sequence) {
          if ('fail' in each) fleet.fail(each.fail);
          else fleet.wait(each.wait);
        }
        for (const at of fleet.failovers) {
          const together = fleet.failovers.filter((other) => other >= at && other < at + windowMs).length;
          expect(together).toBeLessThanOrEqual(limit);
          most = Math.max(most, together);
        }
        expect(fleet.whileOpen).toEqual([]);
      },
    ),
    { numRuns: 120, seed: 20_261_128 },
  );
  // It was tried: a budget was used up.
  expect(most).toBeGreaterThanOrEqual(3);
});

test('after a time of quiet the breaker lets one go first, which asks in its need, and then the others', () => {
  const fleet = new Fleet(8, 6);
  for (const n of [0, 1, 2]) fleet.fail(n);
  expect(fleet.failovers).toHaveLength(3);
  for (const n of [3, 4]) fleet.fail(n);
  fleet.wait(60_000);
  expect(fleet.failovers).toHaveLength(3);
  expect(fleet.runs.get('vm3')?.state.phase).toMatchObject({ kind: 'needs-human', reason: { code: 'breaker-open' } });
  fleet.wait(11 * 60_000);
  expect(fleet.failovers).toHaveLength(4);
  fleet.wait(3 * 60_000);
  expect(fleet.failovers).toHaveLength(5);
});
