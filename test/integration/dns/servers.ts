import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { startChild } from '../../../src/demo/child.ts';
import { installed, startNameServer } from '../../../src/demo/name-server.ts';
import { ask } from '../../../src/providers/dns/client.ts';
import { recordType } from '../../../src/providers/dns/record.ts';
import type { StartRecord } from '../../../src/providers/dns/start-records.ts';
import type { TsigKey } from '../../../src/providers/dns/tsig.ts';

export const zone = 'vm.example';

export const key: TsigKey = {
  name: 'umbra-test',
  algorithm: 'hmac-sha256',
  secret: Buffer.alloc(32, 0x5a).toString('base64'),
};

export type TestServer = { readonly host: string; readonly port: number; close(): Promise<void> };

/** Where the programs of each kind are; `embedded` is always there. */
const programs = { bind: 'named', knot: 'knotd', powerdns: 'pdns_server', embedded: undefined } as const;
export type TestServerKind = keyof typeof programs;

/** Says which kinds cannot be tested here. In CI everything is installed, so there it is a failure. */
export function available(kind: TestServerKind): boolean {
  const program = programs[kind];
  if (program === undefined || installed(program) !== undefined) return true;
  if (process.env['CI'] !== undefined) throw new Error(`${program} is not installed`);
  process.stderr.write(`skipped: tests against ${kind}, because ${program} is not installed\n`);
  return false;
}

/** `nsupdate` is BIND's own update client: an independent opinion on ours. */
export function hasNsupdate(): boolean {
  if (installed('nsupdate') !== undefined) return true;
  if (process.env['CI'] !== undefined) throw new Error('nsupdate is not installed');
  process.stderr.write('skipped: comparisons with nsupdate, because it is not installed\n');
  return false;
}

export async function startTestServer(
  kind: TestServerKind,
  records: readonly StartRecord[],
  options: { readonly transfers?: boolean } = {},
): Promise<TestServer> {
  const dir = await mkdtemp(join(tmpdir(), `umbra-${kind}-`));
  const server =
    kind === 'powerdns'
      ? await startPowerDns(dir, records)
      : await startNameServer({ dir, port: 0, zone, records, key, prefer: kind, only: true, ...options });
  return {
    host: server.host,
    port: server.port,
    async close() {
      await server.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

const run = promisify(execFile);

/** PowerDNS with its caches off, as docs/name-servers asks for: else an acknowledged change stays invisible for the TTL. */
async function startPowerDns(dir: string, records: readonly StartRecord[]): Promise<TestServer> {
  const port = await freePort();
  await writeFile(
    join(dir, 'pdns.conf'),
    [
      'launch=lmdb',
      `lmdb-filename=${join(dir, 'zones.lmdb')}`,
      'lmdb-shards=1',
      'local-address=127.0.0.1',
      `local-port=${port}`,
      `socket-dir=${dir}`,
      'daemon=no',
      'guardian=no',
      'setuid=',
      'setgid=',
      'security-poll-suffix=',
      'disable-syslog=yes',
      'dnsupdate=yes',
      'allow-dnsupdate-from=127.0.0.0/8',
      'query-cache-ttl=0',
      'negquery-cache-ttl=0',
      'loglevel=3',
    ].join('\n'),
  );
  const zoneFile = join(dir, 'zone');
  const lines = records.map(({ name, type, ttlSeconds, value }) => {
    const data = type === 'TXT' ? `"${value}"` : type === 'CNAME' ? `${value}.` : value;
    return `${name}. ${ttlSeconds} IN ${type} ${data}`;
  });
  const soa = `${zone}. 3600 IN SOA ns1.${zone}. hostmaster.${zone}. 1 3600 600 604800 5`;
  const ns = [`${zone}. 3600 IN NS ns1.${zone}.`, `ns1.${zone}. 3600 IN A 127.0.0.1`];
  await writeFile(zoneFile, [soa, ...ns, ...lines, ''].join('\n'));
  const pdnsutil = (...args: string[]) => run('pdnsutil', [`--config-dir=${dir}`, ...args]);
  await pdnsutil('load-zone', zone, zoneFile);
  await pdnsutil('import-tsig-key', key.name, key.algorithm, key.secret);
  await pdnsutil('set-meta', zone, 'TSIG-ALLOW-DNSUPDATE', key.name);
  const child = startChild(installed('pdns_server') ?? 'pdns_server', [`--config-dir=${dir}`]);
  const server = { host: '127.0.0.1', port };
  for (let tries = 0; tries < 200; tries += 1) {
    const reply = await ask(server, zone, recordType.SOA, { timeoutMs: 500 }).catch(() => undefined);
    if (reply?.rcode === 0) return { ...server, close: () => child.close() };
    await sleep(25);
  }
  await child.close();
  throw new Error('PowerDNS did not start');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Runs `nsupdate` with lines of its own language; resolves with whether it succeeded. */
export async function nsupdate(server: TestServer, lines: readonly string[]): Promise<boolean> {
  const dir = await mkdtemp(join(tmpdir(), 'umbra-nsupdate-'));
  const script = join(dir, 'script');
  const head = [
    `server ${server.host} ${server.port}`,
    `zone ${zone}`,
    `key ${key.algorithm}:${key.name} ${key.secret}`,
  ];
  try {
    await writeFile(script, [...head, ...lines, 'send', ''].join('\n'));
    await run('nsupdate', [script]);
    return true;
  } catch {
    return false;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
