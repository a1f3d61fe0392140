import { describe, expect, test } from '@jest/globals';
import packet from 'dns-packet';
import fc from 'fast-check';
import {
  decodeMessage,
  encodeMessage,
  opcode,
  queryMessage,
  updateMessage,
} from '../../../src/providers/dns/message.ts';
import { encodeName, InvalidName, isUnder, MalformedMessage, readName } from '../../../src/providers/dns/name.ts';
import { addressData, addressOf, recordType, textData, textOf } from '../../../src/providers/dns/record.ts';
import { claimIs, replaceAnswers } from '../../../src/providers/dns/update-records.ts';
import type { ResourceRecord } from '../../../src/providers/dns/record.ts';

const installation = '3f9c2a71b0de';

const record = (type: number, data: Buffer): ResourceRecord => ({ name: 'a.example', type, class: 1, ttl: 5, data });

describe('names on the wire', () => {
  test('come back as they went, bytes of any kind included', () => {
    const label = fc.uint8Array({ minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(label, { maxLength: 8 }), (labels) => {
        const bytes = Buffer.concat([
          ...labels.flatMap((each) => [Buffer.from([each.length]), each]),
          Buffer.from([0]),
        ]);
        const { name, next } = readName(bytes, 0);
        expect(next).toBe(bytes.length);
        expect(encodeName(name)).toEqual(bytes);
      }),
    );
  });

  test.each([
    ['a..b', 'empty label'],
    [`${'x'.repeat(64)}.b`, '63 bytes'],
    [Array(130).fill('x').join('.'), '255 bytes'],
    ['bücher.example', 'printable ASCII'],
    ['two words.example', 'printable ASCII'],
  ])('%p is refused with the reason', (name, reason) => {
    expect(() => encodeName(name)).toThrow(InvalidName);
    expect(() => encodeName(name)).toThrow(reason);
  });

  test('a dot inside a label does not put a name under a zone', () => {
    expect(isUnder('www.vm.example', 'vm.example')).toBe(true);
    expect(isUnder('vm.example', 'vm.example')).toBe(true);
    expect(isUnder('notvm.example', 'vm.example')).toBe(false);
    expect(isUnder('www\\.vm.example', 'vm.example')).toBe(false);
  });

  test('pointers that lead forwards, to themselves or in circles end with a named error', () => {
    const header = Buffer.alloc(12);
    for (const bytes of [
      [0xc0, 12],
      [0xc0, 14, 0, 0],
      [1, 97, 0xc0, 12],
      [0xff, 0xff],
      [0x40, 1],
      [5, 97],
    ]) {
      expect(() => readName(Buffer.concat([header, Buffer.from(bytes)]), 12)).toThrow(MalformedMessage);
    }
  });
});

describe('addresses and texts', () => {
  test.each([
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
    ['fe80:10:0:0:100::', 'fe80:10:0:0:100::'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
  ])('%s is written %s', (text, canonical) => {
    expect(addressOf(record(recordType.AAAA, addressData(28, text)))).toBe(canonical);
  });

  test('what is no address is refused by name', () => {
    expect(() => addressData(1, '10.0.0.256')).toThrow('"10.0.0.256" is not an IPv4 address');
    expect(() => addressData(28, 'fe80::1%eth0')).toThrow('"fe80::1%eth0" is not an IPv6 address');
  });

  test('a long text is cut into strings and joined again', () => {
    const text = 'x'.repeat(700);
    expect(textData(text).length).toBe(703);
    expect(textOf(record(recordType.TXT, textData(text)))).toBe(text);
    expect(() => textOf(record(recordType.TXT, Buffer.from([9, 97])))).toThrow(MalformedMessage);
  });
});

describe('messages', () => {
  test('a compressed answer of somebody else is read as dns-packet meant it', () => {
    const bytes = packet.encode({
      type: 'response',
      id: 77,
      flags: packet.AUTHORITATIVE_ANSWER | packet.RECURSION_DESIRED,
      questions: [{ type: 'A', name: 'www.vm.example' }],
      answers: [
        { type: 'CNAME', name: 'www.vm.example', ttl: 5, data: 'host.vm.example' },
        { type: 'A', name: 'host.vm.example', ttl: 5, data: '10.0.0.1' },
        { type: 'TXT', name: 'host.vm.example', ttl: 5, data: ['one', 'two'] },
      ],
      authorities: [
        {
          ...{ type: 'SOA', name: 'vm.example', ttl: 5 },
          data: {
            mname: 'ns.vm.example',
            rname: 'root.vm.example',
            serial: 9,
            refresh: 1,
            retry: 1,
            expire: 1,
            minimum: 1,
          },
        },
      ],
    });
    const message = decodeMessage(bytes);
    expect(message).toMatchObject({ id: 77, response: true, authoritative: true, recursionDesired: true, rcode: 0 });
    expect(message.answers.map(({ name, type }) => [name, type])).toEqual([
      ['www.vm.example', 5],
      ['host.vm.example', 1],
      ['host.vm.example', 16],
    ]);
    expect(addressOf(message.answers[1]!)).toBe('10.0.0.1');
    expect(textOf(message.answers[2]!)).toBe('onetwo');
    expect(readName(message.answers[0]!.data, 0).name).toBe('host.vm.example');
    expect(readName(message.authorities[0]!.data, 15).name).toBe('root.vm.example');
  });

  test('a question of ours is what dns-packet reads', () => {
    const read = packet.decode(encodeMessage(queryMessage(4711, 'WWW.vm.example', recordType.AAAA)));
    expect(read).toMatchObject({
      id: 4711,
      type: 'query',
      questions: [{ name: 'WWW.vm.example', type: 'AAAA', class: 'IN' }],
    });
    expect(read.additionals?.[0]).toMatchObject({ type: 'OPT', udpPayloadSize: 1232 });
  });

  test('an update keeps its empty records and its classes', () => {
    const prerequisites = [
      claimIs('x.vm.example', 'nothing'),
      claimIs('y.vm.example', { owner: 'y', installation, generation: 4 }),
    ];
    const updates = replaceAnswers(
      ['x.vm.example'],
      { a: ['10.0.0.1'], aaaa: [], ttlSeconds: 5 },
      { owner: 'x', installation, generation: 5 },
    );
    const message = decodeMessage(encodeMessage(updateMessage(1, 'vm.example', prerequisites, updates)));
    expect(message.opcode).toBe(opcode.UPDATE);
    expect(message.answers).toEqual(prerequisites);
    expect(message.authorities).toEqual(updates);
    expect(updates.map(({ class: rrClass, type, data }) => [rrClass, type, data.length])).toEqual([
      [255, 1, 0],
      [255, 28, 0],
      [1, 1, 4],
      [255, 16, 0],
      [1, 16, 48],
    ]);
  });

  test('whatever the bytes are, the only error is MalformedMessage', () => {
    const good = encodeMessage(
      updateMessage(
        9,
        'vm.example',
        [claimIs('x.vm.example', { owner: 'x', installation, generation: 1 })],
        [
          {
            name: 'x.vm.example',
            type: recordType.MX,
            class: 1,
            ttl: 1,
            data: Buffer.concat([Buffer.from([0, 1]), encodeName('m.vm.example')]),
          },
        ],
      ),
    );
    const attempt = (bytes: Buffer): void => {
      try {
        decodeMessage(bytes);
      } catch (error) {
        if (!(error instanceof MalformedMessage)) throw error;
      }
    };
    for (let length = 0; length < good.length; length += 1) {
      expect(() => decodeMessage(good.subarray(0, length))).toThrow(MalformedMessage);
    }
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (changes) => {
          const bytes = Buffer.from(good);
          for (const [at, value] of changes) bytes[at] = value;
          attempt(bytes);
        },
      ),
      { numRuns: 3_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => attempt(Buffer.from(bytes))),
      { numRuns: 2_000 },
    );
  });

  test('a message made to keep us busy is refused quickly', () => {
    // 10,000 questions whose names are chains of pointers.
    const chain = Buffer.alloc(8_000);
    for (let at = 2; at < chain.length; at += 2) chain.writeUInt16BE(0xc000 | (12 + at - 2), at);
    const header = Buffer.alloc(12);
    header.writeUInt16BE(10_000, 4);
    const question = Buffer.from([0xc0 | ((12 + 7_998) >> 8), (12 + 7_998) & 0xff, 0, 1, 0, 1]);
    const bytes = Buffer.concat([header, chain, ...Array.from({ length: 9_000 }, () => question)]);
    const startedAt = performance.now();
    expect(() => decodeMessage(bytes)).toThrow(MalformedMessage);
    expect(performance.now() - startedAt).toBeLessThan(500);
  });
});
