import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { TokenGrant } from '../../../../src/domain/cluster-messages.ts';
import { minuteMs } from '../../../../src/domain/time.ts';
import { Bookkeeping, noon } from './bookkeeping.ts';

function ask(book: Bookkeeping, hostedVmId: string, needed = false): TokenGrant {
  const said = book.tell({
    kind: 'tokensRequested',
    request: { requestId: `t/${hostedVmId}/${book.now}`, replyTo: `hosted-vm/${hostedVmId}`, hostedVmId, needed },
  });
  return said.find((one) => one.signal === 'failoverTokens')!.payload as TokenGrant;
}

function fail(book: Bookkeeping, hostedVmId: string, explained = false) {
  return book.tell({
    kind: 'failoverHappened',
    news: { hostedVmId, at: book.now, explained, node: 'pve2' },
  });
}

describe('failover tokens', () => {
  test('are granted ahead of need, one each, and asking twice gives no second', () => {
    const book = new Bookkeeping();
    expect(ask(book, 'a')).toMatchObject({ tokens: 1, breakerOpen: false });
    expect(ask(book, 'a').tokens).toBe(1);
    expect(book.state.tokens.held).toEqual(['a']);
  });

  test('held and spent together never pass the budget, and the refusal has the numbers', () => {
    const book = new Bookkeeping({ failovers: { limit: 2, windowMs: minuteMs } });
    ask(book, 'a');
    fail(book, 'a');
    ask(book, 'b');
    expect(ask(book, 'c', true)).toMatchObject({
      tokens: 0,
      reason: { code: 'failover-budget', facts: { spent: 1, held: 1, limit: 2 } },
    });
    book.now += minuteMs;
    expect(ask(book, 'c', true).tokens).toBe(1);
  });

  test('a large fleet keeps half of the budget for whoever turns out to need it', () => {
    const book = new Bookkeeping({ failovers: { limit: 4, windowMs: minuteMs } });
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) book.tell({ kind: 'leaseAdopted', lease: adopted(id) });
    const ahead = ['a', 'b', 'c', 'd'].map((id) => ask(book, id).tokens);
    expect(ahead).toEqual([1, 1, 0, 0]);
    expect(['c', 'd', 'e'].map((id) => ask(book, id, true).tokens)).toEqual([1, 1, 0]);
  });

  test('an explained failover costs nothing: a dead node takes all its guests along', () => {
    const book = new Bookkeeping({ failovers: { limit: 1, windowMs: minuteMs } });
    ask(book, 'a');
    for (let n = 0; n < 5; n += 1) fail(book, 'a', true);
    expect(book.state.tokens).toEqual({ held: ['a'], spent: [] });
    expect(book.state.breaker.kind).toBe('closed');
  });

  test('in any order of requests and failovers, no window sees more failovers by token than the budget', () => {
    const steps = fc.array(
      fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), act: fc.boolean(), seconds: fc.nat(40) }),
      { maxLength: 80 },
    );
    fc.assert(
      fc.property(steps, (script) => {
        const budget = { limit: 3, windowMs: minuteMs };
        const book = new Bookkeeping({ failovers: budget });
        const tokens = new Map<string, number>();
        const happened: number[] = [];
        for (const { id, act, seconds } of script) {
          book.now += seconds * 1_000;
          if (!act) {
            const grant = ask(book, id, true);
            tokens.set(id, grant.breakerOpen ? 0 : grant.tokens);
          } else if ((tokens.get(id) ?? 0) > 0) {
            tokens.set(id, 0);
            happened.push(book.now);
            fail(book, id);
          }
          const inWindow = happened.filter((at) => book.now - at < budget.windowMs);
          expect(inWindow.length).toBeLessThanOrEqual(budget.limit);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('the breaker', () => {
  test('opens at three unexplained failures within two minutes, and everybody hears of it', () => {
    const book = new Bookkeeping({ failovers: { limit: 10, windowMs: minuteMs } });
    for (const id of ['a', 'b', 'c', 'd']) ask(book, id);
    fail(book, 'a');
    fail(book, 'b');
    const said = fail(book, 'c');
    expect(said.map((one) => one.to)).toEqual(['hosted-vm/a', 'hosted-vm/b', 'hosted-vm/c', 'hosted-vm/d']);
    expect(said[0]).toMatchObject({
      signal: 'breakerChanged',
      payload: { open: true, reason: { code: 'breaker-open', facts: { failures: 3, fleet: 4, limit: 3 } } },
    });
    expect(ask(book, 'd', true)).toMatchObject({ breakerOpen: true });
  });

  test('needs a tenth of a large fleet', () => {
    const book = new Bookkeeping({ failovers: { limit: 100, windowMs: minuteMs } });
    for (let n = 0; n < 50; n += 1) ask(book, `vm${n}`);
    for (let n = 0; n < 4; n += 1) fail(book, `vm${n}`);
    expect(book.state.breaker.kind).toBe('closed');
    fail(book, 'vm4');
    expect(book.state.breaker.kind).toBe('open');
  });

  test('does not add up failures that are minutes apart, nor the same one told twice', () => {
    const book = new Bookkeeping();
    for (const id of ['a', 'b', 'c']) {
      fail(book, id);
      fail(book, id);
      book.now += 2 * minuteMs;
    }
    expect(book.state.breaker.kind).toBe('closed');
  });

  test('lets one canary go after ten minutes of quiet, and closes when nothing follows it', () => {
    const book = new Bookkeeping({ failovers: { limit: 10, windowMs: minuteMs } });
    for (const id of ['a', 'b', 'c', 'd']) ask(book, id);
    for (const id of ['a', 'b', 'c']) fail(book, id);
    book.now = noon + 10 * minuteMs;
    expect(ask(book, 'a', true)).toMatchObject({ tokens: 1, breakerOpen: false, reason: { code: 'canary' } });
    expect(ask(book, 'b', true)).toMatchObject({ breakerOpen: true, reason: { code: 'breaker-half-open' } });
    fail(book, 'a');
    book.now += 2 * minuteMs;
    const said = book.tell({ kind: 'timePassed' });
    expect(book.state.breaker.kind).toBe('closed');
    expect(said).toContainEqual(
      expect.objectContaining({
        to: 'hosted-vm/b',
        signal: 'breakerChanged',
        payload: expect.objectContaining({ open: false }),
      }),
    );
  });

  test('opens again when another one fails beside the canary', () => {
    const book = new Bookkeeping({ failovers: { limit: 10, windowMs: minuteMs } });
    for (const id of ['a', 'b', 'c']) fail(book, id);
    book.now = noon + 10 * minuteMs;
    ask(book, 'a', true);
    fail(book, 'a');
    fail(book, 'b');
    expect(book.state.breaker.kind).toBe('open');
  });

  test('an operator may close it', () => {
    const book = new Bookkeeping({ failovers: { limit: 10, windowMs: minuteMs } });
    for (const id of ['a', 'b', 'c']) fail(book, id);
    const said = book.tell({ kind: 'breakerReset', by: 'operator:ada' });
    expect(book.state.breaker.kind).toBe('closed');
    expect(said[0]).toMatchObject({
      payload: { open: false, reason: { text: 'operator:ada has closed the breaker.' } },
    });
  });
});

function adopted(id: string) {
  return {
    ...{ instance: `${id}/1`, hostedVmId: id, node: 'pve2', role: 'shadow' as const, warmth: 'stopped' as const },
    ...{
      cores: 1,
      memoryMiB: 512,
      vmid: 9001 + id.charCodeAt(0) - 97,
      address: `10.0.0.${11 + id.charCodeAt(0) - 97}`,
    },
  };
}
