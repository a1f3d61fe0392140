import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, isIPv6 } from 'node:net';
import type { Server, Socket } from 'node:net';
import { startDnstapSender } from './dnstap-sender.ts';
import { decodeMessage, encodeMessage, opcode, rcodeNumber, replyTo } from './message.ts';
import { canonicalName, MalformedMessage } from './name.ts';
import { recordClass, recordType } from './record.ts';
import { masterFile, parseMasterFile, zoneRecords } from './start-records.ts';
import { signMessage, tsigAlgorithms, TsigError, tsigOf, verifyMessage } from './tsig.ts';
import { createZone } from './zone.ts';
import type { DnstapTarget } from './dnstap-sender.ts';
import type { Message, RcodeName, ReceivedMessage } from './message.ts';
import type { ResourceRecord } from './record.ts';
import type { StartRecord } from './start-records.ts';
import type { TsigAlgorithm, TsigFault, TsigKey } from './tsig.ts';
import type { Zone } from './zone.ts';

export type EmbeddedOptions = {
  readonly host: string;
  /** 0: the operating system chooses. */
  readonly port: number;
  readonly zone: string;
  readonly key: TsigKey;
  readonly records: readonly StartRecord[];
  readonly dnstap?: DnstapTarget;
  readonly identity?: string;
  /** Keeps the zone over restarts: read at the start if it is there, written before a change is acknowledged. */
  readonly file?: string;
  readonly now?: () => number;
};

export type EmbeddedNameServer = {
  readonly host: string;
  readonly port: number;
  readonly counts: () => {
    queries: number;
    updates: number;
    malformed: number;
    dnstapSent: number;
    dnstapDropped: number;
  };
  close(): Promise<void>;
};

/** A peer that connects over TCP and sends nothing is let go after this time. */
const idleMs = 10_000;
const maxConnections = 200;
const smallestUdpBytes = 512;
const largestUdpBytes = 1_232;

/**
 * An authoritative name server for demonstrations and tests, not for the internet: one zone in memory, UDP and TCP,
 * signed dynamic updates, dnstap. No transfers, no DNSSEC, no rate limit.
 */
export async function startEmbeddedNameServer(options: EmbeddedOptions): Promise<EmbeddedNameServer> {
  const now = options.now ?? Date.now;
  const zone = createZone(options.zone, storedRecords(options.file) ?? zoneRecords(options.zone, options.records));
  const store = (): void => {
    if (options.file !== undefined) writeWhole(options.file, masterFile(zone.records()));
  };
  const dnstap = options.dnstap && startDnstapSender(options.dnstap, options.identity ?? 'embedded');
  const counts = { queries: 0, updates: 0, malformed: 0 };
  const connections = new Set<Socket>();
  const closed: { yes: boolean } = { yes: false };
  const { udp, tcp, port } = await bindBoth(options.host, options.port);

  function answer(bytes: Buffer, client: { address: string; port: number }, overTcp: boolean): Buffer | undefined {
    let request: ReceivedMessage;
    try {
      request = decodeMessage(bytes);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      counts.malformed += 1;
      return formatError(bytes);
    }
    if (request.response) return undefined;
    if (request.opcode === opcode.UPDATE) {
      counts.updates += 1;
      return answerUpdate(zone, options.key, bytes, request, now(), store);
    }
    if (request.opcode !== opcode.QUERY) return encodeMessage(replyTo(request, 'NOTIMP'));
    counts.queries += 1;
    const response = answerQuery(zone, request, overTcp);
    const server = { address: options.host, port };
    dnstap?.send({ client, server, tcp: overTcp, atMs: now(), response });
    return response;
  }

  udp.on('message', (bytes: Buffer, from: RemoteInfo) => {
    const response = answer(bytes, from, false);
    // A client that is gone already is its own affair.
    if (response !== undefined) udp.send(response, from.port, from.address, () => undefined);
  });
  udp.on('error', () => undefined);
  tcp.maxConnections = maxConnections;
  tcp.on('connection', (socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(idleMs, () => socket.destroy());
    const client = { address: socket.remoteAddress ?? options.host, port: socket.remotePort ?? 0 };
    serveTcp(socket, (bytes) => answer(bytes, client, true));
  });

  return {
    host: options.host,
    port,
    counts: () => {
      const { sent = 0, dropped = 0 } = dnstap?.counts() ?? {};
      return { ...counts, dnstapSent: sent, dnstapDropped: dropped };
    },
    async close() {
      if (closed.yes) return;
      closed.yes = true;
      connections.forEach((socket) => socket.destroy());
      await Promise.all([
        new Promise<void>((resolve) => udp.close(() => resolve())),
        new Promise<void>((resolve) => tcp.close(() => resolve())),
        dnstap?.close(),
      ]);
    },
  };
}

function storedRecords(file: string | undefined): ResourceRecord[] | undefined {
  return file === undefined || !existsSync(file) ? undefined : parseMasterFile(readFileSync(file, 'utf8'));
}

/** Half a zone is never found: the new file takes the old one's place when it is complete. */
function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

/** Reads messages with their length in front, one after the other. */
function serveTcp(socket: Socket, answer: (bytes: Buffer) => Buffer | undefined): void {
  let received = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0);
      const response = answer(received.subarray(2, end));
      received = received.subarray(end);
      if (response === undefined) return socket.destroy();
      const length = Buffer.alloc(2);
      length.writeUInt16BE(response.length);
      socket.write(Buffer.concat([length, response]));
    }
    return undefined;
  });
}

/** UDP and TCP on one port. With port 0 the number TCP was given may be taken for UDP: then another is tried. */
async function bindBoth(host: string, wanted: number): Promise<{ udp: UdpSocket; tcp: Server; port: number }> {
  for (let tries = 1; ; tries += 1) {
    const tcp = createServer();
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject);
      tcp.listen(wanted, host, resolve);
    });
    const address = tcp.address();
    const port = typeof address === 'object' && address !== null ? address.port : wanted;
    const udp = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    try {
      await new Promise<void>((resolve, reject) => {
        udp.once('error', reject);
        udp.bind(port, host, resolve);
      });
      return { udp, tcp, port };
    } catch (error) {
      await new Promise<void>((resolve) => tcp.close(() => resolve()));
      if (wanted !== 0 || tries === 10) throw error;
    }
  }
}

/** The bytes had a header at least: say that the rest made no sense. An answer to an answer would never end. */
function formatError(bytes: Buffer): Buffer | undefined {
  if (bytes.length < 12 || (bytes[2] ?? 0x80) >= 0x80) return undefined;
  const header = Buffer.alloc(12);
  bytes.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8000 | rcodeNumber('FORMERR'), 2);
  return header;
}

function answerQuery(zone: Zone, request: ReceivedMessage, overTcp: boolean): Buffer {
  const [question] = request.questions;
  if (question === undefined || request.questions.length > 1) return encodeMessage(replyTo(request, 'FORMERR'));
  if (question.class !== recordClass.IN || question.type === recordType.AXFR) {
    return encodeMessage(replyTo(request, 'REFUSED'));
  }
  const found = zone.lookup(question.name, question.type);
  const edns = request.additionals.find((record) => record.type === recordType.OPT);
  const additionals = edns === undefined ? [] : [{ ...edns, class: largestUdpBytes, ttl: 0, data: Buffer.alloc(0) }];
  const reply: Message = {
    ...replyTo(request, found.rcode),
    authoritative: found.rcode !== 'REFUSED',
    answers: found.answers,
    authorities: found.authorities,
    additionals,
  };
  const bytes = encodeMessage(reply);
  const room = overTcp ? 0xffff : Math.min(Math.max(edns?.class ?? 0, smallestUdpBytes), largestUdpBytes);
  return bytes.length <= room ? bytes : encodeMessage({ ...reply, truncated: true, answers: [], authorities: [] });
}

/** RFC 2136 3.1-3.4 behind RFC 8945 5: no change without a valid signature, and every answer to a signed message is signed. */
function answerUpdate(
  zone: Zone,
  key: TsigKey,
  bytes: Buffer,
  request: ReceivedMessage,
  nowMs: number,
  store: () => void,
): Buffer {
  const nowSeconds = Math.floor(nowMs / 1_000);
  let signature;
  try {
    signature = verifyMessage(bytes, request, key, nowSeconds);
  } catch (error) {
    if (error instanceof MalformedMessage) return encodeMessage(replyTo(request, 'FORMERR'));
    if (!(error instanceof TsigError)) throw error;
    return answerUnverified(key, request, error.fault, nowSeconds);
  }
  const [question] = request.questions;
  const reply = (rcode: RcodeName): Buffer =>
    signMessage(encodeMessage(replyTo(request, rcode)), key, nowSeconds, { requestMac: signature.mac }).bytes;
  if (question?.type !== recordType.SOA || request.questions.length !== 1) return reply('FORMERR');
  if (canonicalName(question.name) !== zone.origin) return reply('NOTAUTH');
  const rcode = zone.update(request.answers, request.authorities);
  if (rcode === 'NOERROR') store();
  return reply(rcode);
}

function answerUnverified(key: TsigKey, request: ReceivedMessage, fault: TsigFault, nowSeconds: number): Buffer {
  const tsig = fault === 'UNSIGNED' ? undefined : tsigOf(request);
  if (tsig === undefined) return encodeMessage(replyTo(request, 'REFUSED'));
  const known = tsigAlgorithms.find((algorithm) => algorithm === tsig.algorithm);
  const algorithm: TsigAlgorithm = known ?? key.algorithm;
  // Their key's name with our secret: BADKEY and BADSIG carry no MAC, and BADTIME was signed with our key.
  const theirs = { ...key, name: tsig.keyName, algorithm };
  const problem = { requestMac: tsig.mac, problem: fault, requestTime: tsig.timeSigned };
  return signMessage(encodeMessage(replyTo(request, 'NOTAUTH')), theirs, nowSeconds, problem).bytes;
}
