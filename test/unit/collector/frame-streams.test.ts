import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';

import {
  control,
  dnstapContentType,
  encodeControl,
  encodeData,
  FrameReader,
  FrameStreamsError,
  maxDataBytes,
} from '../../../src/collector/frame-streams.ts';

/** What a reader tells of a stream that comes in these pieces. */
function read(stream: Buffer, cuts: readonly number[]): unknown[] {
  const told: unknown[] = [];
  const reader = new FrameReader({
    data: (bytes, start, end) => void told.push(bytes.toString('hex', start, end)),
    control: (frame) => void told.push(frame),
  });
  const ends = [...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort((a, b) => a - b);
  let at = 0;
  for (const end of ends) {
    // A copy: a reader must not keep hold of a chunk.
    const chunk = Buffer.from(stream.subarray(at, end));
    reader.push(chunk);
    chunk.fill(0xee);
    at = end;
  }
  expect(reader.pendingBytes).toBe(0);
  return told;
}

describe('Frame Streams', () => {
  test('frames are the same however the stream is cut', () => {
    const frame = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.constantFrom('ready', 'start', 'stop', 'accept', 'finish' as const),
    );
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 30 }), (frames, cuts) => {
        const encoded = frames.map((one) =>
          typeof one === 'string' ? encodeControl(control[one as 'start'], [dnstapContentType]) : encodeData(one),
        );
        const expected = frames.map((one) =>
          typeof one === 'string'
            ? { type: control[one as 'start'], contentTypes: [dnstapContentType] }
            : Buffer.from(one).toString('hex'),
        );
        expect(read(Buffer.concat(encoded), cuts)).toEqual(expected);
      }),
      { seed: 20_261_122, numRuns: 300 },
    );
  });

  test('the longest frame passes, byte by byte at its edges', () => {
    const longest = Buffer.alloc(maxDataBytes, 7);
    expect(read(encodeData(longest), [1, 2, 3, 4, 5, maxDataBytes])).toEqual([longest.toString('hex')]);
  });

  const u32 = (...words: number[]): Buffer =>
    Buffer.concat(words.map((word) => Buffer.from([word >>> 24, (word >> 16) & 255, (word >> 8) & 255, word & 255])));
  test.each([
    ['a frame longer than dnstap can be', u32(maxDataBytes + 1), 'frame-too-long'],
    ['a length of four gigabytes', u32(0xffffffff), 'frame-too-long'],
    ['a control frame of 513 bytes', u32(0, 513), 'control-too-long'],
    ['a control frame without a type', u32(0, 3), 'control-too-long'],
    ['a control field that runs over the end', u32(0, 12, 2, 1, 99), 'control-malformed'],
    ['a control field of an unknown kind', u32(0, 12, 2, 7, 0), 'control-malformed'],
    ['half a control field', u32(0, 8, 2, 1), 'control-malformed'],
  ])('%s is refused by name', (_, bytes, code) => {
    const failure = (): unknown => read(bytes, []);
    expect(failure).toThrow(FrameStreamsError);
    expect(failure).toThrow(expect.objectContaining({ code }));
  });

  test('an encoded READY has the bytes that fstrm sends', () => {
    const expected =
      '00000000' + '00000022' + '00000004' + '00000001' + '00000016' + Buffer.from(dnstapContentType).toString('hex');
    expect(encodeControl(control.ready, [dnstapContentType]).toString('hex')).toBe(expected);
  });
});
