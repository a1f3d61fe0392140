import { encodeName, MalformedMessage, readName } from './name.ts';
import { encodeRecord, readRecord, recordType } from './record.ts';
import type { ResourceRecord } from './record.ts';

export const opcode = { QUERY: 0, UPDATE: 5 } as const;

const rcodeNames = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'YXDOMAIN',
  'YXRRSET',
  'NXRRSET',
  'NOTAUTH',
  'NOTZONE',
] as const;
export type RcodeName = (typeof rcodeNames)[number];

/** The name of a response code, or `RCODE12`. */
export function rcodeName(rcode: number): string {
  return rcodeNames[rcode] ?? `RCODE${rcode}`;
}

export function rcodeNumber(name: RcodeName): number {
  return rcodeNames.indexOf(name);
}

type Question = { readonly name: string; readonly type: number; readonly class: number };

/**
 * One DNS message. In an UPDATE the sections are called zone, prerequisites, updates and additionals
 * (RFC 2136 2); the bytes are the same.
 */
export type Message = {
  readonly id: number;
  readonly response: boolean;
  readonly opcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly rcode: number;
  readonly questions: readonly Question[];
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  readonly additionals: readonly ResourceRecord[];
};

/** A message as it was read; `tsigAt` is where its TSIG record begins: everything before it is signed. */
export type ReceivedMessage = Message & { readonly tsigAt?: number };

const headerBytes = 12;

function readSection(bytes: Buffer, start: number, count: number) {
  const records: ResourceRecord[] = [];
  let at = start;
  let lastAt = start;
  for (let i = 0; i < count; i += 1) {
    const { record, next } = readRecord(bytes, at);
    records.push(record);
    lastAt = at;
    at = next;
  }
  return { records, lastAt, next: at };
}

/** @throws MalformedMessage and nothing else, whatever the bytes are */
export function decodeMessage(bytes: Buffer): ReceivedMessage {
  if (bytes.length < headerBytes) throw new MalformedMessage('shorter than a header');
  const flags = bytes.readUInt16BE(2);
  let at = headerBytes;

  const questions = Array.from({ length: bytes.readUInt16BE(4) }, () => {
    const { name, next } = readName(bytes, at);
    if (next + 4 > bytes.length) throw new MalformedMessage('a question runs over the end');
    at = next + 4;
    return { name, type: bytes.readUInt16BE(next), class: bytes.readUInt16BE(next + 2) };
  });

  const answers = readSection(bytes, at, bytes.readUInt16BE(6));
  const authorities = readSection(bytes, answers.next, bytes.readUInt16BE(8));
  const additionals = readSection(bytes, authorities.next, bytes.readUInt16BE(10));
  if (additionals.next !== bytes.length) throw new MalformedMessage('bytes follow the last record');
  // RFC 8945 5.2: a signature is the last record of the message or the message is broken.
  const all = [...answers.records, ...authorities.records, ...additionals.records];
  const signed = additionals.records.at(-1)?.type === recordType.TSIG;
  const signatures = all.filter((record) => record.type === recordType.TSIG).length;
  if (signatures > (signed ? 1 : 0)) throw new MalformedMessage('a TSIG that is not the last record');

  return {
    id: bytes.readUInt16BE(0),
    response: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 0xf,
    authoritative: (flags & 0x0400) !== 0,
    truncated: (flags & 0x0200) !== 0,
    recursionDesired: (flags & 0x0100) !== 0,
    rcode: flags & 0xf,
    questions,
    answers: answers.records,
    authorities: authorities.records,
    additionals: additionals.records,
    ...(signed ? { tsigAt: additionals.lastAt } : {}),
  };
}

export function encodeMessage(message: Message): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(message.id, 0);
  header.writeUInt16BE(
    (message.response ? 0x8000 : 0) |
      (message.opcode << 11) |
      (message.authoritative ? 0x0400 : 0) |
      (message.truncated ? 0x0200 : 0) |
      (message.recursionDesired ? 0x0100 : 0) |
      message.rcode,
    2,
  );
  header.writeUInt16BE(message.questions.length, 4);
  header.writeUInt16BE(message.answers.length, 6);
  header.writeUInt16BE(message.authorities.length, 8);
  header.writeUInt16BE(message.additionals.length, 10);
  const questions = message.questions.map((question) => {
    const fixed = Buffer.alloc(4);
    fixed.writeUInt16BE(question.type, 0);
    fixed.writeUInt16BE(question.class, 2);
    return Buffer.concat([encodeName(question.name), fixed]);
  });
  const records = [...message.answers, ...message.authorities, ...message.additionals].map(encodeRecord);
  return Buffer.concat([header, ...questions, ...records]);
}

const blank: Message = {
  id: 0,
  response: false,
  opcode: opcode.QUERY,
  authoritative: false,
  truncated: false,
  recursionDesired: false,
  rcode: 0,
  questions: [],
  answers: [],
  authorities: [],
  additionals: [],
};

/** What a server without recursion is asked; EDNS allows answers up to 1,232 bytes over UDP. */
export function queryMessage(id: number, name: string, type: number): Message {
  const edns = { name: '', type: recordType.OPT, class: 1232, ttl: 0, data: Buffer.alloc(0) };
  return { ...blank, id, questions: [{ name, type, class: 1 }], additionals: [edns] };
}

export function updateMessage(
  id: number,
  zone: string,
  prerequisites: readonly ResourceRecord[],
  updates: readonly ResourceRecord[],
): Message {
  const questions = [{ name: zone, type: recordType.SOA, class: 1 }];
  return { ...blank, id, opcode: opcode.UPDATE, questions, answers: prerequisites, authorities: updates };
}

/** The empty answer to a message: same id, opcode and question. */
export function replyTo(request: Message, rcode: RcodeName): Message {
  return {
    ...blank,
    id: request.id,
    response: true,
    opcode: request.opcode,
    recursionDesired: request.recursionDesired,
    rcode: rcodeNumber(rcode),
    questions: request.questions,
  };
}
