import { ask } from './client.ts';
import { rcodeName } from './message.ts';
import { canonicalName, MalformedMessage } from './name.ts';
import { claimName, parseClaim } from './ownership.ts';
import { addressOf, recordType, textOf } from './record.ts';
import { presentServer, TransportError } from './transport.ts';
import type { ClaimFound } from './ownership.ts';
import type { ReceivedMessage } from './message.ts';
import type { ResourceRecord } from './record.ts';
import type { ExchangeOptions, ServerAddress } from './transport.ts';
import type { DnsServerView, FormerAnswers } from '../../ports/name-server.ts';

/** A server answered, but not with what an authoritative server of the zone would say. */
export class UnusableAnswer extends Error {
  /** The server is not set up for this zone: asking again will not help. */
  readonly lasting: boolean;
  constructor(server: ServerAddress, name: string, why: string, lasting: boolean) {
    super(`${presentServer(server)}: asked for ${name}: ${why}`);
    this.name = 'UnusableAnswer';
    this.lasting = lasting;
  }
}

function recordsOf(server: ServerAddress, name: string, type: number, reply: ReceivedMessage): ResourceRecord[] {
  const rcode = rcodeName(reply.rcode);
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') {
    throw new UnusableAnswer(server, name, rcode, rcode !== 'SERVFAIL');
  }
  if (!reply.authoritative) {
    throw new UnusableAnswer(server, name, 'the server has no authority for the zone', true);
  }
  const wanted = canonicalName(name);
  return reply.answers.filter((record) => record.type === type && canonicalName(record.name) === wanted);
}

/** The records of one type at a name on one server. @throws TransportError, UnusableAnswer */
async function recordsAt(
  server: ServerAddress,
  name: string,
  type: number,
  options: ExchangeOptions,
): Promise<ResourceRecord[]> {
  return recordsOf(server, name, type, await ask(server, name, type, options));
}

/** The claim of a name on one server. @throws TransportError, UnusableAnswer */
export async function claimAt(server: ServerAddress, name: string, options: ExchangeOptions): Promise<ClaimFound> {
  const records = await recordsAt(server, claimName(name), recordType.TXT, options);
  return parseClaim(records.map(textOf));
}

/** The HTTPS records of a name. @throws TransportError, UnusableAnswer */
export function httpsAt(server: ServerAddress, name: string, options: ExchangeOptions): Promise<ResourceRecord[]> {
  return recordsAt(server, name, recordType.HTTPS, options);
}

/** What a name answers now. @throws as above */
export async function answersAt(server: ServerAddress, name: string, options: ExchangeOptions): Promise<FormerAnswers> {
  const [a, aaaa] = await Promise.all([
    recordsAt(server, name, recordType.A, options),
    recordsAt(server, name, recordType.AAAA, options),
  ]);
  const ttlSeconds = Math.min(...[...a, ...aaaa].map(({ ttl }) => ttl), maxTtlSeconds);
  return { name: canonicalName(name), a: a.map(addressOf).sort(), aaaa: aaaa.map(addressOf).sort(), ttlSeconds };
}

/** Where nothing stood there is no TTL to remember either. */
const maxTtlSeconds = 3_600;

/** What one server answers for a name. A dead or lame server is a view with an error, not a rejection. */
export async function viewOf(server: ServerAddress, name: string, options: ExchangeOptions): Promise<DnsServerView> {
  try {
    const [answers, claim] = await Promise.all([answersAt(server, name, options), claimAt(server, name, options)]);
    const { a, aaaa } = answers;
    return { server: presentServer(server), a, aaaa, ...(typeof claim === 'object' ? claim : {}) };
  } catch (error) {
    const known =
      error instanceof TransportError || error instanceof UnusableAnswer || error instanceof MalformedMessage;
    if (!known || (error instanceof TransportError && error.fault === 'aborted')) throw error;
    return { server: presentServer(server), a: [], aaaa: [], error: error.message };
  }
}
