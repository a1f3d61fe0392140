import { setTimeout as sleep } from 'node:timers/promises';
import { sameAnswers, shows, whyImpossible } from './change.ts';
import { update } from './client.ts';
import { asProviderError, failure, refusal } from './failures.ts';
import { canonicalName } from './name.ts';
import { hintChanges } from './https-hints.ts';
import { claimAt, hasAddresses, httpsAt, viewOf } from './observe.ts';
import { claimName, judgeClaims } from './ownership.ts';
import { recordType } from './record.ts';
import { presentServer, TransportError } from './transport.ts';
import { claimedOnce, claimIs, deleteRrset, nameNotInUse, noRrset, replaceAnswers } from './update-records.ts';
import type { Change } from './change.ts';
import type { UpdateReply } from './client.ts';
import type { ClaimFound, ClaimWanted } from './ownership.ts';
import type { ResourceRecord } from './record.ts';
import type { ExchangeOptions, ServerAddress } from './transport.ts';
import type { TsigKey } from './tsig.ts';
import type { DnsObservation, DnsOutcome, NameServer } from '../../ports/name-server.ts';

export type Rfc2136Options = {
  /** The first takes updates, all are read back. */
  readonly servers: readonly ServerAddress[];
  readonly key: TsigKey;
  /** For one question or one update; loopback and LAN answer within milliseconds. */
  readonly timeoutMs?: number;
  /** How long to wait until servers that are fed by transfer, or that cache, answer the new addresses. */
  readonly readBackMs?: number;
  readonly now?: () => number;
};

/** A lost race or a lost answer is looked at and tried again this often; then something is wrong with the server. */
const maxTries = 4;

const prerequisiteFailed = new Set(['NXRRSET', 'YXRRSET', 'YXDOMAIN', 'NXDOMAIN']);

/** Name servers that take signed dynamic updates: BIND, Knot, PowerDNS. */
export function rfc2136NameServer(options: Rfc2136Options): NameServer {
  const [primary] = options.servers;
  if (primary === undefined) throw new RangeError('a zone needs at least one name server');
  const now = options.now ?? Date.now;
  const readBackMs = options.readBackMs ?? 2_000;
  const within = (signal: AbortSignal | undefined): ExchangeOptions => ({
    timeoutMs: options.timeoutMs ?? 1_500,
    ...(signal === undefined ? {} : { signal }),
  });

  async function observe(zone: string, names: readonly string[], signal?: AbortSignal): Promise<DnsObservation> {
    const [name] = names;
    if (name === undefined) throw failure({ operation: 'observe', target: zone }, 'invalid', 'no name given');
    const servers = await Promise.all(options.servers.map((server) => viewOf(server, name, within(signal))));
    return { at: now(), servers };
  }

  function send(
    zone: string,
    prerequisites: readonly ResourceRecord[],
    updates: readonly ResourceRecord[],
    signal: AbortSignal | undefined,
  ): Promise<UpdateReply> {
    const message = { zone: canonicalName(zone), prerequisites, updates };
    const nowSeconds = Math.floor(now() / 1_000);
    return update(primary!, message, options.key, { ...within(signal), nowSeconds });
  }

  function readClaims(names: readonly string[], signal: AbortSignal | undefined): Promise<ClaimFound[]> {
    return Promise.all(names.map((name) => claimAt(primary!, name, within(signal))));
  }

  /**
   * Prerequisites for taking over a name that carries no claim. It keeps its addresses or has nothing at all:
   * a CNAME would swallow our addresses silently (RFC 2136 3.4.2.2), other records alone mean it is no host.
   */
  async function adoptable(names: readonly string[], signal: AbortSignal | undefined): Promise<ResourceRecord[]> {
    const found = await Promise.all(names.map((name) => hasAddresses(primary!, name, within(signal))));
    return names.map((name, i) =>
      found[i] === true ? noRrset(canonicalName(name), recordType.CNAME) : nameNotInUse(canonicalName(name)),
    );
  }

  async function prerequisitesFor(
    change: Change,
    wanted: readonly ClaimWanted[],
    signal: AbortSignal | undefined,
  ): Promise<ResourceRecord[]> {
    const places = claimedOnce(change.records.names);
    const claims = places.map((name, i) => claimIs(name, wanted[i] ?? 'nothing'));
    const fresh = change.records.names.filter((name) => {
      const place = places.findIndex((other) => claimName(other) === claimName(name));
      return (wanted[place] ?? 'nothing') === 'nothing';
    });
    return [...claims, ...(await adoptable(fresh, signal))];
  }

  /** A browser that knows the HTTPS record follows its address hints: they change together with the addresses. */
  async function readHints({ records }: Change, signal: AbortSignal | undefined) {
    const names = records.names.map(canonicalName);
    const found = await Promise.all(names.map((name) => httpsAt(primary!, name, within(signal))));
    const changes = found.map((each) => hintChanges(each, names, records));
    return {
      prerequisites: changes.flatMap((each) => each.prerequisites),
      updates: changes.flatMap((each) => each.updates),
    };
  }

  /** Reads back until every server that answers shows the change, or the time for it is over. */
  async function readBack(change: Change, signal: AbortSignal | undefined): Promise<DnsObservation> {
    const deadline = now() + readBackMs;
    for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 200)) {
      const seen = await observe(change.records.zone, change.records.names, signal);
      const behind = seen.servers.some((view) => view.error === undefined && !shows(view, change));
      if (!behind || now() + pauseMs > deadline) return seen;
      await sleep(pauseMs, undefined, signal === undefined ? {} : { signal });
    }
  }

  async function ensureAnswers(change: Change, signal?: AbortSignal): Promise<DnsOutcome> {
    const attempt = { operation: 'update', target: `${change.records.names.join(' ')} at ${presentServer(primary!)}` };
    try {
      return await tryAnswers(change, attempt, signal);
    } catch (error) {
      throw asProviderError(attempt, error);
    }
  }

  async function tryAnswers(
    change: Change,
    attempt: { operation: string; target: string },
    signal: AbortSignal | undefined,
  ): Promise<DnsOutcome> {
    const { records, owner, from, to } = change;
    const why = whyImpossible(change);
    if (why !== undefined) throw failure(attempt, 'invalid', why);
    const updates = replaceAnswers(records.names, records, { owner, generation: to });
    const places = claimedOnce(records.names);
    let wanted: readonly ClaimWanted[] = places.map(() =>
      from === undefined ? 'nothing' : { owner, generation: from },
    );
    let last = '';

    for (let tries = 0; tries < maxTries; tries += 1) {
      // Whether the name is still ours is not asked before: the prerequisite is the question.
      const [prerequisites, hints] = await Promise.all([
        prerequisitesFor(change, wanted, signal),
        readHints(change, signal),
      ]);
      try {
        const all = {
          prerequisites: [...prerequisites, ...hints.prerequisites],
          updates: [...updates, ...hints.updates],
        };
        const reply = await send(records.zone, all.prerequisites, all.updates, signal);
        if (reply.rcode === 'NOERROR') {
          const appliedAtMs = now();
          return { kind: 'applied', generation: to, appliedAtMs, readBack: await readBack(change, signal) };
        }
        if (!prerequisiteFailed.has(reply.rcode)) throw refusal(attempt, reply);
        last = reply.rcode;
      } catch (error) {
        if (!(error instanceof TransportError) || (error.fault !== 'timeout' && error.fault !== 'closed')) throw error;
        last = error.message;
      }
      // Somebody was faster, or we were and did not hear of it: the claims tell.
      const [claims, found] = await Promise.all([
        readClaims(places, signal),
        viewOf(primary!, records.names[0]!, within(signal)),
      ]);
      const judged = judgeClaims(claims, change, sameAnswers(found, change));
      switch (judged.kind) {
        case 'applied':
          return { kind: 'already-applied', generation: to, readBack: await readBack(change, signal) };
        case 'superseded':
          return { kind: 'superseded', found: { ...found, ...judged.by } };
        case 'not-owned':
          return { kind: 'not-owned', found: { ...found, ...(typeof judged.by === 'object' ? judged.by : {}) } };
        case 'try':
          if (last === 'YXDOMAIN' || last === 'YXRRSET') throw failure(attempt, 'invalid', notAHost);
          wanted = judged.wanted;
      }
    }
    throw failure(attempt, 'transient', `nothing changed after ${maxTries} tries; the last one: ${last}`);
  }

  async function release(owner: string, zone: string, names: readonly string[], signal?: AbortSignal): Promise<void> {
    const attempt = { operation: 'release', target: `${names.join(' ')} at ${presentServer(primary!)}` };
    try {
      for (let tries = 0; tries < maxTries; tries += 1) {
        const places = claimedOnce(names);
        const claims = await readClaims(places, signal);
        const ours = places.flatMap((name, i) => {
          const claim = claims[i];
          return typeof claim === 'object' && claim.owner === owner ? [{ name, claim }] : [];
        });
        if (ours.length === 0) return;
        const reply = await send(
          zone,
          ours.map(({ name, claim }) => claimIs(name, claim)),
          ours.map(({ name }) => deleteRrset(claimName(name), recordType.TXT)),
          signal,
        );
        if (reply.rcode === 'NOERROR') return;
        if (!prerequisiteFailed.has(reply.rcode)) throw refusal(attempt, reply);
      }
      throw failure(attempt, 'transient', 'the claim changes faster than it can be removed');
    } catch (error) {
      throw asProviderError(attempt, error);
    }
  }

  /** Deletes what is not there, with the types we use: rights are checked per name and type, and the serial stays. */
  async function checkRights(zone: string, signal?: AbortSignal): Promise<{ ok: boolean; detail: string }> {
    const attempt = { operation: 'check rights', target: `${zone} at ${presentServer(primary!)}` };
    const probe = `_umbra-rights.${canonicalName(zone)}`;
    const changes = [recordType.A, recordType.AAAA, recordType.TXT].map((type) => deleteRrset(probe, type));
    try {
      const reply = await send(zone, [], changes, signal);
      if (reply.rcode !== 'NOERROR') throw refusal(attempt, reply);
      const skew = reply.skewSeconds ?? 0;
      return {
        ok: true,
        detail: `the key ${options.key.name} may update ${zone}; the clocks are ${Math.abs(skew)} s apart`,
      };
    } catch (error) {
      const said = asProviderError(attempt, error);
      if (said instanceof Error && said.name === 'ProviderError') return { ok: false, detail: said.message };
      throw said;
    }
  }

  return { observe, ensureAnswers, release, checkRights };
}

const notAHost =
  'a name exists with other records than addresses (perhaps a CNAME); Umbra takes over names with A or AAAA, or unused ones';
