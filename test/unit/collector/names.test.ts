import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';

import { NameTable, wireName } from '../../../src/collector/names.ts';

const vms = (names: Record<string, string[]>) =>
  Object.entries(names).map(([hostedVmId, list]) => ({ hostedVmId, names: list, ttlSeconds: 30 }));

/** Looks a name up as it would arrive: with its case as written. */
function finder(names: Record<string, string[]>): (asked: string) => string | undefined {
  const ids = Object.keys(names);
  const table = new NameTable(vms(names), (id) => ids.indexOf(id));
  return (asked) => {
    const labels = asked
      .split('.')
      .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]));
    const bytes = Buffer.concat([Buffer.from([9, 9]), ...labels, Buffer.from([0, 1, 1])]);
    return ids[table.find(bytes, 2, bytes.length - 2)];
  };
}

describe('the table of registered names', () => {
  const find = finder({
    shop: ['shop.example', 'WWW.Shop.Example.'],
    blog: ['*.blog.example'],
    deep: ['*.deep.blog.example'],
    fixed: ['fixed.blog.example'],
    umlaut: ['bücher.example', '*.straße.example'],
  });

  test.each([
    ['shop.example', 'shop'],
    ['SHOP.eXaMPLe', 'shop'],
    ['www.shop.example', 'shop'],
    ['a.shop.example', undefined],
    ['hop.example', undefined],
    ['example', undefined],
    ['a.blog.example', 'blog'],
    ['A.B.c.Blog.example', 'blog'],
    ['blog.example', undefined],
    ['*.blog.example', 'blog'],
    ['x.deep.blog.example', 'deep'],
    ['deep.blog.example', 'blog'],
    ['fixed.blog.example', 'fixed'],
    // RFC 4592: a name that exists stands between the wildcard and the names below it.
    ['a.fixed.blog.example', undefined],
    ['xn--bcher-kva.example', 'umlaut'],
    ['XN--BCHER-KVA.example', 'umlaut'],
    ['a.xn--strae-oqa.example', 'umlaut'],
  ])('%s belongs to %s', (asked, owner) => expect(find(asked)).toBe(owner));

  test('it agrees with a plain map for any names', () => {
    const label = fc.constantFrom('a', 'b', 'ab', 'A', 'aB', 'c-1', 'x'.repeat(63));
    const name = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
    fc.assert(
      fc.property(
        fc.uniqueArray(name, { maxLength: 40, selector: (n) => n.toLowerCase() }),
        fc.array(name),
        (own, asked) => {
          const byName = Object.fromEntries(own.map((one, i) => [`vm-${i}`, [one]]));
          const found = finder(byName);
          const plain = new Map(own.map((one, i) => [one.toLowerCase(), `vm-${i}`]));
          for (const one of [...own, ...asked]) expect(found(one)).toBe(plain.get(one.toLowerCase()));
        },
      ),
      { seed: 1, numRuns: 200 },
    );
  });

  test('what cannot be a name, or has two owners, is said and left out', () => {
    const table = new NameTable(
      vms({ a: ['shop.example', `${'x'.repeat(64)}.example`], b: ['SHOP.example'] }),
      () => 0,
    );
    expect(table.size).toBe(1);
    expect(table.complaints.join('\n')).toMatch(/labels have 1 to 63[^]*registered by a and b; a keeps it/);
    expect(() => wireName('a..b')).toThrow(/not a DNS name/);
  });
});
