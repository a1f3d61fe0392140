/** What somebody else's bytes may lead to, and nothing else: they are not a DNS message. */
export class MalformedMessage extends Error {
  constructor(what: string) {
    super(`not a DNS message: ${what}`);
    this.name = 'MalformedMessage';
  }
}

/** A name of our own side (configuration, inventory) that cannot be put on the wire. */
export class InvalidName extends Error {
  constructor(name: string, why: string) {
    super(`"${name}" is not a DNS name: ${why}`);
    this.name = 'InvalidName';
  }
}

const maxNameBytes = 255;
const maxLabelBytes = 63;
const dot = 0x2e;
const backslash = 0x5c;

/** RFC 1035 5.1: a dot inside a label is `\.`, a byte that cannot be printed is `\DDD`. */
function presentLabel(label: Buffer): string {
  let text = '';
  for (const byte of label) {
    if (byte === dot || byte === backslash) text += `\\${String.fromCharCode(byte)}`;
    else if (byte > 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\${String(byte).padStart(3, '0')}`;
  }
  return text;
}

/**
 * Reads a name, following compression pointers. Case is kept; there is no final dot; the root is the empty string.
 * @throws MalformedMessage also for pointers that do not point strictly backwards, so no message can make us loop
 */
export function readName(bytes: Buffer, start: number): { readonly name: string; readonly next: number } {
  const labels: string[] = [];
  let at = start;
  let next: number | undefined;
  let earliest = start;
  let length = 1;
  let jumps = 0;
  for (;;) {
    const size = bytes[at];
    if (size === undefined) throw new MalformedMessage('a name runs over the end');
    if (size === 0) return { name: labels.join('.'), next: next ?? at + 1 };
    if (size >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined) throw new MalformedMessage('a pointer runs over the end');
      const target = ((size & 0x3f) << 8) | low;
      if (target >= earliest) throw new MalformedMessage('a pointer does not point backwards');
      // 127 labels fit into a name: more jumps than that only serve to keep us busy.
      jumps += 1;
      if (jumps > 127) throw new MalformedMessage('a name has too many pointers');
      next ??= at + 2;
      earliest = target;
      at = target;
      continue;
    }
    if (size > maxLabelBytes) throw new MalformedMessage('an unknown kind of label');
    length += size + 1;
    if (length > maxNameBytes) throw new MalformedMessage('a name is longer than 255 bytes');
    const end = at + 1 + size;
    if (end > bytes.length) throw new MalformedMessage('a label runs over the end');
    labels.push(presentLabel(bytes.subarray(at + 1, end)));
    at = end;
  }
}

/** The bytes of the labels of a name in presentation form. */
function labelsOf(name: string): number[][] {
  if (name === '' || name === '.') return [];
  const labels: number[][] = [[]];
  for (let i = 0; i < name.length; i += 1) {
    const char = name.charAt(i);
    if (char === '.') {
      if (i < name.length - 1) labels.push([]);
    } else if (char === '\\') {
      const escaped = /^\d{3}/.exec(name.slice(i + 1))?.[0];
      const code = escaped === undefined ? name.charCodeAt(i + 1) : Number(escaped);
      if (!(code <= 255)) throw new InvalidName(name, 'it has a broken escape');
      labels.at(-1)?.push(code);
      i += escaped === undefined ? 1 : 3;
    } else {
      const code = name.charCodeAt(i);
      if (code > 0x7e || code < 0x21) throw new InvalidName(name, 'it has a character outside printable ASCII');
      labels.at(-1)?.push(code);
    }
  }
  return labels;
}

/** The uncompressed wire form. @throws InvalidName */
export function encodeName(name: string): Buffer {
  const bytes: number[] = [];
  for (const label of labelsOf(name)) {
    if (label.length === 0) throw new InvalidName(name, 'it has an empty label');
    if (label.length > maxLabelBytes) throw new InvalidName(name, 'a label is longer than 63 bytes');
    bytes.push(label.length, ...label);
  }
  bytes.push(0);
  if (bytes.length > maxNameBytes) throw new InvalidName(name, 'it is longer than 255 bytes');
  return Buffer.from(bytes);
}

/** Names are compared without regard to case and to the final dot. */
export function canonicalName(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith('.') && !lower.endsWith('\\.') ? lower.slice(0, -1) : lower;
}

/** Whether `name` is `zone` or below it; both canonical. */
export function isUnder(name: string, zone: string): boolean {
  if (zone === '' || name === zone) return true;
  // A dot behind a backslash belongs to the label.
  return name.endsWith(`.${zone}`) && name.at(-zone.length - 2) !== '\\';
}
