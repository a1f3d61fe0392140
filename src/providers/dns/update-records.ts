import { claimName, claimText } from './ownership.ts';
import { canonicalName } from './name.ts';
import { addressData, recordClass, recordType, textData } from './record.ts';
import type { DnsClaim, FormerAnswers } from '../../ports/name-server.ts';
import type { ClaimWanted } from './ownership.ts';
import type { ResourceRecord } from './record.ts';

/*
 * The forms of RFC 2136 2.4 and 2.5, where class and empty data carry the meaning:
 *
 * | prerequisite                   | class | type | data  |      | change              | class | type | data  |
 * |--------------------------------|-------|------|-------|      |---------------------|-------|------|-------|
 * | RRset exists with these values | IN    | type | value |      | add to an RRset     | IN    | type | value |
 * | RRset exists, whatever it holds| ANY   | type | empty |      | delete an RRset     | ANY   | type | empty |
 * | RRset does not exist           | NONE  | type | empty |      |                     |       |      |       |
 * | name is not in use             | NONE  | ANY  | empty |      | delete one record   | NONE  | type | value |
 */

const empty = Buffer.alloc(0);

export function noRrset(name: string, type: number): ResourceRecord {
  return { name, type, class: recordClass.NONE, ttl: 0, data: empty };
}

export function nameNotInUse(name: string): ResourceRecord {
  return { name, type: recordType.ANY, class: recordClass.NONE, ttl: 0, data: empty };
}

export function deleteRrset(name: string, type: number): ResourceRecord {
  return { name, type, class: recordClass.ANY, ttl: 0, data: empty };
}

/** The claim at a name is exactly this one: the compare in compare-and-set. */
export function claimIs(name: string, wanted: ClaimWanted): ResourceRecord {
  if (wanted === 'nothing') return noRrset(claimName(name), recordType.TXT);
  return {
    name: claimName(name),
    type: recordType.TXT,
    class: recordClass.IN,
    ttl: 0,
    data: textData(claimText(wanted)),
  };
}

/** Names whose claims are kept at different places: `x` and `*.x` share one. */
export function claimedOnce(names: readonly string[]): string[] {
  const seen = new Set<string>();
  return names.filter((name) => !seen.has(claimName(name)) && seen.add(claimName(name)));
}

export type Answers = { readonly a: readonly string[]; readonly aaaa: readonly string[]; readonly ttlSeconds: number };

/** Replaces the addresses of all names and the claims beside them. One message, so nobody sees half of it. */
export function replaceAnswers(names: readonly string[], answers: Answers, claim: DnsClaim): ResourceRecord[] {
  const ttl = answers.ttlSeconds;
  return [...names.flatMap((name) => replaceAddresses(name, answers)), ...replaceClaims(names, claim, ttl)];
}

/** Nothing at all leaves the name without addresses. */
export function replaceAddresses(name: string, { a, aaaa, ttlSeconds }: Answers): ResourceRecord[] {
  return [
    deleteRrset(canonicalName(name), recordType.A),
    deleteRrset(canonicalName(name), recordType.AAAA),
    ...a.map((address) => added(name, recordType.A, ttlSeconds, addressData(recordType.A, address))),
    ...aaaa.map((address) => added(name, recordType.AAAA, ttlSeconds, addressData(recordType.AAAA, address))),
  ];
}

export function replaceClaims(names: readonly string[], claim: DnsClaim, ttl: number): ResourceRecord[] {
  return claimedOnce(names).flatMap((name) => [
    deleteRrset(claimName(name), recordType.TXT),
    added(claimName(name), recordType.TXT, ttl, textData(claimText(claim))),
  ]);
}

function added(name: string, type: number, ttl: number, data: Buffer): ResourceRecord {
  return { name: canonicalName(name), type, class: recordClass.IN, ttl, data };
}

/**
 * A name that is taken over has addresses of the kinds that were read, or is not in use: other records alone mean that it
 * is no host, and a CNAME would swallow our addresses silently (RFC 2136 3.4.2.2). Not compared by value: some servers
 * keep records that are not ours in another form than they are asked for.
 */
export function isAsRead({ name, a, aaaa }: FormerAnswers): ResourceRecord[] {
  const at = canonicalName(name);
  if (a.length + aaaa.length === 0) return [nameNotInUse(at)];
  const has = (type: number, addresses: readonly string[]): ResourceRecord =>
    addresses.length === 0 ? noRrset(at, type) : deleteRrset(at, type);
  return [noRrset(at, recordType.CNAME), has(recordType.A, a), has(recordType.AAAA, aaaa)];
}
