import { createHmac, timingSafeEqual } from 'node:crypto';
import { canonicalName, encodeName, MalformedMessage, readName } from './name.ts';
import { encodeRecord, recordClass, recordType } from './record.ts';
import type { ReceivedMessage } from './message.ts';

export const tsigAlgorithms = ['hmac-sha256', 'hmac-sha384', 'hmac-sha512'] as const;
export type TsigAlgorithm = (typeof tsigAlgorithms)[number];

/** A shared key. `secret` is base64, as in a `tsig-keygen` file; it is never part of an error. */
export type TsigKey = { readonly name: string; readonly algorithm: TsigAlgorithm; readonly secret: string };

/** RFC 8945 3: what goes wrong with a signature. `UNSIGNED`: there was none where one must be. */
export type TsigFault = 'UNSIGNED' | 'BADSIG' | 'BADKEY' | 'BADTIME';

export class TsigError extends Error {
  readonly fault: TsigFault;
  /** The other side says so; otherwise we found it, and the message may be anybody's. */
  readonly reported: boolean;
  /** BADTIME: how many seconds the other clock is ahead of ours. */
  readonly skewSeconds?: number;
  constructor(fault: TsigFault, message: string, more: { reported: boolean; skewSeconds?: number }) {
    super(`${fault}: ${message}`);
    this.name = 'TsigError';
    this.fault = fault;
    this.reported = more.reported;
    if (more.skewSeconds !== undefined) this.skewSeconds = more.skewSeconds;
  }
}

const tsigErrorNumber = { BADSIG: 16, BADKEY: 17, BADTIME: 18 } as const;

/** RFC 8945 10 recommends 300 s. */
const fudgeSeconds = 300;

type Tsig = {
  readonly keyName: string;
  readonly algorithm: string;
  readonly timeSigned: number;
  readonly fudge: number;
  readonly mac: Buffer;
  readonly originalId: number;
  readonly error: number;
  readonly other: Buffer;
};

/** The TSIG of a message, if it has one. @throws MalformedMessage */
export function tsigOf(message: ReceivedMessage): Tsig | undefined {
  const record = message.tsigAt === undefined ? undefined : message.additionals.at(-1);
  if (record === undefined) return undefined;
  const { name: algorithm, next: at } = readName(record.data, 0);
  const need = (end: number): number => {
    if (end > record.data.length) throw new MalformedMessage('a TSIG is cut short');
    return end;
  };
  const macAt = need(at + 10);
  const idAt = macAt + record.data.readUInt16BE(at + 8);
  const otherAt = need(idAt + 6);
  const end = otherAt + record.data.readUInt16BE(idAt + 4);
  if (need(end) !== record.data.length) throw new MalformedMessage('bytes follow the TSIG');
  return {
    keyName: canonicalName(record.name),
    algorithm: canonicalName(algorithm),
    timeSigned: record.data.readUIntBE(at, 6),
    fudge: record.data.readUInt16BE(at + 6),
    mac: record.data.subarray(macAt, idAt),
    originalId: record.data.readUInt16BE(idAt),
    error: record.data.readUInt16BE(idAt + 2),
    other: record.data.subarray(otherAt, end),
  };
}

function uint(value: number, bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  out.writeUIntBE(value, 0, bytes);
  return out;
}

function hmacOf(key: TsigKey): ReturnType<typeof createHmac> {
  return createHmac(key.algorithm.slice('hmac-'.length), Buffer.from(key.secret, 'base64'));
}

/** RFC 8945 4.3: what the MAC covers. */
function macOver(
  key: TsigKey,
  unsigned: Buffer,
  tsig: Pick<Tsig, 'timeSigned' | 'fudge' | 'error' | 'other'>,
  requestMac: Buffer | undefined,
): Buffer {
  const hmac = hmacOf(key);
  if (requestMac !== undefined) hmac.update(uint(requestMac.length, 2)).update(requestMac);
  hmac.update(unsigned).update(encodeName(canonicalName(key.name)));
  hmac.update(uint(recordClass.ANY, 2)).update(uint(0, 4)).update(encodeName(key.algorithm));
  hmac.update(uint(tsig.timeSigned, 6)).update(uint(tsig.fudge, 2)).update(uint(tsig.error, 2));
  return hmac.update(uint(tsig.other.length, 2)).update(tsig.other).digest();
}

export type Signed = { readonly bytes: Buffer; readonly mac: Buffer };

/**
 * Appends a TSIG to a finished message.
 * @param requestMac when this is an answer: the MAC of the request
 * @param problem when this is an answer that refuses: BADTIME is signed and carries our time; the others have no MAC
 */
export function signMessage(
  unsigned: Buffer,
  key: TsigKey,
  nowSeconds: number,
  answer?: { readonly requestMac: Buffer; readonly problem?: TsigFault; readonly requestTime?: number },
): Signed {
  const problem = answer?.problem;
  const error = problem === undefined || problem === 'UNSIGNED' ? 0 : tsigErrorNumber[problem];
  const other = problem === 'BADTIME' ? uint(nowSeconds, 6) : Buffer.alloc(0);
  // RFC 8945 5.2.3: a BADTIME answer repeats the time of the request, or the client would refuse it as well.
  const timeSigned = problem === 'BADTIME' ? (answer?.requestTime ?? nowSeconds) : nowSeconds;
  const shape = { timeSigned, fudge: fudgeSeconds, error, other };
  const unsignedProblem = problem === 'BADKEY' || problem === 'BADSIG';
  const mac = unsignedProblem ? Buffer.alloc(0) : macOver(key, unsigned, shape, answer?.requestMac);
  const data = Buffer.concat([
    encodeName(key.algorithm),
    uint(timeSigned, 6),
    uint(fudgeSeconds, 2),
    uint(mac.length, 2),
    mac,
    unsigned.subarray(0, 2),
    uint(error, 2),
    uint(other.length, 2),
    other,
  ]);
  const record = encodeRecord({ name: key.name, type: recordType.TSIG, class: recordClass.ANY, ttl: 0, data });
  const bytes = Buffer.concat([unsigned, record]);
  bytes.writeUInt16BE(bytes.readUInt16BE(10) + 1, 10);
  return { bytes, mac };
}

/**
 * Checks the signature of a message that was read from `bytes`.
 * @returns its MAC and time
 * @throws TsigError naming the fault, ours or the one the other side reports
 */
export function verifyMessage(
  bytes: Buffer,
  message: ReceivedMessage,
  key: TsigKey,
  nowSeconds: number,
  requestMac?: Buffer,
): Verified {
  const tsig = tsigByOurKey(message, key);
  return judged(tsig, key, nowSeconds, macOver(key, unsignedBytes(bytes, message, tsig), tsig, requestMac));
}

type Verified = { readonly mac: Buffer; readonly timeSigned: number };

/** RFC 8945 5.3.1: as many messages of an answer may follow each other without a signature. */
const mostUnsigned = 99;

/**
 * The signatures of an answer in several messages (RFC 8945 5.3.1). The first is bound to the request; each later one to the
 * signature before it, to all unsigned messages since, and of its own record to the time only.
 */
export class SignedStream {
  readonly #key: TsigKey;
  readonly #nowSeconds: number;
  #mac: Buffer;
  #since: Buffer[] = [];
  #first = true;

  constructor(key: TsigKey, nowSeconds: number, requestMac: Buffer) {
    this.#key = key;
    this.#nowSeconds = nowSeconds;
    this.#mac = requestMac;
  }

  /**
   * Takes the next message.
   * @returns whether it is proven by now; an unsigned one is proven by the next signature only
   * @throws TsigError as verifyMessage; UNSIGNED for the first message, and after too many
   */
  take(bytes: Buffer, message: ReceivedMessage): boolean {
    if (this.#first) {
      this.#mac = verifyMessage(bytes, message, this.#key, this.#nowSeconds, this.#mac).mac;
      this.#first = false;
      return true;
    }
    if (message.tsigAt === undefined) {
      this.#since.push(Buffer.from(bytes));
      if (this.#since.length <= mostUnsigned) return false;
      throw new TsigError('UNSIGNED', `more than ${mostUnsigned} messages without a signature`, { reported: false });
    }
    const tsig = tsigByOurKey(message, this.#key);
    const hmac = hmacOf(this.#key).update(uint(this.#mac.length, 2)).update(this.#mac);
    for (const unsigned of this.#since) hmac.update(unsigned);
    hmac
      .update(unsignedBytes(bytes, message, tsig))
      .update(uint(tsig.timeSigned, 6))
      .update(uint(tsig.fudge, 2));
    this.#mac = judged(tsig, this.#key, this.#nowSeconds, hmac.digest()).mac;
    this.#since = [];
    return true;
  }
}

/** The TSIG of a message, which must be by our key. @throws TsigError also when it says that the other side refuses ours */
function tsigByOurKey(message: ReceivedMessage, key: TsigKey): Tsig {
  const ours = { reported: false };
  const theirs = { reported: true };
  const tsig = tsigOf(message);
  if (tsig === undefined) throw new TsigError('UNSIGNED', 'the message has no signature', ours);
  if (tsig.keyName !== canonicalName(key.name) || tsig.algorithm !== key.algorithm) {
    const text = `signed with ${tsig.keyName} ${tsig.algorithm}, expected ${key.name} ${key.algorithm}`;
    throw new TsigError('BADKEY', text, ours);
  }
  if (tsig.mac.length === 0 && tsig.error === tsigErrorNumber.BADKEY) {
    throw new TsigError('BADKEY', `the server does not know the key ${key.name} with ${key.algorithm}`, theirs);
  }
  if (tsig.mac.length === 0 && tsig.error === tsigErrorNumber.BADSIG) {
    throw new TsigError('BADSIG', `the server has another secret for the key ${key.name}`, theirs);
  }
  return tsig;
}

/** What was signed: the message before its TSIG was appended. */
function unsignedBytes(bytes: Buffer, message: ReceivedMessage, tsig: Tsig): Buffer {
  const unsigned = Buffer.from(bytes.subarray(0, message.tsigAt));
  unsigned.writeUInt16BE(tsig.originalId, 0);
  unsigned.writeUInt16BE(message.additionals.length - 1, 10);
  return unsigned;
}

function judged(tsig: Tsig, key: TsigKey, nowSeconds: number, expected: Buffer): Verified {
  if (tsig.mac.length !== expected.length || !timingSafeEqual(tsig.mac, expected)) {
    throw new TsigError('BADSIG', `the signature with the key ${key.name} does not match`, { reported: false });
  }

  if (tsig.error === tsigErrorNumber.BADTIME && tsig.other.length === 6) {
    const skewSeconds = tsig.other.readUIntBE(0, 6) - nowSeconds;
    const text = `the server's clock is ${skewSeconds} s from ours; let both follow NTP`;
    throw new TsigError('BADTIME', text, { reported: true, skewSeconds });
  }
  const skewSeconds = tsig.timeSigned - nowSeconds;
  if (Math.abs(skewSeconds) > tsig.fudge) {
    const text = `signed ${skewSeconds} s from our time, ${tsig.fudge} s are allowed; let both follow NTP`;
    throw new TsigError('BADTIME', text, { reported: false, skewSeconds });
  }
  return { mac: Buffer.from(tsig.mac), timeSigned: tsig.timeSigned };
}
