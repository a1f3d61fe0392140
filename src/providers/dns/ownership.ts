import { canonicalName } from './name.ts';

/** Who publishes a name, and which of his changes is in force. */
export type Claim = { readonly owner: string; readonly generation: number };

/** What stands at `_umbra.<name>`: nothing, somebody's claim, or a text that is none of ours. */
export type ClaimFound = Claim | 'nothing' | 'unreadable';

/** Where the claim of a name is kept. A wildcard shares the place of the name it hangs under: `*.x` and `x` have one owner. */
export function claimName(name: string): string {
  return `_umbra.${canonicalName(name).replace(/^\*\./, '')}`;
}

/** Owners are ids of hosted VMs: no spaces, so that the text can be read by eye and by machine. */
export function claimText(claim: Claim): string {
  return `v=umbra1 owner=${claim.owner} generation=${claim.generation}`;
}

/** The claim in the texts found at a claim name. Several texts cannot be ours: our prerequisite compares the whole set. */
export function parseClaim(texts: readonly string[]): ClaimFound {
  if (texts.length === 0) return 'nothing';
  const [text] = texts;
  const match = /^v=umbra1 owner=(\S+) generation=(\d{1,15})$/.exec(text ?? '');
  if (texts.length > 1 || match === null) return 'unreadable';
  return { owner: match[1] ?? '', generation: Number(match[2]) };
}

/** What a claim must be for an update to pass: exactly this one, or none at all. */
export type ClaimWanted = Claim | 'nothing';

export type Judgement =
  | { readonly kind: 'applied' }
  | { readonly kind: 'superseded'; readonly by: Claim }
  | { readonly kind: 'not-owned'; readonly by: ClaimFound }
  /** Try again with these prerequisites, in the order of the names. */
  | { readonly kind: 'try'; readonly wanted: readonly ClaimWanted[] };

/**
 * Decides what the claims of all names, as just read, mean for our change. Pure.
 *
 * | found                              | change from 5 to 6   | adoption (from nothing to 6) |
 * |------------------------------------|----------------------|------------------------------|
 * | somebody else's, unreadable        | not-owned            | not-owned                    |
 * | nothing at all names               | not-owned            | try                          |
 * | ours, 6 at all names               | applied (or superseded when the answers differ)     ||
 * | ours, above 6, or some at 6        | superseded           | superseded                   |
 * | ours, 5                            | try                  | superseded: we have a life there already |
 * | ours, 4 (zone restored from backup)| try: nobody newer    | superseded                   |
 * | ours, 5, and nothing at new names  | try, adopting these  | superseded                   |
 */
export function judgeClaims(
  found: readonly ClaimFound[],
  change: { readonly owner: string; readonly from: number | undefined; readonly to: number },
  answersAreOurs: boolean,
): Judgement {
  const foreign = found.find(
    (claim) => claim === 'unreadable' || (claim !== 'nothing' && claim.owner !== change.owner),
  );
  if (foreign !== undefined) return { kind: 'not-owned', by: foreign };
  const ours = found.filter((claim) => typeof claim === 'object');
  const newest = ours.reduce<Claim | undefined>(
    (best, claim) => (best === undefined || claim.generation > best.generation ? claim : best),
    undefined,
  );
  if (newest === undefined) {
    if (change.from !== undefined) return { kind: 'not-owned', by: 'nothing' };
    return { kind: 'try', wanted: found.map(() => 'nothing') };
  }
  const everywhere = ours.length === found.length && ours.every((claim) => claim.generation === change.to);
  if (everywhere && answersAreOurs) return { kind: 'applied' };
  if (change.from === undefined || newest.generation > change.from) return { kind: 'superseded', by: newest };
  return { kind: 'try', wanted: found.map((claim) => (typeof claim === 'object' ? claim : 'nothing')) };
}
