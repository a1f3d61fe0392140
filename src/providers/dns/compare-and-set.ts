import type { DnsServerView, FormerAnswers } from '../../ports/name-server.ts';
import type { UpdateReply } from './client.ts';
import { failure, refusal } from './failures.ts';
import type { Attempt } from './failures.ts';
import { judgeClaims } from './ownership.ts';
import type { ClaimChange, ClaimFound, ClaimWanted } from './ownership.ts';
import type { ResourceRecord } from './record.ts';
import { TransportError } from './transport.ts';
import { claimedOnce, claimIs } from './update-records.ts';

/** A lost race or a lost answer is looked at and tried again this often; then something is wrong with the server. */
const maxTries = 4;

export const prerequisiteFailed: ReadonlySet<string> = new Set(['NXRRSET', 'YXRRSET', 'YXDOMAIN', 'NXDOMAIN']);

/** The server that takes updates. */
export type ZoneAccess = {
  readonly send: (
    zone: string,
    prerequisites: readonly ResourceRecord[],
    updates: readonly ResourceRecord[],
  ) => Promise<UpdateReply>;
  readonly claimsOf: (names: readonly string[]) => Promise<ClaimFound[]>;
  readonly viewOf: (name: string) => Promise<DnsServerView>;
  readonly now: () => number;
};

export type Composed = {
  readonly prerequisites: readonly ResourceRecord[];
  readonly updates: readonly ResourceRecord[];
  /** What stands at the names that are taken over. */
  readonly former: readonly FormerAnswers[];
};

export type ZoneChange<Refused> = {
  readonly claim: ClaimChange;
  readonly zone: string;
  readonly names: readonly string[];
  /** What is sent for these claims beside their own prerequisites, or why nothing may be. */
  readonly compose: (wanted: readonly ClaimWanted[]) => Promise<Composed | { readonly refused: Refused }>;
  /** Whether the zone holds what the change would have written, beside the generation. */
  readonly isOurs: (found: DnsServerView) => boolean;
};

export type Tried<Refused> =
  | { readonly kind: 'applied'; readonly at: number; readonly former: readonly FormerAnswers[] }
  | { readonly kind: 'already-applied' }
  | { readonly kind: 'superseded' | 'behind' | 'not-owned'; readonly found: DnsServerView }
  | { readonly kind: 'refused'; readonly refused: Refused };

/**
 * Sends until the zone shows that the change is in force, or that it must not be.
 * @throws ProviderError, TransportError
 */
export async function compareAndSet<Refused>(
  { send, claimsOf, viewOf, now }: ZoneAccess,
  { claim, zone, names, compose, isOurs }: ZoneChange<Refused>,
  attempt: Attempt,
): Promise<Tried<Refused>> {
  const places = claimedOnce(names);
  const { owner, installation, from } = claim;
  let wanted: readonly ClaimWanted[] = places.map(() =>
    from === undefined ? 'nothing' : { owner, installation, generation: from },
  );
  let last = '';

  for (let tries = 0; tries < maxTries; tries += 1) {
    // Whether the name is still ours is not asked before: the prerequisite is the question.
    const composed = await compose(wanted);
    if ('refused' in composed) {
      // Somebody's claim says more than his answers.
      const held = judgeClaims(await claimsOf(places), claim, false);
      return held.kind === 'not-owned' || held.kind === 'superseded'
        ? { kind: held.kind, found: withClaim(await viewOf(names[0]!), held.by) }
        : { kind: 'refused', refused: composed.refused };
    }
    try {
      const claims = places.map((name, i) => claimIs(name, wanted[i] ?? 'nothing'));
      const reply = await send(zone, [...claims, ...composed.prerequisites], composed.updates);
      if (reply.rcode === 'NOERROR') return { kind: 'applied', at: now(), former: composed.former };
      if (!prerequisiteFailed.has(reply.rcode)) throw refusal(attempt, reply);
      last = reply.rcode;
    } catch (error) {
      if (!(error instanceof TransportError) || (error.fault !== 'timeout' && error.fault !== 'closed')) throw error;
      last = error.message;
    }
    // Somebody was faster, or we were and did not hear of it: the claims tell.
    const [claims, found] = await Promise.all([claimsOf(places), viewOf(names[0]!)]);
    const judged = judgeClaims(claims, claim, isOurs(found));
    switch (judged.kind) {
      case 'applied':
        return { kind: 'already-applied' };
      case 'superseded':
      case 'behind':
      case 'not-owned':
        return { kind: judged.kind, found: withClaim(found, judged.by) };
      case 'try':
        if (last === 'YXDOMAIN' || last === 'YXRRSET') throw failure(attempt, 'invalid', notAHost);
        wanted = judged.wanted;
    }
  }
  throw failure(attempt, 'transient', `nothing changed after ${maxTries} tries; the last one: ${last}`);
}

function withClaim(found: DnsServerView, claim: ClaimFound): DnsServerView {
  return { ...found, ...(typeof claim === 'object' ? claim : {}) };
}

const notAHost =
  'a name exists with other records than addresses (perhaps a CNAME); Umbra takes over names with A or AAAA, or unused ones';
