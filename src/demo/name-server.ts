import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../providers/dns/client.ts';
import { startEmbeddedNameServer } from '../providers/dns/embedded.ts';
import { recordType } from '../providers/dns/record.ts';
import { masterFile, zoneRecords } from '../providers/dns/start-records.ts';
import { startChild } from './child.ts';
import { bindConfig, knotConfig } from './name-server-config.ts';
import type { StartRecord } from '../providers/dns/start-records.ts';
import type { TsigKey } from '../providers/dns/tsig.ts';

export type NameServerKind = 'bind' | 'knot' | 'embedded';

export type NameServerOptions = {
  /** Everything it writes is here; a zone found here is continued, `records` only fill a new one. */
  readonly dir: string;
  /** 0: a free one. A busy one is an error with code EADDRINUSE, before anything is started. */
  readonly port: number;
  readonly zone: string;
  readonly records: readonly StartRecord[];
  readonly key: TsigKey;
  /** BIND and Debian's Knot can only use `unix`; the embedded server takes `tcp` first. */
  readonly dnstap?: { readonly tcp?: { readonly host: string; readonly port: number }; readonly unix?: string };
  /** The kind that is tried first; afterwards BIND, Knot and the embedded one in this order. */
  readonly prefer?: NameServerKind;
  /** Whether the key may read the whole zone; it may unless told. Not of the embedded server, which hands out no zone. */
  readonly transfers?: boolean;
  /** Only `prefer`, or nothing. */
  readonly only?: boolean;
};

export type RunningNameServer = {
  readonly kind: NameServerKind;
  readonly host: string;
  readonly port: number;
  /** BIND's JSON statistics with the counters of dnstap frames it sent and dropped. */
  readonly statisticsUrl?: string;
  /** Kinds that were tried before this one, and why they are not used. */
  readonly passedOver: readonly string[];
  close(): Promise<void>;
};

const host = '127.0.0.1';
const startMs = 8_000;
/** A path to a unix socket has room for 107 bytes on Linux, 103 on macOS. */
const maxSocketPath = 103;

/** Server programs live in sbin, which is not on every user's path. */
const binFolders = ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin', '/usr/bin', '/usr/local/bin', '/sbin'];

/** The full path of an installed program. */
export function installed(program: string): string | undefined {
  return binFolders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

/** Starts an authoritative server of one zone on loopback: a real BIND, else Knot, else the embedded one. */
export async function startNameServer(options: NameServerOptions): Promise<RunningNameServer> {
  const port = await freePortOn(options.port);
  const order: NameServerKind[] = ['bind', 'knot', 'embedded'];
  const kinds = [...new Set([...(options.prefer === undefined ? [] : [options.prefer]), ...order])];
  const passedOver: string[] = [];
  for (const kind of options.only === true ? kinds.slice(0, 1) : kinds) {
    try {
      return { ...(await start(kind, { ...options, port })), passedOver };
    } catch (error) {
      if (kind === 'embedded') throw error;
      passedOver.push(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(`no name server could be started: ${passedOver.join('; ')}`);
}

type Started = Omit<RunningNameServer, 'passedOver'>;

async function start(kind: NameServerKind, options: NameServerOptions): Promise<Started> {
  const { dnstap, port, zone, key, records } = options;
  const dir = join(options.dir, kind);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if (kind === 'embedded') {
    const target = dnstap?.tcp ?? (dnstap?.unix === undefined ? undefined : { unix: dnstap.unix });
    const server = await startEmbeddedNameServer({
      ...{ host, port, zone, key, records, identity: 'demo-embedded', file: join(dir, `${zone}.zone`) },
      ...(target === undefined ? {} : { dnstap: target }),
    });
    return { kind, host, port: server.port, close: () => server.close() };
  }

  const program = installed(kind === 'bind' ? 'named' : 'knotd');
  if (program === undefined) throw new Error('it is not installed');
  if (dnstap !== undefined && dnstap.unix === undefined) throw new Error('it sends dnstap to a unix socket only');
  if ((dnstap?.unix?.length ?? 0) > maxSocketPath) {
    throw new Error(`the path of the dnstap socket is longer than ${maxSocketPath} bytes: ${dnstap?.unix}`);
  }
  const place = {
    ...{ dir, host, port, zone, key },
    ...(dnstap?.unix === undefined ? {} : { dnstapSocket: dnstap.unix }),
    ...(options.transfers === undefined ? {} : { transfers: options.transfers }),
  };
  const file = join(dir, `${zone}.zone`);
  if (!existsSync(file)) await writeFile(file, masterFile(zoneRecords(zone, records)));
  // Knot does not make its folders itself, and refuses updates without the second.
  await Promise.all(['run', 'db'].map((folder) => mkdir(join(dir, folder), { recursive: true })));

  const statisticsPort = kind === 'bind' ? await freePortOn(0) : 0;
  const config = join(dir, kind === 'bind' ? 'named.conf' : 'knot.conf');
  await writeFile(config, kind === 'bind' ? bindConfig(place, statisticsPort) : knotConfig(place), { mode: 0o600 });
  const args = kind === 'bind' ? ['-g', '-n', '1', '-c', config] : ['-c', config];
  const close = await startAndWait(program, args, { port, zone });
  const statistics = kind === 'bind' ? { statisticsUrl: `http://${host}:${statisticsPort}/json/v1/server` } : {};
  return { kind, host, port, ...statistics, close };
}

/** Starts a server and waits until it answers for its zone. */
async function startAndWait(
  program: string,
  args: readonly string[],
  place: { readonly port: number; readonly zone: string },
): Promise<() => Promise<void>> {
  const lines: string[] = [];
  const child = startChild(program, args, { onLine: (line) => lines.splice(0, Math.max(0, lines.push(line) - 5)) });
  const ended: { how: string | undefined } = { how: undefined };
  void child.exited.then((how) => (ended.how = how));
  const deadline = Date.now() + startMs;
  while (ended.how === undefined && Date.now() < deadline) {
    if (await hasZone(place)) return () => child.close();
    await sleep(20);
  }
  await child.close();
  const how = ended.how === undefined ? `did not answer within ${startMs / 1_000} s` : `ended with ${ended.how}`;
  throw new Error(`${program} ${how}: ${lines.join(' | ')}`);
}

async function hasZone({ port, zone }: { readonly port: number; readonly zone: string }): Promise<boolean> {
  try {
    const reply = await ask({ host, port }, zone, recordType.SOA, { timeoutMs: 500 });
    return reply.rcode === 0 && reply.authoritative;
  } catch {
    // Not listening yet.
    return false;
  }
}

/** Takes a TCP port and lets it go: throws EADDRINUSE when it is busy, finds one when it is 0. */
async function freePortOn(wanted: number): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject);
    server.listen(wanted, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : wanted);
    });
  });
  await new Promise((resolve) => server.close(resolve));
  return port;
}
