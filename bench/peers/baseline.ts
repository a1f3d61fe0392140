import { createServer } from 'node:net';

import dnsPacket from 'dns-packet';
import protobuf from 'protobufjs';

import { control, dnstapContentType, encodeControl, FrameReader } from '../../src/collector/frame-streams.ts';

/** What one would write in an afternoon: protobufjs and dns-packet, answers counted by name in a Map. */
const schema = `
syntax = "proto2";
message Dnstap { optional bytes identity = 1; required int32 type = 15; optional Message message = 14; }
message Message {
  required int32 type = 1; optional int32 socket_family = 2; optional int32 socket_protocol = 3;
  optional bytes query_address = 4; optional bytes response_address = 5;
  optional uint32 query_port = 6; optional uint32 response_port = 7;
  optional uint64 query_time_sec = 8; optional fixed32 query_time_nsec = 9; optional bytes query_message = 10;
  optional bytes query_zone = 11;
  optional uint64 response_time_sec = 12; optional fixed32 response_time_nsec = 13; optional bytes response_message = 14;
}`;
const Dnstap = protobuf.parse(schema, { keepCase: true }).root.lookupType('Dnstap');
const counts = new Map<string, number>();

type Tap = { message: { type: number; response_message: Buffer } };

const server = createServer((socket) => {
  const reader = new FrameReader({
    data(bytes, start, end) {
      const { message } = Dnstap.decode(bytes.subarray(start, end)) as unknown as Tap;
      if (message.type !== 2 && message.type !== 6) return;
      const dns = dnsPacket.decode(message.response_message) as dnsPacket.DecodedPacket & { rcode: string };
      if (dns.rcode !== 'NOERROR' || dns.flag_tc || (dns.answers?.length ?? 0) === 0) return;
      const name = dns.questions![0]!.name.toLowerCase();
      counts.set(name, (counts.get(name) ?? 0) + 1);
    },
    control({ type }) {
      if (type === control.ready) socket.write(encodeControl(control.accept, [dnstapContentType]));
      if (type === control.stop) socket.end(encodeControl(control.finish));
    },
  });
  socket.on('data', (chunk: Buffer) => reader.push(chunk));
  socket.on('error', () => undefined);
});
server.listen(process.argv[2], () => process.stdout.write('ready\n'));
