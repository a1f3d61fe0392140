import type { DnsClaim } from '../../ports/name-server.ts';
import { canonicalName } from './name.ts';

/** What stands at `_umbra.<name>`: nothing, somebody's claim, or a text that is none of ours. */
export type ClaimFound = DnsClaim | 'nothing' | 'unreadable';

/** Where the claim of a name is kept. A wildcard shares the place of the name it hangs under: `*.x` and `x` have one owner. */
export function claimName(name: string): string {
  return `_umbra.${canonicalName(name).replace(/^\*\./, '')}`;
}

/**
 * Who publishes a name and which of his changes is in force, to be read by eye and by machine:
 * `v=umbra1 owner=shop inst=3f9c2a71b0de generation=6 intent=fence:shop/0`.
 */
export function claimText({ owner, installation, generation, intent, offline }: DnsClaim): string {
  const parts = ['v=umbra1', `owner=${owner}`, `inst=${installation}`, `generation=${generation}`];
  if (intent !== undefined) parts.push(`intent=fence:${intent.fence}`);
  if (offline !== undefined) {
    parts.push('by=offline', `base=${offline.base}`, `op=${offline.operation}`, `mac=${offline.mac}`);
  }
  return parts.join(' ');
}

const form = new RegExp(
  '^v=umbra1 owner=(\\S+) inst=(\\S+) generation=(\\d{1,15})' +
    '(?: intent=fence:(\\S+))?(?: by=offline base=(\\d{1,15}) op=(\\S+) mac=([0-9a-f]{1,64}))?$',
);

/** The claim in the texts found at a claim name. Several texts cannot be ours: our prerequisite compares the whole set. */
export function parseClaim(texts: readonly string[]): ClaimFound {
  if (texts.length === 0) return 'nothing';
  const match = form.exec(texts[0] ?? '');
  if (texts.length > 1 || match === null) return 'unreadable';
  const [, owner = '', installation = '', generation, fence, base, operation = '', mac = ''] = match;
  return {
    owner,
    installation,
    generation: Number(generation),
    ...(fence === undefined ? {} : { intent: { fence } }),
    ...(base === undefined ? {} : { offline: { base: Number(base), operation, mac } }),
  };
}

/** What a claim must be for an update to pass: exactly this one, or none at all. */
export type ClaimWanted = DnsClaim | 'nothing';

export type Judgement =
  | { readonly kind: 'applied' }
  | { readonly kind: 'superseded'; readonly by: DnsClaim }
  /** Where only the very generation will do: the zone holds an older one, as after a restore. */
  | { readonly kind: 'behind'; readonly by: DnsClaim }
  | { readonly kind: 'not-owned'; readonly by: ClaimFound }
  /** Try again with these prerequisites, in the order of the names. */
  | { readonly kind: 'try'; readonly wanted: readonly ClaimWanted[] };

export type ClaimChange = {
  readonly owner: string;
  readonly installation: string;
  readonly from: number | undefined;
  readonly to: number;
  /** True: the zone must hold `from` itself, not an older generation of ours. */
  readonly exact?: boolean;
};

/**
 * Decides what the claims of all names, as just read, mean for our change. Pure.
 *
 * | found                              | change from 5 to 6   | adoption (from nothing to 6) |
 * |------------------------------------|----------------------|------------------------------|
 * | somebody else's, unreadable        | not-owned            | not-owned                    |
 * | of another installation            | not-owned            | not-owned                    |
 * | nothing at all names               | not-owned            | try                          |
 * | ours, 6 at all names               | applied (or superseded when something else was written) ||
 * | ours, above 6, or some at 6        | superseded           | superseded                   |
 * | ours, 5                            | try                  | superseded: we have a life there already |
 * | ours, 4 (zone restored from backup)| try: nobody newer; behind where exact | superseded  |
 * | ours, 5, and nothing at new names  | try, adopting these  | superseded                   |
 *
 * @param isOurs what the zone holds besides the generation is what the change would have written
 */
export function judgeClaims(found: readonly ClaimFound[], change: ClaimChange, isOurs: boolean): Judgement {
  const foreign = found.find(
    (claim) =>
      claim === 'unreadable' ||
      (claim !== 'nothing' && (claim.owner !== change.owner || claim.installation !== change.installation)),
  );
  if (foreign !== undefined) return { kind: 'not-owned', by: foreign };
  const ours = found.filter((claim) => typeof claim === 'object');
  const newest = ours.reduce<DnsClaim | undefined>(
    (best, claim) => (best === undefined || claim.generation > best.generation ? claim : best),
    undefined,
  );
  if (newest === undefined) {
    if (change.from !== undefined) return { kind: 'not-owned', by: 'nothing' };
    return { kind: 'try', wanted: found.map(() => 'nothing') };
  }
  const everywhere = ours.length === found.length && ours.every((claim) => claim.generation === change.to);
  if (everywhere && isOurs) return { kind: 'applied' };
  if (change.from === undefined || newest.generation > change.from) return { kind: 'superseded', by: newest };
  const exact = change.exact === true && !ours.every((claim) => claim.generation === change.from);
  if (exact || (change.exact === true && ours.length < found.length)) return { kind: 'behind', by: newest };
  return { kind: 'try', wanted: found.map((claim) => (typeof claim === 'object' ? claim : 'nothing')) };
}
