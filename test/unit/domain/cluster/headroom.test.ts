import { describe, expect, test } from '@jest/globals';
import { lossReports, rooms } from '../../../../src/domain/cluster/headroom.ts';
import { ledgerCard, ledgerView } from '../../../../src/domain/cluster/ledger.ts';
import { Bookkeeping, noon, snapshot } from './bookkeeping.ts';

const guests = [
  { vmid: 101, node: 'pve1', role: 'primary' as const },
  { vmid: 102, node: 'pve1', role: 'primary' as const },
];

describe('the headroom ledger', () => {
  test('a running shadow costs memory and CPU, a paused one memory, a stopped one nothing', () => {
    const book = new Bookkeeping();
    const room = () => rooms(snapshot(noon), book.state.leases).find((one) => one.node === 'pve2')!;
    const empty = room();
    book.lease(1, { warmth: 'stopped' });
    expect(room()).toEqual(empty);
    book.lease(2, { warmth: 'paused' });
    expect(room()).toMatchObject({ freeMiB: empty.freeMiB! - 2_048, committedCores: empty.committedCores });
    book.lease(3, { warmth: 'hot' });
    expect(room()).toMatchObject({ freeMiB: empty.freeMiB! - 4_096, committedCores: empty.committedCores + 2 });
  });

  test('the host keeps its reserve, or what it really uses when that is more', () => {
    const facts = snapshot(noon).nodes[0]!;
    const free = (hostMemoryMiB: number) =>
      rooms({ ...snapshot(noon), nodes: [{ ...facts, hostMemoryMiB }] }, [])[0]!.freeMiB;
    expect(free(0)).toBe(32_768 - 4_096 - 1_639);
    expect(free(12_000)).toBe(32_768 - 4_096 - 12_000);
  });

  test('N-1: a hot shadow has its memory, a stopped one must find it when the node is lost', () => {
    const book = new Bookkeeping();
    book.lease(1, { warmth: 'hot', memoryMiB: 8_192 });
    book.lease(2, {
      ...{ warmth: 'stopped', memoryMiB: 26_000, hostedVmId: 'mail', instance: 'mail/1' },
      awayFrom: [{ vmid: 102, node: 'pve1', strict: true }],
    });
    const report = lossReports(snapshot(noon, { guests }), book.state.leases).find((one) => one.node === 'pve1');
    expect(report).toEqual({
      node: 'pve1',
      protectedVms: 2,
      fit: 1,
      short: [{ hostedVmId: 'mail', node: 'pve2', needMiB: 26_000, freeMiB: 18_841 }],
    });
  });

  test('N-1: two stopped shadows on one node do not both get the same room', () => {
    const book = new Bookkeeping();
    for (const [n, vmid] of [101, 102].entries()) {
      book.lease(n + 1, {
        ...{ warmth: 'stopped', memoryMiB: 16_384, hostedVmId: `vm${n}`, instance: `vm${n}/1` },
        awayFrom: [{ vmid, node: 'pve1', strict: true }],
      });
    }
    const report = lossReports(snapshot(noon, { guests }), book.state.leases).find((one) => one.node === 'pve1');
    expect(report).toMatchObject({ protectedVms: 2, fit: 1, short: [{ hostedVmId: 'vm1' }] });
  });

  test('the ledger and its card say what is free and what a lost node would mean', () => {
    const book = new Bookkeeping();
    book.tell({ kind: 'observed', snapshot: snapshot(noon, { guests }) });
    book.lease(1);
    const card = ledgerCard(ledgerView(book.state));
    expect(card).toContain('lab: 1 of 10 shadows, 2048 of 65536 MiB');
    expect(card).toContain('If pve1 were lost now, 1 of 1 hosted VMs would fit.');
  });
});
