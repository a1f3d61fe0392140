import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { LeaseGrant } from '../../../../src/domain/cluster-messages.ts';
import type { ClusterMessage } from '../../../../src/domain/cluster/state.ts';
import { hourMs, minuteMs } from '../../../../src/domain/time.ts';
import { Bookkeeping, noon, request, snapshot } from './bookkeeping.ts';

describe('leases', () => {
  test('a lease names VMID, address and place, and a repeated request is answered with the same one', () => {
    const book = new Bookkeeping();
    const first = book.lease(1);
    expect(first).toMatchObject({
      vmid: 9001,
      address: '10.0.0.11',
      ipconfig: '10.0.0.11/24,gw=10.0.0.1',
      node: 'pve2',
      storage: 'tank',
    });
    const again = book.tell({ kind: 'leaseRequested', request: request(1) });
    expect(again).toEqual([{ to: 'shadow-vm/shop/1', signal: 'leaseGranted', payload: first }]);
    expect(book.state.leases).toHaveLength(1);
  });

  test('a lease nobody confirms ends, and its numbers rest for the quarantine', () => {
    const book = new Bookkeeping({ vmids: { from: 9001, to: 9001 } });
    book.lease(1);
    book.now = noon + 31 * minuteMs;
    expect(book.lease(2)).toBeUndefined();
    expect(book.said.at(-1)).toMatchObject({
      signal: 'leaseRefused',
      payload: { reason: { code: 'no-free-vmids', facts: { size: 1, leased: 0, quarantined: 1 } } },
    });
    book.now += hourMs;
    expect(book.lease(3)?.vmid).toBe(9001);
  });

  test('a lease is kept while its clone waits for its turn', () => {
    const book = new Bookkeeping();
    book.lease(1);
    book.tell({
      kind: 'cloneRequested',
      request: { requestId: 'clone/shop/1', replyTo: 'shadow-vm/shop/1', storage: 'tank', instance: 'shop/1' },
    });
    book.now = noon + hourMs;
    book.tell({ kind: 'timePassed' });
    expect(book.state.leases).toHaveLength(1);
  });

  test('a confirmation that comes after the lease has expired brings it back', () => {
    const book = new Bookkeeping();
    const lease = book.lease(1)!;
    book.now = noon + 40 * minuteMs;
    book.tell({ kind: 'timePassed' });
    expect(book.state.leases).toHaveLength(0);
    book.tell({ kind: 'leaseConfirmed', news: { instance: 'shop/1', vmid: lease.vmid } });
    expect(book.state.leases).toMatchObject([{ instance: 'shop/1', vmid: lease.vmid, expiresAt: null }]);
    expect(book.state.quarantine).toEqual([]);
  });

  test('released numbers rest, and somebody else is not released by mistake', () => {
    const book = new Bookkeeping();
    const lease = book.lease(1)!;
    book.tell({ kind: 'leaseReleased', news: { instance: 'shop/2', vmid: lease.vmid } });
    expect(book.state.leases).toHaveLength(1);
    book.tell({ kind: 'leaseReleased', news: { instance: 'shop/1', vmid: lease.vmid } });
    expect(book.state.leases).toHaveLength(0);
    expect(book.state.quarantine).toMatchObject([{ vmid: lease.vmid, address: lease.address, until: noon + hourMs }]);
  });

  test('numbers seen in use by others are never given out', () => {
    const book = new Bookkeeping();
    book.tell({
      kind: 'observed',
      snapshot: snapshot(noon, { strayVmids: [9001, 9002], strayAddresses: ['10.0.0.11'] }),
    });
    expect(book.lease(1)).toMatchObject({ vmid: 9003, address: '10.0.0.12' });
  });

  test('the gateway is nobody’s address', () => {
    const book = new Bookkeeping({ addresses: { from: '10.0.0.1', to: '10.0.0.2', prefix: 24, gateway: '10.0.0.1' } });
    expect(book.lease(1)?.address).toBe('10.0.0.2');
  });

  test('a budget that is spent refuses with the numbers, and refuses the same when asked again', () => {
    const book = new Bookkeeping({ budget: { maxShadows: 1, maxMemoryMiB: 65_536 } });
    book.lease(1);
    const refusals = [1, 2].map(() => book.tell({ kind: 'leaseRequested', request: request(2) }));
    expect(refusals[0]).toMatchObject([
      { signal: 'leaseRefused', payload: { reason: { code: 'budget-shadows', facts: { shadows: 2, maxShadows: 1 } } } },
    ]);
    expect(refusals[1]).toEqual(refusals[0]);
  });

  test('requests that wait count against the budget too', () => {
    const book = new Bookkeeping({ budget: { maxShadows: 10, maxMemoryMiB: 3_000 } });
    expect(book.tell({ kind: 'leaseRequested', request: request(1) })).toEqual([]);
    expect(book.tell({ kind: 'leaseRequested', request: request(2) })).toMatchObject([
      { payload: { reason: { code: 'budget-memory', facts: { memoryMiB: 4_096, maxMemoryMiB: 3_000 } } } },
    ]);
  });

  test('memory over time is a budget of its own', () => {
    const book = new Bookkeeping({
      budget: { maxShadows: 10, maxMemoryMiB: 65_536, memoryTime: { maxGiBHours: 24, windowMs: 24 * hourMs } },
    });
    // Noon: twelve hours are left, so 2 GiB cost 24 GiB-hours and 4 GiB would cost 48.
    expect(book.lease(1)).toBeDefined();
    expect(book.tell({ kind: 'leaseRequested', request: request(2) })).toMatchObject([
      { payload: { reason: { code: 'budget-memory-time', facts: { expectedGiBHours: 48, maxGiBHours: 24 } } } },
    ]);
    book.now = noon + 6 * hourMs;
    book.tell({ kind: 'leaseConfirmed', news: { instance: 'shop/1', vmid: 9001 } });
    expect(book.state.memoryTime.gibHours).toBeCloseTo(12, 5);
  });

  test('an instance may ask for another warmth, and keeps its numbers', () => {
    const book = new Bookkeeping({ budget: { maxShadows: 10, maxMemoryMiB: 2_048 } });
    const cold = book.lease(1, { warmth: 'stopped' })!;
    expect(book.lease(2, { warmth: 'hot' })).toBeDefined();
    const warmer = request(1, { warmth: 'hot', requestId: 'warm/shop/1' });
    expect(book.tell({ kind: 'leaseRequested', request: warmer })).toMatchObject([
      { signal: 'leaseRefused', payload: { reason: { code: 'budget-memory' } } },
    ]);
    book.tell({ kind: 'leaseReleased', news: { instance: 'shop/2', vmid: 9002 } });
    const other = { ...warmer, requestId: 'warm-again/shop/1' };
    expect(book.tell({ kind: 'leaseRequested', request: other })).toMatchObject([
      { signal: 'leaseGranted', payload: { vmid: cold.vmid, address: cold.address } },
    ]);
  });

  test('a place that cannot be looked for is a refusal, not a wait', () => {
    const book = new Bookkeeping();
    book.tell({ kind: 'leaseRequested', request: request(1) });
    expect(book.tell({ kind: 'unobservable', why: 'no connection' })).toMatchObject([
      { to: 'shadow-vm/shop/1', signal: 'leaseRefused', payload: { reason: { code: 'cluster-unreachable' } } },
    ]);
    expect(book.state.waiting).toEqual([]);
  });

  test('the newest look wins: a guest moved by somebody else is accounted where it is', () => {
    const book = new Bookkeeping();
    const lease = book.lease(1)!;
    const guests = [{ vmid: lease.vmid, node: 'pve3', role: 'shadow' as const }];
    book.tell({ kind: 'observed', snapshot: snapshot(noon + 1, { guests }) });
    expect(book.state.leases).toMatchObject([{ node: 'pve3' }]);
    book.tell({ kind: 'observed', snapshot: snapshot(noon - 1, { guests: [{ vmid: lease.vmid, node: 'pve1' }] }) });
    expect(book.state.leases).toMatchObject([{ node: 'pve3' }]);
  });

  test('a promoted shadow costs the budget of shadows nothing any more', () => {
    const book = new Bookkeeping({ budget: { maxShadows: 1, maxMemoryMiB: 65_536 } });
    const lease = book.lease(1)!;
    book.tell({
      kind: 'observed',
      snapshot: snapshot(noon + 1, { guests: [{ vmid: lease.vmid, node: 'pve2', role: 'primary' }] }),
    });
    expect(book.lease(2)).toBeDefined();
  });

  test('a guest with our marker that no lease covers is adopted, once, and never over a lease', () => {
    const book = new Bookkeeping();
    const lease = {
      instance: 'shop/7',
      hostedVmId: 'shop',
      vmid: 9004,
      address: '10.0.0.14',
      node: 'pve3',
      role: 'shadow' as const,
      warmth: 'hot' as const,
      cores: 2,
      memoryMiB: 2_048,
    };
    book.tell({ kind: 'leaseAdopted', lease });
    book.tell({ kind: 'leaseAdopted', lease });
    book.tell({ kind: 'leaseAdopted', lease: { ...lease, instance: 'shop/8' } });
    expect(book.state.leases).toMatchObject([{ instance: 'shop/7', vmid: 9004, expiresAt: null }]);
  });

  test('whoever has ended leaves nothing unconfirmed behind', () => {
    const book = new Bookkeeping();
    book.lease(1);
    const confirmed = book.lease(2)!;
    book.tell({ kind: 'leaseConfirmed', news: { instance: 'shop/2', vmid: confirmed.vmid } });
    book.tell({ kind: 'undeliverable', to: 'shadow-vm/shop/1' });
    book.tell({ kind: 'undeliverable', to: 'shadow-vm/shop/2' });
    expect(book.state.leases.map((one) => one.instance)).toEqual(['shop/2']);
  });

  test('whatever happens in whatever order, no VMID and no address is anybody’s twice', () => {
    const steps = fc.array(
      fc.record({
        what: fc.constantFrom('lease', 'confirm', 'release', 'adopt', 'wait', 'observe', 'lost'),
        n: fc.integer({ min: 1, max: 14 }),
        minutes: fc.integer({ min: 0, max: 50 }),
      }),
      { minLength: 5, maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (script) => {
        const book = new Bookkeeping();
        const resting = new Map<number, number>();
        for (const { what, n, minutes } of script) {
          const before = new Map(book.state.leases.map((one) => [one.vmid, one.instance]));
          play(book, what, n, minutes);
          const { leases, quarantine } = book.state;
          expect(new Set(leases.map((one) => one.vmid)).size).toBe(leases.length);
          expect(new Set(leases.map((one) => one.address)).size).toBe(leases.length);
          expect(new Set(leases.map((one) => one.instance)).size).toBe(leases.length);
          for (const one of quarantine) resting.set(one.vmid, one.until);
          for (const lease of leases) {
            // A number that rests goes back to its former owner only, or to the guest that was found with it.
            const fresh = before.get(lease.vmid) !== lease.instance && lease.expiresAt !== null;
            if (fresh) expect(resting.get(lease.vmid) ?? 0).toBeLessThanOrEqual(book.now);
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});

function play(book: Bookkeeping, what: string, n: number, minutes: number): void {
  const lease = book.state.leases.find((one) => one.instance === `shop/${n}`);
  const news = { instance: `shop/${n}`, vmid: lease?.vmid ?? 9000 + n };
  const messages: Record<string, () => ClusterMessage | undefined> = {
    confirm: () => ({ kind: 'leaseConfirmed', news }),
    release: () => ({ kind: 'leaseReleased', news }),
    observe: () => ({ kind: 'observed', snapshot: snapshot(book.now, { strayVmids: [9000 + (n % 10)] }) }),
    lost: () => ({ kind: 'undeliverable', to: `shadow-vm/shop/${n}` }),
    adopt: () => ({
      kind: 'leaseAdopted',
      lease: {
        ...{ instance: `shop/${n}`, hostedVmId: 'shop', vmid: 9000 + (n % 10), node: 'pve3', role: 'shadow' as const },
        ...{ address: `10.0.0.${11 + (n % 10)}`, warmth: 'hot' as const, cores: 1, memoryMiB: 512 },
      },
    }),
  };
  if (what === 'lease') {
    const granted: LeaseGrant | undefined = book.lease(n);
    expect(granted === undefined || granted.vmid >= 9001).toBe(true);
    return;
  }
  book.now += minutes * minuteMs;
  book.tell(messages[what]?.() ?? { kind: 'timePassed' });
}
