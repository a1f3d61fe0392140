import { setTimeout as sleep } from 'node:timers/promises';
import { assertNever } from '../../domain/reason.ts';
import { canonicalAddress, sameAnswers, shows, whyImpossible } from './change.ts';
import { update } from './client.ts';
import { compareAndSet, prerequisiteFailed } from './compare-and-set.ts';
import type { ZoneAccess } from './compare-and-set.ts';
import { asProviderError, failure, refusal } from './failures.ts';
import { canonicalName } from './name.ts';
import { hintChanges } from './https-hints.ts';
import { answersAt, claimAt, httpsAt, viewOf } from './observe.ts';
import { claimName } from './ownership.ts';
import { recordType } from './record.ts';
import { presentServer } from './transport.ts';
import {
  claimedOnce,
  claimIs,
  deleteRrset,
  isAsRead,
  replaceAddresses,
  replaceAnswers,
  replaceClaims,
} from './update-records.ts';
import type { Change } from './change.ts';
import type { UpdateReply } from './client.ts';
import type { ClaimFound, ClaimWanted } from './ownership.ts';
import type { ResourceRecord } from './record.ts';
import type { ExchangeOptions, ServerAddress } from './transport.ts';
import type { TsigKey } from './tsig.ts';
import type {
  DnsIntentOutcome,
  DnsObservation,
  DnsOutcome,
  DnsServerView,
  FormerAnswers,
  NameServer,
  TakingOver,
} from '../../ports/name-server.ts';

export type Rfc2136Options = {
  /** The first takes updates, all are read back. */
  readonly servers: readonly ServerAddress[];
  readonly key: TsigKey;
  /** Of which Umbra the claims are: another installation with the same inventory is refused by the zone. */
  readonly installation: string;
  /** For one question or one update; loopback and LAN answer within milliseconds. */
  readonly timeoutMs?: number;
  /** How long to wait until servers that are fed by transfer, or that cache, answer the new addresses. */
  readonly readBackMs?: number;
  readonly now?: () => number;
};

/** A claim that somebody else changes meanwhile is read and removed again this often. */
const maxTries = 4;

/** Name servers that take signed dynamic updates: BIND, Knot, PowerDNS. */
export function rfc2136NameServer(options: Rfc2136Options): NameServer {
  const [primary] = options.servers;
  if (primary === undefined) throw new RangeError('a zone needs at least one name server');
  const { installation } = options;
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

  const access = (signal: AbortSignal | undefined): ZoneAccess => ({
    send: (zone, prerequisites, updates) => send(zone, prerequisites, updates, signal),
    claimsOf: (names) => readClaims(names, signal),
    viewOf: (name) => viewOf(primary, name, within(signal)),
    now,
  });

  /** What stands at the names whose claims are wanted to be nothing: they are about to be taken over. */
  function readFresh(
    names: readonly string[],
    wanted: readonly ClaimWanted[],
    signal: AbortSignal | undefined,
  ): Promise<FormerAnswers[]> {
    const places = claimedOnce(names);
    const fresh = names.filter((name) => {
      const place = places.findIndex((other) => claimName(other) === claimName(name));
      return (wanted[place] ?? 'nothing') === 'nothing';
    });
    return Promise.all(fresh.map((name) => answersAt(primary!, name, within(signal))));
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
      const behind = seen.servers.some((view) => view.error === undefined && !shows(view, { ...change, installation }));
      if (!behind || now() + pauseMs > deadline) return seen;
      await sleep(pauseMs, undefined, signal === undefined ? {} : { signal });
    }
  }

  async function ensureAnswers(change: Change, signal?: AbortSignal): Promise<DnsOutcome> {
    const { records, owner, from, to, takingOver = { only: [...records.a, ...records.aaaa] } } = change;
    const { zone, names } = records;
    const attempt = { operation: 'update', target: `${names.join(' ')} at ${presentServer(primary!)}` };
    const claim = { owner, installation, from, to };
    const mine = { owner, installation, generation: to };
    const updates = replaceAnswers(names, records, mine);
    const compose = async (wanted: readonly ClaimWanted[]) => {
      const [fresh, hints] = await Promise.all([readFresh(names, wanted, signal), readHints(change, signal)]);
      const other = fresh.find((answers) => !mayTakeOver(answers, takingOver));
      if (other !== undefined) return { refused: other };
      return {
        prerequisites: [...fresh.flatMap(isAsRead), ...hints.prerequisites],
        updates: [...updates, ...hints.updates],
        former: fresh,
      };
    };
    try {
      const why = whyImpossible(change);
      if (why !== undefined) throw failure(attempt, 'invalid', why);
      const isOurs = (found: DnsServerView): boolean => found.intent === undefined && sameAnswers(found, change);
      const tried = await compareAndSet(access(signal), { claim, zone, names, compose, isOurs }, attempt);
      switch (tried.kind) {
        case 'applied':
          return {
            ...{ kind: 'applied', generation: to, appliedAtMs: tried.at, readBack: await readBack(change, signal) },
            ...(tried.former.length === 0 ? {} : { former: tried.former }),
          };
        case 'already-applied':
          return { kind: 'already-applied', generation: to, readBack: await readBack(change, signal) };
        case 'refused': {
          const { name, a, aaaa } = tried.refused;
          return { kind: 'answers-differ', name, found: { server: presentServer(primary!), a, aaaa } };
        }
        case 'behind':
        case 'superseded':
          return { kind: 'superseded', found: tried.found };
        case 'not-owned':
          return { kind: 'not-owned', found: tried.found };
      }
    } catch (error) {
      throw asProviderError(attempt, error);
    }
  }

  async function ensureIntent(
    { owner, from, to, zone, names, ttlSeconds, fence }: Parameters<NameServer['ensureIntent']>[0],
    signal?: AbortSignal,
  ): Promise<DnsIntentOutcome> {
    const attempt = { operation: 'claim the fence', target: `${names.join(' ')} at ${presentServer(primary!)}` };
    const mine = { owner, installation, generation: to, intent: { fence } };
    const updates = replaceClaims(names, mine, ttlSeconds);
    try {
      const tried = await compareAndSet<never>(
        access(signal),
        {
          claim: { owner, installation, from, to, exact: true },
          ...{ zone, names },
          compose: () => Promise.resolve({ prerequisites: [], updates, former: [] }),
          isOurs: (found) => found.intent?.fence === fence,
        },
        attempt,
      );
      switch (tried.kind) {
        case 'applied':
        case 'already-applied':
          return { kind: 'claimed', generation: to };
        case 'refused':
          return assertNever(tried.refused);
        case 'behind':
        case 'superseded':
        case 'not-owned':
          return { kind: tried.kind, found: tried.found };
      }
    } catch (error) {
      throw asProviderError(attempt, error);
    }
  }

  async function release(
    owner: string,
    zone: string,
    names: readonly string[],
    giveBack: readonly FormerAnswers[] = [],
    signal?: AbortSignal,
  ): Promise<void> {
    const attempt = { operation: 'release', target: `${names.join(' ')} at ${presentServer(primary!)}` };
    try {
      for (let tries = 0; tries < maxTries; tries += 1) {
        const places = claimedOnce(names);
        const claims = await readClaims(places, signal);
        const ours = places.flatMap((name, i) => {
          const claim = claims[i];
          const isOurs = typeof claim === 'object' && claim.owner === owner && claim.installation === installation;
          return isOurs ? [{ name, claim }] : [];
        });
        if (ours.length === 0) return;
        const reply = await send(
          zone,
          ours.map(({ name, claim }) => claimIs(name, claim)),
          [
            ...ours.map(({ name }) => deleteRrset(claimName(name), recordType.TXT)),
            ...giveBack
              .filter(({ name }) => ours.some((each) => claimName(each.name) === claimName(name)))
              .flatMap((answers) => replaceAddresses(answers.name, answers)),
          ],
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

  return { installation, observe, ensureAnswers, ensureIntent, release, checkRights };
}

/** Whoever leads to a machine that we were not told about is left alone. */
function mayTakeOver({ a, aaaa }: FormerAnswers, takingOver: TakingOver): boolean {
  const found = [...a, ...aaaa];
  if (takingOver === 'anything' || found.length === 0) return true;
  const known = new Set(takingOver.only.map(canonicalAddress));
  return found.length === known.size && found.every((address) => known.has(address));
}
