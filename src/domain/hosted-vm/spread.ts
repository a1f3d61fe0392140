/** Part of a period by which evaluations of one fleet are spread, so that they do not all fire together. */
const spreadShare = 0.2;

/** A number in [0, 1) from a text, always the same: FNV-1a. */
export function fraction(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash / 2 ** 32;
}

/** A period made a little longer or shorter, by id and turn. */
export function jittered(periodMs: number, id: string, turn: number): number {
  return Math.round(periodMs * (1 - spreadShare / 2 + spreadShare * fraction(`${id}#${turn}`)));
}
