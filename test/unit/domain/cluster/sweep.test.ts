import { describe, expect, test } from '@jest/globals';
import type { SweepEvidence, SweptGuest, SweptHostedVm } from '../../../../src/domain/cluster/sweep.ts';
import { sweepReport } from '../../../../src/domain/cluster/sweep.ts';
import { dayMs } from '../../../../src/domain/time.ts';
import { Bookkeeping, noon } from './bookkeeping.ts';

const guest = (vmid: number, change: Partial<SweptGuest> = {}): SweptGuest => ({
  vmid,
  node: 'pve2',
  nodeOnline: true,
  name: `vm-${vmid}`,
  power: 'running',
  template: false,
  cores: 2,
  memoryMiB: 2_048,
  addresses: [`10.0.0.${vmid - 9_001 + 11}`],
  ...change,
});
const marked = (vmid: number, n: number, role: 'shadow' | 'retired' = 'shadow', retiredAt?: number): SweptGuest =>
  guest(vmid, {
    marker: { hostedVmId: 'shop', n, role, operation: `shop/${n}`, ...(retiredAt === undefined ? {} : { retiredAt }) },
  });
const shop: SweptHostedVm = {
  id: 'shop',
  instances: [
    { id: 'shop/0', vmid: 101, address: '10.0.0.5', state: { kind: 'serving', since: 0 } },
    { id: 'shop/1', vmid: 9001, address: '10.0.0.11', state: { kind: 'warm', since: 0, warmth: 'hot' } },
  ],
  serving: ['shop/0'],
  keepDiskMs: 7 * dayMs,
  answers: ['10.0.0.5'],
};

function evidence(change: Partial<SweepEvidence> = {}): SweepEvidence {
  const book = new Bookkeeping();
  const lease = book.lease(1)!;
  book.tell({ kind: 'leaseConfirmed', news: { instance: 'shop/1', vmid: lease.vmid } });
  return {
    at: noon,
    cluster: 'lab',
    quorate: true,
    range: { from: 9001, to: 9010 },
    guests: [marked(9001, 1)],
    hidden: [],
    leases: book.state.leases,
    hostedVms: [shop],
    ...change,
  };
}

describe('the sweep', () => {
  test('finds nothing when registry, Proxmox and DNS say the same', () => {
    expect(sweepReport(evidence())).toMatchObject({ adopt: [], release: [], orphans: [], findings: [] });
  });

  test('takes nothing for gone that is not visible to the token, and says so', () => {
    const report = sweepReport(
      evidence({ guests: [], hidden: [{ vmid: 9001, why: 'it needs VM.Audit on /vms/9001' }], hostedVms: [] }),
    );
    expect(report).toMatchObject({ adopt: [], release: [], orphans: [] });
    expect(report.findings.map(({ reason }) => [reason.code, reason.text])).toEqual([
      [
        'guest-hidden',
        'shop/1 is VM 9001, which exists and is not visible to this token; its lease is kept. it needs VM.Audit on /vms/9001',
      ],
    ]);
    const known = sweepReport(evidence({ guests: [], hidden: [{ vmid: 9001, why: '' }] }));
    expect(known.findings.map(({ reason }) => reason.code)).toEqual(['guest-hidden']);
  });

  test('adopts a guest with our marker that no lease covers', () => {
    expect(sweepReport(evidence({ leases: [] })).adopt).toEqual([
      {
        ...{ instance: 'shop/1', hostedVmId: 'shop', vmid: 9001, address: '10.0.0.11', node: 'pve2', role: 'shadow' },
        ...{ warmth: 'hot', cores: 2, memoryMiB: 2_048 },
      },
    ]);
  });

  test('reports a stranger in our range and leaves it alone, but not one that is just being cloned', () => {
    const report = sweepReport(evidence({ guests: [marked(9001, 1), guest(9005), guest(9006, { lock: 'clone' })] }));
    expect(report.findings.map((one) => one.reason.code)).toEqual(['stranger-in-range']);
    expect(report).toMatchObject({ adopt: [], orphans: [] });
  });

  test('retires what its hosted VM does not have, and deletes it only after its time', () => {
    const orphan = (one: SweptGuest) => sweepReport(evidence({ guests: [marked(9001, 1), one] })).orphans;
    expect(orphan(marked(9004, 7))).toMatchObject([{ instance: 'shop/7', vmid: 9004, expired: false }]);
    expect(orphan(marked(9004, 7, 'retired', noon - 6 * dayMs))).toMatchObject([{ expired: false }]);
    expect(orphan(marked(9004, 7, 'retired', noon - 7 * dayMs))).toMatchObject([{ expired: true }]);
  });

  test('holds nothing for an orphan that may be answered, is being made, or whose hosted VM is not to be heard', () => {
    const guests = [marked(9001, 1), marked(9004, 7)];
    const orphans = (change: Partial<SweepEvidence>) => sweepReport(evidence({ guests, ...change })).orphans;
    expect(orphans({ hostedVms: [{ ...shop, answers: null }] })).toEqual([]);
    expect(orphans({ hostedVms: [{ ...shop, answers: ['10.0.0.5', '10.0.0.14'] }] })).toEqual([]);
    expect(orphans({ hostedVms: [] })).toEqual([]);
    const [lease] = evidence().leases;
    expect(orphans({ leases: [{ ...lease!, instance: 'shop/7', vmid: 9004, expiresAt: noon + 1 }] })).toEqual([]);
  });

  test('ends a lease that neither Proxmox nor the hosted VM knows, and reports a guest that should be there', () => {
    expect(sweepReport(evidence({ guests: [] }))).toMatchObject({
      release: [],
      findings: [
        {
          hostedVmId: 'shop',
          reason: { code: 'guest-missing', text: 'shop/1 should be VM 9001, and no node has it.' },
        },
      ],
    });
    const without = { ...shop, instances: shop.instances.slice(0, 1) };
    expect(sweepReport(evidence({ guests: [], hostedVms: [without] }))).toMatchObject({
      release: [{ instance: 'shop/1', vmid: 9001 }],
      findings: [],
    });
  });

  test('reports answers that are not the serving instances', () => {
    expect(sweepReport(evidence({ hostedVms: [{ ...shop, answers: ['10.0.0.99'] }] })).findings).toMatchObject([
      { reason: { code: 'answers-differ', text: 'shop answers 10.0.0.99, its serving instances have 10.0.0.5.' } },
    ]);
  });

  test('believes nothing absent without a quorum', () => {
    expect(sweepReport(evidence({ quorate: false, guests: [] }))).toMatchObject({
      release: [],
      findings: [{ reason: { code: 'sweep-no-quorum' } }],
    });
  });
});
