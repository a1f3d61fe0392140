import { decodedOrNothing } from './client.ts';
import { encodeMessage, opcode, queryMessage, rcodeName } from './message.ts';
import { MalformedMessage } from './name.ts';
import { recordType } from './record.ts';
import { exchange, messageId } from './transport.ts';
import { SignedStream, signMessage, TsigError } from './tsig.ts';
import type { ReceivedMessage } from './message.ts';
import type { ResourceRecord } from './record.ts';
import type { ServerAddress } from './transport.ts';
import type { TsigKey } from './tsig.ts';

/** The server understood and will not hand out the zone. */
export class TransferRefused extends Error {
  /** `REFUSED`, `NOTAUTH`... */
  readonly rcode: string;
  constructor(rcode: string) {
    super(`the server says ${rcode}`);
    this.name = 'TransferRefused';
    this.rcode = rcode;
  }
}

/** A zone of a million names has about 40 MiB on the wire; who has more names them. */
const mostZoneBytes = 64 * 1024 * 1024;

/**
 * Reads a whole zone over TCP (AXFR, RFC 5936), signed; every message is proven by the end (RFC 8945 5.3.1).
 * @returns its records; the SOA stands first, once
 * @throws TransferRefused; TransportError, `timeout` covers the whole transfer; TsigError when the answer cannot be trusted;
 * MalformedMessage
 */
export async function transferZone(
  server: ServerAddress,
  zone: string,
  key: TsigKey,
  options: { readonly timeoutMs: number; readonly nowSeconds: number; readonly signal?: AbortSignal },
): Promise<ResourceRecord[]> {
  const id = messageId();
  // A transfer is asked without EDNS: messages over TCP have room enough.
  const question = encodeMessage({ ...queryMessage(id, zone, recordType.AXFR), additionals: [] });
  const { bytes: request, mac } = signMessage(question, key, options.nowSeconds);
  const stream = new SignedStream(key, options.nowSeconds, mac);
  const records: ResourceRecord[] = [];
  let size = 0;
  return await exchange(
    server,
    request,
    (bytes) => {
      const message = decodedOrNothing(bytes);
      if (message === undefined) throw new MalformedMessage('a part of a zone transfer');
      if (!message.response || message.id !== id || message.opcode !== opcode.QUERY) return undefined;
      const proven = takeSigned(stream, bytes, message);
      if (message.rcode !== 0) throw new TransferRefused(rcodeName(message.rcode));
      size += bytes.length;
      if (size > mostZoneBytes)
        throw new RangeError(`the zone ${zone} is larger than ${mostZoneBytes / 1024 ** 2} MiB`);
      records.push(...message.answers);
      if (records[0]?.type !== recordType.SOA) throw new MalformedMessage('a zone that does not begin with its SOA');
      // The SOA once more says that all has been sent.
      if (records.length < 2 || records.at(-1)?.type !== recordType.SOA) return undefined;
      if (!proven)
        throw new TsigError('UNSIGNED', 'the last message of the zone has no signature', { reported: false });
      return records.slice(0, -1);
    },
    { ...options, tcp: true },
  );
}

/** A server that does not know our key cannot sign its no: bad news is believed without, anything else is not. */
function takeSigned(stream: SignedStream, bytes: Buffer, message: ReceivedMessage): boolean {
  try {
    return stream.take(bytes, message);
  } catch (error) {
    const refusal = error instanceof TsigError && error.fault === 'UNSIGNED' && message.rcode !== 0;
    if (refusal) throw new TransferRefused(rcodeName(message.rcode));
    throw error;
  }
}
