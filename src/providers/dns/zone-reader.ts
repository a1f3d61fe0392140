import { asProviderError, failure } from './failures.ts';
import { canonicalName, readName } from './name.ts';
import { viewOf } from './observe.ts';
import { claimName, parseClaim } from './ownership.ts';
import { addressOf, recordType, textOf } from './record.ts';
import { transferZone, TransferRefused } from './transfer.ts';
import { presentServer } from './transport.ts';
import { TsigError } from './tsig.ts';
import type { ZoneName, ZoneReader } from '../../ports/name-server.ts';
import type { ResourceRecord } from './record.ts';
import type { ServerAddress } from './transport.ts';
import type { TsigKey } from './tsig.ts';

export type ZoneReaderOptions = {
  /** The first is asked. */
  readonly server: ServerAddress;
  readonly key: TsigKey;
  /** For one question. */
  readonly timeoutMs?: number;
  /** For a whole zone. */
  readonly transferMs?: number;
  readonly now?: () => number;
};

/** As many questions are asked at once: a name server's limit on one client's rate is far above. */
const questionsAtOnce = 16;

/** Reads a zone with the key that also changes it. */
export function zoneReader(options: ZoneReaderOptions): ZoneReader {
  const { server, key } = options;
  const where = presentServer(server);
  return {
    transfer: async (zone, signal) => {
      const attempt = { operation: 'transfer', target: `${zone} from ${where}` };
      try {
        const records = await transferZone(server, canonicalName(zone), key, {
          timeoutMs: options.transferMs ?? 10_000,
          nowSeconds: Math.floor((options.now ?? Date.now)() / 1_000),
          ...(signal === undefined ? {} : { signal }),
        });
        return zoneNames(zone, records);
      } catch (error) {
        // Knot says BADKEY also of a key that it knows, when no acl lets it transfer.
        if (error instanceof TsigError && error.fault === 'BADKEY' && error.reported) {
          throw failure(attempt, 'permission', `${error.message}, or ${mendFor('REFUSED', key.name)}`, error);
        }
        if (!(error instanceof TransferRefused)) throw asProviderError(attempt, error);
        throw failure(attempt, 'permission', `${error.message}: ${mendFor(error.rcode, key.name)}`, error);
      }
    },
    lookUp: async (names, signal) => {
      const found: ZoneName[] = [];
      const within = { timeoutMs: options.timeoutMs ?? 1_500, ...(signal === undefined ? {} : { signal }) };
      for (let at = 0; at < names.length; at += questionsAtOnce) {
        const some = names.slice(at, at + questionsAtOnce).map(canonicalName);
        const views = await Promise.all(some.map((name) => viewOf(server, name, within)));
        views.forEach(({ a, aaaa, owner, error }, i) => {
          const name = some[i] ?? '';
          if (error !== undefined) throw failure({ operation: 'ask for', target: name }, 'transient', error);
          found.push({ name, a, aaaa, ...(owner === undefined ? {} : { owner }) });
        });
      }
      return found;
    },
  };
}

function mendFor(rcode: string, key: string): string {
  if (rcode !== 'REFUSED' && rcode !== 'NOTAUTH') return 'it hands out no zone; name the names with --name';
  return (
    `it does not let the key ${key} transfer this zone; allow it (BIND: allow-transfer { key ${key}; }; ` +
    `Knot: action: [transfer, update]), or name the names with --name`
  );
}

/** Names with addresses or an alias, in the order of the zone. What lies behind a delegation is somebody else's. */
export function zoneNames(zone: string, records: readonly ResourceRecord[]): ZoneName[] {
  const apex = canonicalName(zone);
  const at = (record: ResourceRecord): string => canonicalName(record.name);
  const cuts = new Set(records.filter(({ type }) => type === recordType.NS).map(at));
  cuts.delete(apex);
  const nameServers = new Set(
    records.filter(({ type }) => type === recordType.NS).map(({ data }) => canonicalName(readName(data, 0).name)),
  );
  const texts = groups(records.filter(({ type }) => type === recordType.TXT));
  const hosts = records.filter(({ type }) =>
    [recordType.A, recordType.AAAA, recordType.CNAME].some((one) => one === type),
  );
  return [...groups(hosts)].flatMap(([name, own]): ZoneName[] => {
    if (isBehind(name, cuts)) return [];
    const addresses = (type: number): string[] =>
      own
        .filter((one) => one.type === type)
        .map(addressOf)
        .sort();
    const alias = own.find(({ type }) => type === recordType.CNAME);
    const claim = parseClaim((texts.get(claimName(name)) ?? []).map(textOf));
    return [
      {
        name,
        a: addresses(recordType.A),
        aaaa: addresses(recordType.AAAA),
        ...(alias === undefined ? {} : { aliasOf: canonicalName(readName(alias.data, 0).name) }),
        ...(claim === 'nothing' ? {} : { owner: claim === 'unreadable' ? '(unreadable)' : claim.owner }),
        ...(nameServers.has(name) ? { nameServer: true as const } : {}),
      },
    ];
  });
}

function groups(records: readonly ResourceRecord[]): Map<string, ResourceRecord[]> {
  const byName = new Map<string, ResourceRecord[]>();
  for (const record of records) {
    const name = canonicalName(record.name);
    const group = byName.get(name);
    if (group === undefined) byName.set(name, [record]);
    else group.push(record);
  }
  return byName;
}

function isBehind(name: string, cuts: ReadonlySet<string>): boolean {
  for (let rest = name; rest !== ''; rest = rest.slice(rest.indexOf('.') + 1)) {
    if (cuts.has(rest)) return true;
    if (!rest.includes('.')) return false;
  }
  return false;
}
