import { fuzzFrames } from '../integration/collector/fuzzing.ts';
import { killAndCount } from '../integration/collector/killing.ts';

/** Two million mutated frames and fifty seeds of kills. `npm run soak -- collector [frames] [seeds]`. */
export async function soak(args: readonly string[] = []): Promise<Record<string, number>> {
  const frames = Number(args[0] ?? 2_000_000);
  const seeds = Number(args[1] ?? 50);
  const fuzz = fuzzFrames(frames, 20_261_122);
  const kills = await killAndCount(Array.from({ length: seeds }, (_, i) => 1_000 + i));
  return { ...fuzz, ...kills, fuzzedFrames: fuzz.frames };
}
