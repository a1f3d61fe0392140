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

/** What one authoritative server answers now. */
export type DnsServerView = {
  readonly server: string;
  readonly a: readonly string[];
  readonly aaaa: readonly string[];
  /** From the TXT at `_umbra.<name>`; undefined when there is none. */
  readonly owner?: string;
  readonly generation?: number;
  readonly error?: string;
};

export type DnsObservation = { readonly at: EpochMs; readonly servers: readonly DnsServerView[] };

export type DnsOutcome =
  | {
      readonly kind: 'applied';
      readonly generation: number;
      readonly appliedAtMs: EpochMs;
      readonly readBack: DnsObservation;
    }
  /** Our own earlier try had succeeded: the TXT holds our generation and the answers are ours. */
  | { readonly kind: 'already-applied'; readonly generation: number; readonly readBack: DnsObservation }
  /** Somebody wrote a newer generation. Nothing was changed. */
  | { readonly kind: 'superseded'; readonly found: DnsServerView }
  /** The name belongs to somebody else, or it exists without our TXT and adoption was not asked for. */
  | { readonly kind: 'not-owned'; readonly found: DnsServerView };

/** Authoritative servers of a zone: one takes updates, all are read back. */
export interface NameServer {
  /** Asks every server of the zone for the first name's A, AAAA and the ownership TXT. Never throws for one dead server: it is in the view. */
  observe(zone: string, names: readonly string[], signal?: AbortSignal): Promise<DnsObservation>;
  /**
   * Replaces A and AAAA of all names and the TXT in one message, only if the TXT still holds `owner` and `from`
   * (compare-and-set). `from: undefined` adopts: the names must have A or AAAA, or nothing at all, and no TXT.
   * A time-out is decided by reading the TXT. Read back from every server before it returns.
   * @throws ProviderError auth (TSIG), transient (server away), permanent (zone refused)
   */
  ensureAnswers(
    change: {
      readonly owner: string;
      readonly from: number | undefined;
      readonly to: number;
      readonly records: DnsRecordSet;
    },
    signal?: AbortSignal,
  ): Promise<DnsOutcome>;
  /** Removes our TXT and leaves the answers as they are: the way out of Umbra. */
  release(owner: string, zone: string, names: readonly string[], signal?: AbortSignal): Promise<void>;
  /** A signed UPDATE that changes nothing: proves key, rights and clock. */
  checkRights(zone: string, signal?: AbortSignal): Promise<{ readonly ok: boolean; readonly detail: string }>;
}
