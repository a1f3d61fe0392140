import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { decodeMessage, encodeMessage, replyTo, updateMessage } from '../../../src/providers/dns/message.ts';
import { parseTsigKey } from '../../../src/providers/dns/tsig-key.ts';
import {
  SignedStream,
  signMessage,
  tsigAlgorithms,
  TsigError,
  verifyMessage,
} from '../../../src/providers/dns/tsig.ts';
import type { TsigFault, TsigKey } from '../../../src/providers/dns/tsig.ts';

const key: TsigKey = { name: 'Failover-Key', algorithm: 'hmac-sha256', secret: Buffer.alloc(32, 3).toString('base64') };
const now = 1_800_000_000;
const unsigned = encodeMessage(updateMessage(77, 'vm.example', [], []));

function faultOf(work: () => unknown): { fault: TsigFault; reported: boolean; skewSeconds?: number | undefined } {
  try {
    work();
  } catch (error) {
    if (error instanceof TsigError)
      return { fault: error.fault, reported: error.reported, skewSeconds: error.skewSeconds };
    throw error;
  }
  throw new Error('nothing was wrong');
}

const verify = (bytes: Buffer, with_ = key, at = now, requestMac?: Buffer) =>
  verifyMessage(bytes, decodeMessage(bytes), with_, at, requestMac);

describe('signatures', () => {
  test.each(tsigAlgorithms)('%s: what was signed verifies, and not after any byte has changed', (algorithm) => {
    const mine = { ...key, algorithm };
    const { bytes, mac } = signMessage(unsigned, mine, now);
    expect(verify(bytes, mine)).toEqual({ mac, timeSigned: now });
    for (let at = 2; at < unsigned.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => verify(changed, mine)).toThrow();
    }
  });

  test('the name of the key is compared without regard to case', () => {
    const { bytes } = signMessage(unsigned, key, now);
    expect(verify(bytes, { ...key, name: 'failover-key' }).timeSigned).toBe(now);
  });

  test('the id may be changed on the way: the original one was signed', () => {
    const { bytes } = signMessage(unsigned, key, now);
    bytes.writeUInt16BE(4_711, 0);
    expect(verify(bytes).timeSigned).toBe(now);
  });

  test('an answer is bound to its request', () => {
    const request = signMessage(unsigned, key, now);
    const answer = signMessage(encodeMessage(replyTo(decodeMessage(unsigned), 'NOERROR')), key, now, {
      requestMac: request.mac,
    });
    expect(verify(answer.bytes, key, now, request.mac).timeSigned).toBe(now);
    expect(faultOf(() => verify(answer.bytes, key, now, Buffer.alloc(32)))).toMatchObject({
      fault: 'BADSIG',
      reported: false,
    });
    expect(faultOf(() => verify(answer.bytes))).toMatchObject({ fault: 'BADSIG', reported: false });
  });

  test('every fault has its name', () => {
    const { bytes } = signMessage(unsigned, key, now);
    const secret = Buffer.alloc(32, 4).toString('base64');
    expect(faultOf(() => verify(unsigned))).toMatchObject({ fault: 'UNSIGNED' });
    expect(faultOf(() => verify(bytes, { ...key, secret }))).toMatchObject({ fault: 'BADSIG' });
    expect(faultOf(() => verify(bytes, { ...key, name: 'other' }))).toMatchObject({ fault: 'BADKEY' });
    expect(faultOf(() => verify(bytes, { ...key, algorithm: 'hmac-sha512' }))).toMatchObject({ fault: 'BADKEY' });
    expect(faultOf(() => verify(bytes, key, now + 301))).toMatchObject({ fault: 'BADTIME', skewSeconds: -301 });
    expect(verify(bytes, key, now - 300).timeSigned).toBe(now);
  });

  test.each(['BADSIG', 'BADKEY', 'BADTIME'] as const)('a reported %s is told from one found', (problem) => {
    const request = signMessage(unsigned, key, now);
    const refusal = encodeMessage(replyTo(decodeMessage(unsigned), 'NOTAUTH'));
    const answer = { requestMac: request.mac, problem, requestTime: now };
    const { bytes } = signMessage(refusal, key, now + 1_000, answer);
    expect(faultOf(() => verify(bytes, key, now, request.mac))).toMatchObject({
      fault: problem,
      reported: true,
      ...(problem === 'BADTIME' ? { skewSeconds: 1_000 } : {}),
    });
  });
});

describe('a key file', () => {
  const secret = Buffer.alloc(32, 9).toString('base64');

  test('is read in the form of tsig-keygen and in one line', () => {
    const expected = { name: 'failover-key', algorithm: 'hmac-sha256', secret };
    expect(parseTsigKey(`key "failover-key" {\n\talgorithm hmac-sha256;\n\tsecret "${secret}";\n};\n`)).toEqual(
      expected,
    );
    expect(parseTsigKey(`hmac-sha256:failover-key:${secret}\n`)).toEqual(expected);
    expect(parseTsigKey(`HMAC-SHA256:failover-key.:${secret}`)).toEqual(expected);
  });

  test.each([
    ['', 'not a TSIG key'],
    ['hmac-md5:k:c2VjcmV0c2VjcmV0c2VjcmV0', 'hmac-md5 is not supported: use one of hmac-sha256'],
    ['hmac-sha256:k:short', 'the secret of the TSIG key k is not base64 of at least 16 bytes'],
    [`hmac-sha256:k:${'?'.repeat(44)}`, 'is not base64'],
  ])('%p is refused without showing a secret', (text, reason) => {
    const secretPart = text.split(':')[2] ?? 'nothing';
    expect(() => parseTsigKey(text)).toThrow(reason);
    try {
      parseTsigKey(text);
    } catch (error) {
      expect(String(error)).not.toContain(secretPart);
    }
  });
});

describe('an answer in several messages', () => {
  const request = signMessage(unsigned, key, now);
  /** Messages that can be told apart. */
  const part = (id: number) =>
    encodeMessage(replyTo(decodeMessage(encodeMessage(updateMessage(id, 'vm.example', [], []))), 'NOERROR'));
  const first = signMessage(part(1), key, now, { requestMac: request.mac });

  /** RFC 8945 5.3.1, written once more: the MAC before, the messages since, then of the record only the time. */
  function signLater(before: Buffer, since: readonly Buffer[], last: Buffer): { bytes: Buffer; mac: Buffer } {
    const timers = Buffer.alloc(8);
    timers.writeUIntBE(now, 0, 6);
    timers.writeUInt16BE(300, 6);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(before.length);
    const mac = createHmac('sha256', Buffer.from(key.secret, 'base64'))
      .update(Buffer.concat([length, before, ...since, last, timers]))
      .digest();
    const { bytes, mac: placeholder } = signMessage(last, key, now);
    mac.copy(bytes, bytes.lastIndexOf(placeholder));
    return { bytes, mac };
  }

  function taken(messages: readonly Buffer[]): boolean[] {
    const stream = new SignedStream(key, now, request.mac);
    return messages.map((bytes) => stream.take(bytes, decodeMessage(bytes)));
  }

  const third = signLater(first.mac, [part(2)], part(3));
  const fourth = signLater(third.mac, [], part(4));

  test('is proven by each signature, with the unsigned messages before it', () => {
    expect(taken([first.bytes, part(2), third.bytes, fourth.bytes])).toEqual([true, false, true, true]);
  });

  test.each([
    ['a message is left out', [first.bytes, third.bytes]],
    ['a message is put in', [first.bytes, part(2), part(2), third.bytes]],
    ['an unsigned message is another one', [first.bytes, part(9), third.bytes]],
    ['the order is another one', [first.bytes, fourth.bytes, part(2), third.bytes]],
    ['it belongs to another request', [signMessage(part(1), key, now, { requestMac: Buffer.alloc(32) }).bytes]],
  ])('is not believed when %s', (_what, messages) => {
    expect(faultOf(() => taken(messages))).toMatchObject({ fault: 'BADSIG', reported: false });
  });

  test('begins with a signature', () => {
    expect(faultOf(() => taken([part(1)]))).toMatchObject({ fault: 'UNSIGNED' });
  });

  test('has a signature after 99 messages without one at the latest', () => {
    const unsignedParts = Array.from({ length: 99 }, (_, n) => part(n));
    const last = signLater(first.mac, unsignedParts, part(100));
    expect(taken([first.bytes, ...unsignedParts, last.bytes]).at(-1)).toBe(true);
    expect(faultOf(() => taken([first.bytes, ...unsignedParts, part(99)]))).toMatchObject({ fault: 'UNSIGNED' });
  });
});
