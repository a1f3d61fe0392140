import { describe, expect, test } from '@jest/globals';
import { Bookkeeping, noon } from './bookkeeping.ts';

const clone = (n: number, storage = 'tank') => ({
  requestId: `clone/shop/${n}`,
  replyTo: `shadow-vm/shop/${n}`,
  storage,
  instance: `shop/${n}`,
});

/** Keeps `count` clones going on one storage; each takes `secondsAt(clones at once)`. Returns the highest concurrency at the end. */
function work(book: Bookkeeping, count: number, secondsAt: (atOnce: number) => number): number {
  for (let n = 1; n <= count; n += 1) book.tell({ kind: 'cloneRequested', request: clone(n) });
  let last = 0;
  for (let n = 0; n < count; n += 1) {
    const { running } = book.state.clones;
    last = running.length;
    const next = [...running].sort((a, b) => a.since - b.since)[0]!;
    book.now = Math.max(book.now, next.since + secondsAt(running.length) * 1_000);
    book.tell({ kind: 'cloneDone', done: { requestId: next.requestId } });
  }
  return Math.max(last, ...book.state.clones.lanes.map((lane) => lane.limit));
}

describe('the clone queue', () => {
  test('begins with one clone per storage, in the order asked, storages side by side', () => {
    const book = new Bookkeeping({ clonesPerStorage: 4 });
    const turns = [clone(1), clone(2), clone(3, 'fast')].flatMap((request) =>
      book.tell({ kind: 'cloneRequested', request }),
    );
    expect(turns.map((one) => one.to)).toEqual(['shadow-vm/shop/1', 'shadow-vm/shop/3']);
    expect(book.tell({ kind: 'cloneDone', done: { requestId: 'clone/shop/1' } })).toEqual([
      { to: 'shadow-vm/shop/2', signal: 'cloneTurn', payload: { requestId: 'clone/shop/2' } },
    ]);
  });

  test('whoever has its turn and asks again is told again; whoever waits is not queued twice', () => {
    const book = new Bookkeeping();
    book.tell({ kind: 'cloneRequested', request: clone(1) });
    book.tell({ kind: 'cloneRequested', request: clone(2) });
    expect(book.tell({ kind: 'cloneRequested', request: clone(1) })).toHaveLength(1);
    expect(book.tell({ kind: 'cloneRequested', request: clone(2) })).toEqual([]);
    expect(book.state.clones.waiting).toHaveLength(1);
  });

  test('climbs to the limit on a storage that copies side by side as fast', () => {
    const book = new Bookkeeping({ clonesPerStorage: 4 });
    expect(work(book, 40, () => 10)).toBe(4);
  });

  test('stays with one at a time where the storage lock makes the second only wait', () => {
    const book = new Bookkeeping({ clonesPerStorage: 4 });
    work(book, 40, (atOnce) => 10 * atOnce);
    expect(book.state.clones.lanes).toMatchObject([{ storage: 'tank', limit: 1 }]);
  });

  test('never lets more through than the inventory allows', () => {
    const book = new Bookkeeping({ clonesPerStorage: 2 });
    for (let n = 1; n <= 30; n += 1) book.tell({ kind: 'cloneRequested', request: clone(n) });
    for (let n = 1; n <= 30; n += 1) {
      expect(book.state.clones.running.length).toBeLessThanOrEqual(2);
      book.now += 5_000;
      book.tell({ kind: 'cloneDone', done: { requestId: book.state.clones.running[0]!.requestId } });
    }
    expect(book.state.clones.running).toEqual([]);
    expect(book.said.filter((one) => one.signal === 'cloneTurn')).toHaveLength(30);
  });

  test('a clone nobody reports the end of gives its place back', () => {
    const book = new Bookkeeping();
    book.tell({ kind: 'cloneRequested', request: clone(1) });
    book.tell({ kind: 'cloneRequested', request: clone(2) });
    book.now = noon + 2 * 3_600_000;
    expect(book.tell({ kind: 'timePassed' })).toMatchObject([{ to: 'shadow-vm/shop/2', signal: 'cloneTurn' }]);
  });
});
