import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { claimName, claimText, judgeClaims, parseClaim } from '../../../src/providers/dns/ownership.ts';
import type { ClaimFound } from '../../../src/providers/dns/ownership.ts';

const installation = '3f9c2a71b0de';

const ours = (generation: number): ClaimFound => ({ owner: 'shop', installation, generation });
const theirs: ClaimFound = { owner: 'blog', installation, generation: 3 };
const copied: ClaimFound = { owner: 'shop', installation: 'a-copied-one', generation: 5 };

describe('a claim', () => {
  test('stands beside its name; a wildcard shares the place of the name it hangs under', () => {
    expect(claimName('Shop.vm.example.')).toBe('_umbra.shop.vm.example');
    expect(claimName('*.shop.vm.example')).toBe('_umbra.shop.vm.example');
  });

  test('is read as it is written, and nothing else is', () => {
    expect(parseClaim([claimText({ owner: 'shop', installation, generation: 12 })])).toEqual({
      owner: 'shop',
      installation,
      generation: 12,
    });
    const whole = { owner: 'shop', installation, generation: 13, intent: { fence: 'shop/0' } };
    expect(parseClaim([claimText(whole)])).toEqual(whole);
    const byHand = { ...whole, offline: { base: 12, operation: '1f', mac: 'abcdef01' } };
    expect(parseClaim([claimText(byHand)])).toEqual(byHand);
    expect(parseClaim([])).toBe('nothing');
    for (const text of [
      '',
      'v=spf1 -all',
      'v=umbra1 owner= generation=1',
      'v=umbra1 owner=a generation=1',
      'v=umbra1 owner=a inst=b generation=-1',
      'v=umbra1 owner=a inst=b generation=1 intent=stop:a/0',
      'v=umbra1 owner=a inst=b generation=1 by=offline base=1',
      'v=umbra2 owner=a generation=1',
    ]) {
      expect(parseClaim([text])).toBe('unreadable');
    }
    expect(
      parseClaim([
        claimText({ owner: 'a', installation, generation: 1 }),
        claimText({ owner: 'b', installation, generation: 1 }),
      ]),
    ).toBe('unreadable');
  });
});

describe('what the claims found mean for a change', () => {
  test.each<[string, number | undefined, ClaimFound[], boolean, string]>([
    ['from 5 to 6, nothing there', 5, ['nothing'], false, 'not-owned'],
    ["from 5 to 6, somebody else's", 5, [theirs], false, 'not-owned'],
    ['from 5 to 6, of another installation', 5, [copied], false, 'not-owned'],
    ['adoption, of another installation', undefined, [copied], false, 'not-owned'],
    ['from 5 to 6, not readable', 5, ['unreadable'], false, 'not-owned'],
    ['from 5 to 6, still 5', 5, [ours(5)], false, 'try'],
    ['from 5 to 6, 6 with our answers', 5, [ours(6)], true, 'applied'],
    ['from 5 to 6, 6 with other answers', 5, [ours(6)], false, 'superseded'],
    ['from 5 to 6, 7', 5, [ours(7)], true, 'superseded'],
    ['from 5 to 6, 4 after a restore', 5, [ours(4)], false, 'try'],
    ['from 5 to 6, 5 and a new name', 5, [ours(5), 'nothing'], false, 'try'],
    ["from 5 to 6, 5 and a name of somebody else's", 5, [ours(5), theirs], false, 'not-owned'],
    ['from 5 to 6, 5 and 6 half and half', 5, [ours(5), ours(6)], true, 'superseded'],
    ['adoption, nothing there', undefined, ['nothing', 'nothing'], false, 'try'],
    ["adoption, somebody else's", undefined, ['nothing', theirs], false, 'not-owned'],
    ['adoption, ours from an earlier life', undefined, [ours(3)], false, 'superseded'],
    ['adoption, applied before', undefined, [ours(6)], true, 'applied'],
  ])('%s: %#', (_, from, found, answersAreOurs, kind) => {
    expect(judgeClaims(found, { owner: 'shop', installation, from, to: 6 }, answersAreOurs).kind).toBe(kind);
  });

  test('never lets a try replace a newer generation or another owner', () => {
    const claim = fc.oneof(
      fc.constant<ClaimFound>('nothing'),
      fc.constant<ClaimFound>('unreadable'),
      fc.record({
        owner: fc.constantFrom('shop', 'blog'),
        installation: fc.constant(installation),
        generation: fc.nat(10),
      }),
    );
    fc.assert(
      fc.property(
        fc.array(claim, { minLength: 1, maxLength: 3 }),
        fc.option(fc.nat(8), { nil: undefined }),
        fc.nat(3),
        fc.boolean(),
        (found, from, step, answersAreOurs) => {
          const judged = judgeClaims(
            found,
            { owner: 'shop', installation, from, to: (from ?? 0) + 1 + step },
            answersAreOurs,
          );
          if (judged.kind !== 'try') return;
          for (const each of found) {
            expect(each).not.toBe('unreadable');
            if (typeof each !== 'object') continue;
            expect(each.owner).toBe('shop');
            expect(each.generation).toBeLessThanOrEqual(from ?? -1);
          }
        },
      ),
    );
  });
});
