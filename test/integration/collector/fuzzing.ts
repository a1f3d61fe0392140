import { FrameReader, FrameStreamsError } from '../../../src/collector/frame-streams.ts';
import { defaultTallyOptions, Tally } from '../../../src/collector/tally.ts';
import { responseFrame } from '../../unit/collector/dnstap-oracle.ts';
import { generator } from './killing.ts';

export type FuzzCounts = {
  frames: number;
  undecodable: number;
  counted: number;
  streams: number;
  streamErrors: number;
};

const now = Date.UTC(2026, 5, 3, 12);

/**
 * Feeds mutated and truncated frames, each surrounded by bytes that must not be read as part of it.
 * @throws whatever the collector throws, and Error when a frame is lost from the totals
 */
export function fuzzFrames(count: number, seed: number, samples: readonly Buffer[] = ownSamples()): FuzzCounts {
  const random = generator(seed);
  const pick = (n: number): number => Math.floor(random() * n);
  const seqs = { last: 0 };
  const options = { ...defaultTallyOptions, pairs: 2 ** 12, sourceEntries: 2 ** 12, seed };
  const tally = new Tally(options, now, () => (seqs.last += 1));
  tally.register([{ hostedVmId: 'shop', names: ['shop.example', '*.shop.example', '*.vm.example'], ttlSeconds: 30 }]);
  // One arena with a guard on both sides: a scanner that reads outside the frame meets well-formed fields there.
  const arena = Buffer.alloc(8_192);
  for (let i = 0; i < count; i += 1) {
    const sample = samples[pick(samples.length)]!;
    const start = 64 + pick(64);
    arena.fill(0x08, 0, start);
    sample.copy(arena, start);
    let end = start + sample.length;
    arena.fill(0x08, end, end + 64);
    const kind = pick(5);
    if (kind === 0) end = start + pick(sample.length + 1);
    else if (kind < 4) for (let n = 1 + pick(4); n > 0; n -= 1) arena[start + pick(sample.length)] = pick(256);
    else arena[start + pick(sample.length)]! ^= 1 << pick(8);
    tally.frame(arena, start, end);
    const { scanner } = tally;
    if (scanner.responseMessageEnd > end || scanner.queryAddressEnd > end)
      throw new Error(`frame ${i} of seed ${seed} was read outside`);
    if (i % 50_000 === 0) tally.advance(now);
  }
  const totals = Object.values(tally.totals).reduce((sum, n) => sum + n, 0);
  if (totals !== count) throw new Error(`${count} frames went in, ${totals} are accounted for`);
  const { undecodable } = tally.totals;
  return { frames: count, undecodable, counted: count - undecodable, ...fuzzStreams(Math.ceil(count / 200), random) };
}

/** Random control frames and lengths: every stream ends in order or in an error that has a name. */
function fuzzStreams(count: number, random: () => number): { streams: number; streamErrors: number } {
  let streamErrors = 0;
  for (let i = 0; i < count; i += 1) {
    const reader = new FrameReader({ data: () => undefined, control: () => undefined });
    const bytes = Buffer.alloc(64 + Math.floor(random() * 200));
    for (let at = 0; at < bytes.length; at += 1)
      bytes[at] = random() < 0.7 ? 0 : Math.floor(random() * (random() < 0.5 ? 8 : 256));
    try {
      for (let at = 0; at < bytes.length;) {
        const next = at + 1 + Math.floor(random() * 40);
        reader.push(bytes.subarray(at, next));
        at = next;
      }
    } catch (error) {
      if (!(error instanceof FrameStreamsError)) throw error;
      streamErrors += 1;
    }
  }
  return { streams: count, streamErrors };
}

function ownSamples(): Buffer[] {
  const base = { name: 'shop.example', atMs: now + 500 };
  return [
    responseFrame(base),
    responseFrame({ ...base, type: 'AAAA', from: [32, 1, 13, 184, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1] }),
    responseFrame({ ...base, name: 'a.b.c.shop.example', subnet: { ip: '198.51.100.0', bits: 24 }, answers: 3 }),
    responseFrame({ ...base, rcode: 3, tcp: true, name: `${'x'.repeat(63)}.${'y'.repeat(63)}.example` }),
    responseFrame({ ...base, messageType: 1 }),
  ];
}
