import { claimName, claimText } from './ownership.ts';
import { canonicalName } from './name.ts';
import { addressData, recordClass, recordType, textData } from './record.ts';
import type { Claim, ClaimWanted } from './ownership.ts';
import type { ResourceRecord } from './record.ts';

/*
 * The forms of RFC 2136 2.4 and 2.5, where class and empty data carry the meaning:
 *
 * | prerequisite                   | class | type | data  |      | change              | class | type | data  |
 * |--------------------------------|-------|------|-------|      |---------------------|-------|------|-------|
 * | RRset exists with these values | IN    | type | value |      | add to an RRset     | IN    | type | value |
 * | RRset does not exist           | NONE  | type | empty |      | delete an RRset     | ANY   | type | empty |
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
export function replaceAnswers(names: readonly string[], answers: Answers, claim: Claim): ResourceRecord[] {
  const ttl = answers.ttlSeconds;
  const add = (name: string, type: number, data: Buffer): ResourceRecord => ({
    name: canonicalName(name),
    type,
    class: recordClass.IN,
    ttl,
    data,
  });
  const addresses = names.flatMap((name) => [
    deleteRrset(canonicalName(name), recordType.A),
    deleteRrset(canonicalName(name), recordType.AAAA),
    ...answers.a.map((address) => add(name, recordType.A, addressData(recordType.A, address))),
    ...answers.aaaa.map((address) => add(name, recordType.AAAA, addressData(recordType.AAAA, address))),
  ]);
  const claims = claimedOnce(names).flatMap((name) => [
    deleteRrset(claimName(name), recordType.TXT),
    add(claimName(name), recordType.TXT, textData(claimText(claim))),
  ]);
  return [...addresses, ...claims];
}
