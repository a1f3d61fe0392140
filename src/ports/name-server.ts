import type { EpochMs } from '../domain/time.ts';

/** What Umbra publishes for one hosted VM: the same addresses at each of its names, in one UPDATE. */
export type DnsRecordSet = {
  readonly zone: string;
  /** Absolute, lower case, no final dot; a first label `*` is a wildcard. */
  readonly names: readonly string[];
  readonly ttlSeconds: number;
  /** Never empty as a whole: at least one of `a` and `aaaa` has an entry. */
  readonly a: readonly string[];
  readonly aaaa: readonly string[];
};

/** Who publishes a name, and which of his changes is in force: the TXT at `_umbra.<name>`. */
export type DnsClaim = {
  /** Id of the hosted VM. */
  readonly owner: string;
  /** Of which Umbra: made once per store, and kept in its backup. */
  readonly installation: string;
  readonly generation: number;
  /** The answers stand, and this instance is about to be fenced: nobody may start or name it meanwhile. */
  readonly intent?: { readonly fence: string };
  /** Written by an operator while Umbra itself was away, from the plan of generation `base`. */
  readonly offline?: { readonly base: number; readonly operation: string; readonly mac: string };
};

/** What one authoritative server answers now. */
export type DnsServerView = Partial<DnsClaim> & {
  readonly server: string;
  readonly a: readonly string[];
  readonly aaaa: readonly string[];
  readonly error?: string;
};

export type DnsObservation = { readonly at: EpochMs; readonly servers: readonly DnsServerView[] };

/** What stood at a name before it was taken over; both empty when there was nothing. */
export type FormerAnswers = {
  readonly name: string;
  readonly a: readonly string[];
  readonly aaaa: readonly string[];
  readonly ttlSeconds: number;
};

export type DnsOutcome =
  | {
      readonly kind: 'applied';
      readonly generation: number;
      readonly appliedAtMs: EpochMs;
      readonly readBack: DnsObservation;
      /** Of the names that this change has taken over; absent when it has taken none. */
      readonly former?: readonly FormerAnswers[];
    }
  /** Our own earlier try had succeeded: the TXT holds our generation and the answers are ours. */
  | { readonly kind: 'already-applied'; readonly generation: number; readonly readBack: DnsObservation }
  | DnsRefusal;

export type DnsRefusal =
  /** Somebody wrote a newer generation. Nothing was changed. */
  | { readonly kind: 'superseded'; readonly found: DnsServerView }
  /** The name belongs to somebody else, or to another installation, or it exists without our TXT and adoption was not asked for. */
  | { readonly kind: 'not-owned'; readonly found: DnsServerView }
  /** A name without a claim leads elsewhere than to the addresses that were known. Nothing was changed. */
  | { readonly kind: 'answers-differ'; readonly name: string; readonly found: DnsServerView };

export type DnsIntentOutcome =
  | { readonly kind: 'claimed'; readonly generation: number }
  /** The zone holds an older generation of ours: it was restored, and what it says is not what we know. */
  | { readonly kind: 'behind'; readonly found: DnsServerView }
  | Extract<DnsRefusal, { readonly kind: 'superseded' | 'not-owned' }>;

/** Which answers a name that carries no claim may have when it is taken over. */
export type TakingOver =
  /** Exactly these addresses, in whatever order, or nothing at all. */
  | { readonly only: readonly string[] }
  /** Whatever is there; it is handed back as `former`. */
  | 'anything';

/** Authoritative servers of a zone: one takes updates, all are read back. */
export interface NameServer {
  /** Of the Umbra that asks: claims of another one are not ours, whoever's name they hold. */
  readonly installation: string;
  /** Asks every server of the zone for the first name's A, AAAA and the ownership TXT. Never throws for one dead server: it is in the view. */
  observe(zone: string, names: readonly string[], signal?: AbortSignal): Promise<DnsObservation>;
  /**
   * Replaces A and AAAA of all names and the TXT in one message, only if the TXT still holds `owner` and `from`
   * (compare-and-set). `from: undefined` adopts. Names without a claim are taken over as `takingOver` allows.
   * A time-out is decided by reading the TXT. Read back from every server before it returns.
   * @throws ProviderError auth (TSIG), transient (server away), permanent (zone refused)
   */
  ensureAnswers(
    change: {
      readonly owner: string;
      readonly from: number | undefined;
      readonly to: number;
      readonly records: DnsRecordSet;
      /** Only what is about to be published, unless told. */
      readonly takingOver?: TakingOver;
    },
    signal?: AbortSignal,
  ): Promise<DnsOutcome>;
  /**
   * Says in the TXT that an instance is about to be fenced; the answers stay. Only if the zone holds exactly `from`.
   * @throws as `ensureAnswers`
   */
  ensureIntent(
    change: {
      readonly owner: string;
      readonly from: number;
      readonly to: number;
      readonly zone: string;
      readonly names: readonly string[];
      readonly ttlSeconds: number;
      readonly fence: string;
    },
    signal?: AbortSignal,
  ): Promise<DnsIntentOutcome>;
  /**
   * Removes our TXT: the way out of Umbra. The answers stay as they are, but for those that are given back.
   * @param giveBack what names are to answer afterwards; nothing at all removes their A and AAAA
   */
  release(
    owner: string,
    zone: string,
    names: readonly string[],
    giveBack?: readonly FormerAnswers[],
    signal?: AbortSignal,
  ): Promise<void>;
  /** A signed UPDATE that changes nothing: proves key, rights and clock. */
  checkRights(zone: string, signal?: AbortSignal): Promise<{ readonly ok: boolean; readonly detail: string }>;
}

/** One name of a zone as the server has it. */
export type ZoneName = {
  /** Absolute, lower case, no final dot. */
  readonly name: string;
  readonly a: readonly string[];
  readonly aaaa: readonly string[];
  /** It is another name for this one (CNAME). */
  readonly aliasOf?: string;
  /** The hosted VM whose claim stands beside it; `(unreadable)` for a text that is no claim of this version. */
  readonly owner?: string;
  /** The zone, or a part of it, is answered from there: an NS record leads to it. */
  readonly nameServer?: true;
};

/** Reads which names lead where, for the first contact with a zone. Changes nothing. */
export interface ZoneReader {
  /**
   * All names of the zone with addresses or an alias, by transfer from its first server.
   * @throws ProviderError permission when the key may not transfer; auth (TSIG); transient (server away)
   */
  transfer(zone: string, signal?: AbortSignal): Promise<ZoneName[]>;
  /** These names only, one question each. @throws ProviderError transient; permanent (not its zone) */
  lookUp(names: readonly string[], signal?: AbortSignal): Promise<ZoneName[]>;
}
