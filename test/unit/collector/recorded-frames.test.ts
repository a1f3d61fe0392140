import { describe, expect, test } from '@jest/globals';

import { DnstapScanner } from '../../../src/collector/dnstap.ts';
import { defaultTallyOptions, Tally } from '../../../src/collector/tally.ts';
import { decodeByOracle, decodeDns } from './dnstap-oracle.ts';
import { framesOf, recordings, recordingsAreThere } from './recordings.ts';

const described = recordingsAreThere ? describe : describe.skip;

const slice = (bytes: Buffer, start: number, end: number): string | undefined =>
  end === 0 ? undefined : bytes.toString('hex', start, end);
const hex = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString('hex');

described('the recorded frames of BIND and Knot', () => {
  test.each(Object.entries(recordings))('every field of %s is read as the oracle reads it', (_, file) => {
    const scanner = new DnstapScanner();
    const frames = framesOf(file);
    expect(frames).toHaveLength(20_000);
    for (const frame of frames) {
      expect(scanner.scan(frame, 0, frame.length)).toBe(true);
      const oracle = decodeByOracle(frame);
      const { message } = oracle;
      const ours = {
        type: scanner.type,
        messageType: scanner.messageType,
        family: scanner.socketFamily,
        protocol: scanner.socketProtocol,
        queryPort: scanner.queryPort,
        responsePort: scanner.responsePort,
        querySeconds: scanner.querySeconds,
        queryNanoseconds: scanner.queryNanoseconds,
        responseSeconds: scanner.responseSeconds,
        responseNanoseconds: scanner.responseNanoseconds,
        identity: slice(frame, scanner.identityStart, scanner.identityEnd),
        version: slice(frame, scanner.versionStart, scanner.versionEnd),
        queryAddress: slice(frame, scanner.queryAddressStart, scanner.queryAddressEnd),
        responseAddress: slice(frame, scanner.responseAddressStart, scanner.responseAddressEnd),
        queryMessage: slice(frame, scanner.queryMessageStart, scanner.queryMessageEnd),
        responseMessage: slice(frame, scanner.responseMessageStart, scanner.responseMessageEnd),
        zone: slice(frame, scanner.queryZoneStart, scanner.queryZoneEnd),
      };
      const theirs: typeof ours = {
        type: oracle.type,
        messageType: message.type,
        family: message.socket_family ?? 0,
        protocol: message.socket_protocol ?? 0,
        queryPort: message.query_port ?? 0,
        responsePort: message.response_port ?? 0,
        querySeconds: message.query_time_sec ?? 0,
        queryNanoseconds: message.query_time_nsec ?? 0,
        responseSeconds: message.response_time_sec ?? 0,
        responseNanoseconds: message.response_time_nsec ?? 0,
        identity: hex(oracle.identity),
        version: hex(oracle.version),
        queryAddress: hex(message.query_address),
        responseAddress: hex(message.response_address),
        queryMessage: hex(message.query_message),
        responseMessage: hex(message.response_message),
        zone: hex(message.query_zone),
      };
      // One comparison of texts a frame: 40,000 deep comparisons would take minutes.
      if (JSON.stringify(ours) !== JSON.stringify(theirs)) expect(ours).toEqual(theirs);
    }
  });

  test.each(Object.entries(recordings))('demand by name in %s equals the count by dns-packet', (_, file) => {
    const frames = framesOf(file);
    const truth = new Map<string, { answers: number; types: Record<string, number>; bytes: number }>();
    const rcodes: Record<string, number> = {};
    for (const frame of frames) {
      const { message } = decodeByOracle(frame);
      if (message.type !== 2 && message.type !== 6) continue;
      const dns = decodeDns(message.response_message!);
      const name = dns.questions![0]!.name.toLowerCase();
      const rcode = (dns as unknown as { rcode: string }).rcode;
      if (/^vm-\d{5}\.vm\.example$/.test(name)) rcodes[rcode] = (rcodes[rcode] ?? 0) + 1;
      if (rcode !== 'NOERROR' || dns.flag_tc || dns.answers!.length === 0) continue;
      const known = truth.get(name) ?? { answers: 0, types: {}, bytes: 0 };
      const type = dns.questions![0]!.type;
      known.answers += 1;
      known.types[type] = (known.types[type] ?? 0) + 1;
      known.bytes += message.response_message!.length;
      truth.set(name, known);
    }

    const first = decodeByOracle(frames[0]!).message;
    const now = (first.response_time_sec ?? first.query_time_sec)! * 1_000;
    const seqs = { last: 0 };
    const tally = new Tally({ ...defaultTallyOptions, seed: 7 }, now, () => (seqs.last += 1));
    const name = (i: number): string => `vm-${String(i).padStart(5, '0')}.vm.example`;
    tally.register(
      Array.from({ length: 5_000 }, (__, i) => ({ hostedVmId: name(i), names: [name(i)], ttlSeconds: 30 })),
    );
    for (const frame of frames) tally.frame(frame, 0, frame.length);
    const counted = new Map<string, { answers: number; types: Record<string, number>; bytes: number }>();
    const countedRcodes: Record<string, number> = {};
    let frameSum = 0;
    for (const bucket of tally.closeAll()) {
      frameSum += bucket.frames;
      for (const count of bucket.counts) {
        for (const [rcode, n] of Object.entries(count.rcodes)) countedRcodes[rcode] = (countedRcodes[rcode] ?? 0) + n;
        if (count.answers === 0) continue;
        const known = counted.get(count.hostedVmId) ?? { answers: 0, types: {}, bytes: 0 };
        known.answers += count.answers;
        known.bytes += count.responseBytes;
        for (const [type, n] of Object.entries(count.types)) known.types[type] = (known.types[type] ?? 0) + n;
        counted.set(count.hostedVmId, known);
      }
    }
    expect(frameSum).toBe(20_000);
    expect([...counted].sort()).toEqual([...truth].sort());
    expect(countedRcodes).toEqual(rcodes);
    const { answers, unanswered, unknownNames, otherKinds, late, undecodable } = tally.totals;
    expect(answers + unanswered + unknownNames + otherKinds).toBe(20_000);
    expect([late, undecodable]).toEqual([0, 0]);
    if (file === recordings.bindQueries) expect(answers).toBe(0);
    else expect(answers).toBeGreaterThan(15_000);
  });
});
