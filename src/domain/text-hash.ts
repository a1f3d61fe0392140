/**
 * A number from 0 to 2^32 - 1 for a text, the same on every machine and after every restart: FNV-1a. Texts that differ
 * in their last character only (vm-1, vm-2) leave its high bits alike, so that murmur3's finaliser stirs them.
 */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A number in [0, 1) for a text, always the same: spreads what a fleet would else do in one moment. */
export function fractionOf(text: string): number {
  return hashOf(text) / 2 ** 32;
}
