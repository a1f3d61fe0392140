/**
 * Reads the fields of one dnstap frame in place, without allocating: protobuf, hand-scanned.
 * Any order of fields, unknown fields and repeated sub-messages are fine; nothing is read outside the frame.
 * Schema: https://github.com/dnstap/dnstap.pb/blob/master/dnstap.proto
 */

/** Message types whose frames carry an answer to a client. */
export const authResponse = 2;
export const clientResponse = 6;

/** Socket protocol: 1 is UDP, 2 TCP, 3 DoT, 4 DoH, 5 DNSCrypt over UDP, 6 over TCP, 7 DoQ. */
export const tcp = 2;

/** The longest varint of 64 bits. */
const maxVarintBytes = 10;

// Where the last varint ended. A result of two numbers without an object: varints are most of a frame.
let cursor = 0;

/** Reads a varint; -1 when it runs over the end or the limit. Above 2^53 the value is not exact, which suits us. */
function varint(bytes: Buffer, at: number, end: number): number {
  let value = 0;
  let scale = 1;
  const limit = Math.min(end, at + maxVarintBytes);
  while (at < limit) {
    const byte = bytes[at]!;
    at += 1;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      cursor = at;
      return value;
    }
    scale *= 128;
  }
  return -1;
}

/** The fields of the frame scanned last. Offsets are into the buffer given; an end of 0 says the field is not there. */
export class DnstapScanner {
  /** Dnstap.Type: 1 is MESSAGE. */
  type = 0;
  messageType = 0;
  socketFamily = 0;
  socketProtocol = 0;
  queryPort = 0;
  responsePort = 0;
  querySeconds = 0;
  queryNanoseconds = 0;
  responseSeconds = 0;
  responseNanoseconds = 0;
  /** Where the times lie, so that a replay can move them; 0 when they are not there. */
  querySecondsAt = 0;
  queryNanosecondsAt = 0;
  responseSecondsAt = 0;
  responseNanosecondsAt = 0;
  identityStart = 0;
  identityEnd = 0;
  versionStart = 0;
  versionEnd = 0;
  queryAddressStart = 0;
  queryAddressEnd = 0;
  responseAddressStart = 0;
  responseAddressEnd = 0;
  queryMessageStart = 0;
  queryMessageEnd = 0;
  responseMessageStart = 0;
  responseMessageEnd = 0;
  queryZoneStart = 0;
  queryZoneEnd = 0;

  /** @returns false when `bytes[start..end)` is not a dnstap frame */
  scan(bytes: Buffer, start: number, end: number): boolean {
    this.type = 0;
    this.messageType = 0;
    this.socketFamily = 0;
    this.socketProtocol = 0;
    this.queryPort = 0;
    this.responsePort = 0;
    this.querySeconds = 0;
    this.queryNanoseconds = 0;
    this.responseSeconds = 0;
    this.responseNanoseconds = 0;
    this.querySecondsAt = 0;
    this.queryNanosecondsAt = 0;
    this.responseSecondsAt = 0;
    this.responseNanosecondsAt = 0;
    this.identityEnd = 0;
    this.versionEnd = 0;
    this.queryAddressEnd = 0;
    this.responseAddressEnd = 0;
    this.queryMessageEnd = 0;
    this.responseMessageEnd = 0;
    this.queryZoneEnd = 0;
    let at = start;
    while (at < end) {
      let tag = bytes[at]!;
      if (tag < 0x80) at += 1;
      else {
        tag = varint(bytes, at, end);
        if (tag < 0) return false;
        at = cursor;
      }
      const wire = tag & 7;
      if (wire === 2) {
        const length = varint(bytes, at, end);
        const from = cursor;
        if (length < 0 || length > end - from) return false;
        const to = from + length;
        if (tag === 0x72) {
          if (!this.#message(bytes, from, to)) return false;
        } else if (tag === 0x0a) {
          this.identityStart = from;
          this.identityEnd = to;
        } else if (tag === 0x12) {
          this.versionStart = from;
          this.versionEnd = to;
        }
        at = to;
      } else if (wire === 0) {
        const value = varint(bytes, at, end);
        if (value < 0) return false;
        at = cursor;
        if (tag === 0x78) this.type = value;
      } else {
        at = skipFixed(wire, at, end);
        if (at < 0) return false;
      }
    }
    return this.type === 1;
  }

  #message(bytes: Buffer, start: number, end: number): boolean {
    let at = start;
    while (at < end) {
      let tag = bytes[at]!;
      if (tag < 0x80) at += 1;
      else {
        tag = varint(bytes, at, end);
        if (tag < 0) return false;
        at = cursor;
      }
      switch (tag & 7) {
        case 0: {
          const from = at;
          const byte = at < end ? bytes[at]! : 0x80;
          let value = byte;
          if (byte < 0x80) at += 1;
          else {
            value = varint(bytes, at, end);
            if (value < 0) return false;
            at = cursor;
          }
          this.#number(tag, value, from);
          break;
        }
        case 2: {
          let length = at < end ? bytes[at]! : 0x80;
          if (length < 0x80) at += 1;
          else {
            length = varint(bytes, at, end);
            if (length < 0) return false;
            at = cursor;
          }
          if (length > end - at) return false;
          this.#bytes(tag, at, at + length);
          at += length;
          break;
        }
        case 5: {
          if (end - at < 4) return false;
          const value = (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
          if (tag === 0x4d) {
            this.queryNanoseconds = value;
            this.queryNanosecondsAt = at;
          } else if (tag === 0x6d) {
            this.responseNanoseconds = value;
            this.responseNanosecondsAt = at;
          }
          at += 4;
          break;
        }
        default:
          at = skipFixed(tag & 7, at, end);
          if (at < 0) return false;
      }
    }
    return true;
  }

  #number(tag: number, value: number, at: number): void {
    switch (tag) {
      case 0x08:
        this.messageType = value;
        break;
      case 0x10:
        this.socketFamily = value;
        break;
      case 0x18:
        this.socketProtocol = value;
        break;
      case 0x30:
        this.queryPort = value;
        break;
      case 0x38:
        this.responsePort = value;
        break;
      case 0x40:
        this.querySeconds = value;
        this.querySecondsAt = at;
        break;
      case 0x60:
        this.responseSeconds = value;
        this.responseSecondsAt = at;
        break;
    }
  }

  #bytes(tag: number, from: number, to: number): void {
    switch (tag) {
      case 0x22:
        this.queryAddressStart = from;
        this.queryAddressEnd = to;
        break;
      case 0x2a:
        this.responseAddressStart = from;
        this.responseAddressEnd = to;
        break;
      case 0x52:
        this.queryMessageStart = from;
        this.queryMessageEnd = to;
        break;
      case 0x5a:
        this.queryZoneStart = from;
        this.queryZoneEnd = to;
        break;
      case 0x72:
        this.responseMessageStart = from;
        this.responseMessageEnd = to;
        break;
    }
  }
}

/** Steps over a 64-bit or 32-bit field; -1 for groups, unknown wire types and the end of the frame. */
function skipFixed(wire: number, at: number, end: number): number {
  const width = wire === 1 ? 8 : wire === 5 ? 4 : -1;
  return width < 0 || end - at < width ? -1 : at + width;
}
