import dnsPacket from 'dns-packet';
import protobuf from 'protobufjs';

/** The published schema, read by protobufjs: the independent reader of the same bytes. */
const schema = `
syntax = "proto2";
package dnstap;
message Dnstap {
  enum Type { MESSAGE = 1; }
  optional bytes identity = 1;
  optional bytes version = 2;
  optional bytes extra = 3;
  required Type type = 15;
  optional Message message = 14;
}
message Message {
  required int32 type = 1;
  optional int32 socket_family = 2;
  optional int32 socket_protocol = 3;
  optional bytes query_address = 4;
  optional bytes response_address = 5;
  optional uint32 query_port = 6;
  optional uint32 response_port = 7;
  optional uint64 query_time_sec = 8;
  optional fixed32 query_time_nsec = 9;
  optional bytes query_message = 10;
  optional bytes query_zone = 11;
  optional uint64 response_time_sec = 12;
  optional fixed32 response_time_nsec = 13;
  optional bytes response_message = 14;
}`;

const Dnstap = protobuf.parse(schema, { keepCase: true }).root.lookupType('dnstap.Dnstap');

export type OracleMessage = {
  type: number;
  socket_family?: number;
  socket_protocol?: number;
  query_address?: Uint8Array;
  response_address?: Uint8Array;
  query_port?: number;
  response_port?: number;
  query_time_sec?: number;
  query_time_nsec?: number;
  query_message?: Uint8Array;
  query_zone?: Uint8Array;
  response_time_sec?: number;
  response_time_nsec?: number;
  response_message?: Uint8Array;
};

export type OracleFrame = { type: number; identity?: Uint8Array; version?: Uint8Array; message: OracleMessage };

export function decodeByOracle(bytes: Uint8Array): OracleFrame {
  return Dnstap.toObject(Dnstap.decode(bytes), { longs: Number, enums: Number }) as OracleFrame;
}

export function encodeByOracle(frame: OracleFrame): Buffer {
  return Buffer.from(Dnstap.encode(Dnstap.fromObject(frame)).finish());
}

export function decodeDns(bytes: Uint8Array): dnsPacket.DecodedPacket {
  return dnsPacket.decode(Buffer.from(bytes));
}

export type ResponseOptions = {
  name: string;
  atMs: number;
  /** IPv4 or IPv6 in bytes. */
  from?: readonly number[];
  type?: 'A' | 'AAAA' | 'HTTPS' | 'TXT';
  rcode?: number;
  truncated?: boolean;
  answers?: number;
  tcp?: boolean;
  messageType?: number;
  subnet?: { ip: string; bits: number };
};

const typeNumber = { A: 1, AAAA: 28, HTTPS: 65, TXT: 16 } as const;

/** The frame a name server sends for one response. */
export function responseFrame(options: ResponseOptions): Buffer {
  const { name, type = 'A', rcode = 0, answers = 1, from = [192, 0, 2, 1] } = options;
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const question = Buffer.concat([...labels, Buffer.from([0, 0, typeNumber[type], 0, 1])]);
  const header = Buffer.from([0, 1, 0x84 | (options.truncated === true ? 2 : 0), rcode, 0, 1, 0, answers, 0, 0, 0, 0]);
  const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 0, 0, 1]);
  const parts = [header, question, ...Array.from({ length: answers }, () => answer)];
  if (options.subnet !== undefined) {
    header[11] = 1;
    const address = Buffer.from(options.subnet.ip.split('.').map(Number)).subarray(
      0,
      Math.ceil(options.subnet.bits / 8),
    );
    const option = Buffer.concat([Buffer.from([0, 8, 0, 4 + address.length, 0, 1, options.subnet.bits, 0]), address]);
    parts.push(Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, option.length]), option);
  }
  return encodeByOracle({
    type: 1,
    message: {
      type: options.messageType ?? 2,
      socket_family: from.length === 4 ? 1 : 2,
      socket_protocol: options.tcp === true ? 2 : 1,
      query_address: Uint8Array.from(from),
      response_time_sec: Math.floor(options.atMs / 1_000),
      response_time_nsec: (options.atMs % 1_000) * 1_000_000,
      response_message: Buffer.concat(parts),
    },
  });
}
