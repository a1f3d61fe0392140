import { describe, expect, test } from '@jest/globals';
import { hintChanges, withHints } from '../../../src/providers/dns/https-hints.ts';
import { encodeName, MalformedMessage } from '../../../src/providers/dns/name.ts';
import { recordType } from '../../../src/providers/dns/record.ts';

const answers = { a: ['10.0.0.2'], aaaa: ['2001:db8::2'], ttlSeconds: 5 };
const names = ['shop.vm.example'];

const parameter = (key: number, value: string): Buffer => {
  const bytes = Buffer.from(value, 'hex');
  const head = Buffer.alloc(4);
  head.writeUInt16BE(key, 0);
  head.writeUInt16BE(bytes.length, 2);
  return Buffer.concat([head, bytes]);
};
const https = (target: string, ...parameters: Buffer[]): Buffer =>
  Buffer.concat([Buffer.from([0, 1]), encodeName(target), ...parameters]);

const alpn = parameter(1, '026832');
const old4 = parameter(4, '0a0000010a000009');
const new4 = parameter(4, '0a000002');
const old6 = parameter(6, '20010db8000000000000000000000001');
const new6 = parameter(6, '20010db8000000000000000000000002');

describe('address hints in HTTPS records', () => {
  test.each<[string, Buffer, Buffer]>([
    ['of the name itself change', https('', alpn, old4, old6), https('', alpn, new4, new6)],
    ['of a target that is ours change', https('Shop.vm.example', old4), https('Shop.vm.example', new4)],
    ['of somebody else stay', https('cdn.example', old4), https('cdn.example', old4)],
    ['that are not there are not invented', https('', alpn), https('', alpn)],
    [
      'of an alias do not exist',
      Buffer.concat([Buffer.from([0, 0]), encodeName('x.example')]),
      Buffer.concat([Buffer.from([0, 0]), encodeName('x.example')]),
    ],
  ])('%s', (_, before, after) => {
    expect(withHints(before, names, answers)).toEqual(after);
  });

  test('of a family without addresses go', () => {
    expect(withHints(https('', alpn, old4, old6), names, { ...answers, aaaa: [] })).toEqual(https('', alpn, new4));
  });

  test('that are broken are refused by name', () => {
    expect(() => withHints(https('', Buffer.from([0, 4, 0, 9, 1])), names, answers)).toThrow(MalformedMessage);
  });

  test('change under the prerequisite that the record is still as it was read', () => {
    const found = [{ name: 'shop.vm.example', type: recordType.HTTPS, class: 1, ttl: 60, data: https('', old4) }];
    const { prerequisites, updates } = hintChanges(found, names, answers);
    expect(prerequisites).toEqual([{ ...found[0], ttl: 0 }]);
    expect(updates.map((record) => [record.class, record.ttl, record.data.length])).toEqual([
      [255, 0, 0],
      [1, 60, 11],
    ]);
    const same = [{ ...found[0]!, data: https('', new4) }];
    expect(hintChanges(same, names, answers)).toEqual({ prerequisites: [], updates: [] });
  });
});
