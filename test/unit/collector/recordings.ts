import { existsSync, readFileSync } from 'node:fs';

import { control, FrameReader } from '../../../src/collector/frame-streams.ts';

const folder = new URL('../../../../shared/data/dnstap/', import.meta.url);

export const recordings = {
  bindQueries: new URL('bind-tuned-20k.fstrm', folder),
  knotResponses: new URL('knot-resp-20k.fstrm', folder),
} as const;

/** Skips with a line where the recordings are not beside the checkout; in CI they must be. */
export const recordingsAreThere = existsSync(recordings.knotResponses);
if (!recordingsAreThere) {
  if (process.env['CI'] !== undefined) throw new Error(`no recordings at ${folder.pathname}`);
  process.stderr.write('skipped: the dnstap recordings of ../shared/data are not here\n');
}

/** All data frames of a recorded stream, copied. */
export function framesOf(file: URL): Buffer[] {
  const frames: Buffer[] = [];
  const controls: number[] = [];
  const reader = new FrameReader({
    data: (bytes, start, end) => void frames.push(Buffer.from(bytes.subarray(start, end))),
    control: ({ type }) => void controls.push(type),
  });
  reader.push(readFileSync(file));
  if (controls.join() !== [control.start, control.stop].join()) throw new Error(`controls ${controls.join()}`);
  return frames;
}
