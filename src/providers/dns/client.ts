import { decodeMessage, encodeMessage, opcode, queryMessage, rcodeName, updateMessage } from './message.ts';
import { canonicalName, MalformedMessage } from './name.ts';
import { signMessage, TsigError, verifyMessage } from './tsig.ts';
import { exchange, messageId } from './transport.ts';
import type { ReceivedMessage } from './message.ts';
import type { ResourceRecord } from './record.ts';
import type { TsigKey } from './tsig.ts';
import type { ExchangeOptions, ServerAddress } from './transport.ts';

/** A message, or undefined when the bytes are not one: whoever sent them, they are not our answer. */
export function decodedOrNothing(bytes: Buffer): ReceivedMessage | undefined {
  try {
    return decodeMessage(bytes);
  } catch (error) {
    if (error instanceof MalformedMessage) return undefined;
    throw error;
  }
}

/**
 * Asks one server for one record type, over TCP when the answer does not fit.
 * @throws TransportError
 */
export async function ask(
  server: ServerAddress,
  name: string,
  type: number,
  options: ExchangeOptions,
): Promise<ReceivedMessage> {
  const id = messageId();
  const request = encodeMessage(queryMessage(id, name, type));
  const reply = await exchange(
    server,
    request,
    (bytes) => {
      const message = decodedOrNothing(bytes);
      if (message === undefined || !message.response || message.id !== id || message.opcode !== opcode.QUERY) return;
      const [question] = message.questions;
      // A server that cannot parse a question leaves it out; everything else must echo it.
      const echoed = question?.type === type && canonicalName(question.name) === canonicalName(name);
      return echoed || (question === undefined && message.rcode !== 0) ? message : undefined;
    },
    options,
  );
  return reply.truncated && options.tcp !== true ? ask(server, name, type, { ...options, tcp: true }) : reply;
}

export type UpdateReply = {
  /** `NOERROR`, `NXRRSET`... */
  readonly rcode: string;
  readonly signed: boolean;
  /** By how much the server's clock is ahead of ours; whole seconds. */
  readonly skewSeconds?: number;
};

/** What a server may say without a signature because it could not check ours. Anything better must be signed. */
const believedUnsigned = new Set(['FORMERR', 'SERVFAIL', 'NOTIMP', 'REFUSED', 'NOTAUTH', 'NOTZONE']);

/**
 * Sends one signed UPDATE and verifies the signature of the answer. Datagrams may be repeated, so without prerequisites
 * that fail the second time the update must be repeatable.
 * @throws TransportError; TsigError when the server refuses our signature or its answer cannot be trusted
 */
export async function update(
  server: ServerAddress,
  message: {
    readonly zone: string;
    readonly prerequisites: readonly ResourceRecord[];
    readonly updates: readonly ResourceRecord[];
  },
  key: TsigKey,
  options: ExchangeOptions & { readonly nowSeconds: number },
): Promise<UpdateReply> {
  const id = messageId();
  const unsigned = encodeMessage(updateMessage(id, message.zone, message.prerequisites, message.updates));
  const { bytes: request, mac } = signMessage(unsigned, key, options.nowSeconds);
  return exchange(
    server,
    request,
    (bytes): UpdateReply | undefined => {
      const reply = decodedOrNothing(bytes);
      if (reply === undefined || !reply.response || reply.id !== id || reply.opcode !== opcode.UPDATE) return undefined;
      const rcode = rcodeName(reply.rcode);
      try {
        const { timeSigned } = verifyMessage(bytes, reply, key, options.nowSeconds, mac);
        return { rcode, signed: true, skewSeconds: timeSigned - options.nowSeconds };
      } catch (error) {
        if (error instanceof MalformedMessage) return undefined;
        if (!(error instanceof TsigError)) throw error;
        if (error.reported || error.fault === 'BADTIME') throw error;
        // Not signed by our key: believe bad news only, keep waiting for the real answer otherwise.
        return error.fault === 'UNSIGNED' && believedUnsigned.has(rcode) ? { rcode, signed: false } : undefined;
      }
    },
    options,
  );
}
