import { fractionOf } from '../text-hash.ts';

/** Part of a period by which evaluations of one fleet are spread, so that they do not all fire together. */
const spreadShare = 0.2;

/** A period made a little longer or shorter, by id and turn. */
export function jittered(periodMs: number, id: string, turn: number): number {
  return Math.round(periodMs * (1 - spreadShare / 2 + spreadShare * fractionOf(`${id}#${turn}`)));
}
