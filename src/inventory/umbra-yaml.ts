import { minuteMs, secondMs } from '../domain/time.ts';
import * as read from './scalars.ts';
import { byDefault, list, mapping, optional, required, scalar } from './shape.ts';
import type { Shape } from './shape.ts';

/*
 * How umbra.yaml is written: what each process is told. Read by src/config.ts, with the environment above it.
 */

const databaseUrl = scalar(
  'a postgres address',
  { type: 'string', format: 'uri' },
  (value) => {
    if (typeof value !== 'string' || !/^postgres(ql)?:\/\//.test(value) || !URL.canParse(value)) return undefined;
    return new URL(value).password === '' ? value : { refused: 'holds a password: put it into passwordFile' };
  },
  'write postgres://umbra@127.0.0.1:5432/umbra',
);

/** Where dnstap arrives. */
export type DnstapListener =
  { readonly kind: 'unix'; readonly path: string } | { readonly kind: 'tcp' | 'tls'; readonly address: string };

export const dnstapListener: Shape<DnstapListener> = scalar<DnstapListener>(
  'a dnstap listener',
  { type: 'string', pattern: '^(unix:/|tcp://|tls://)' },
  (value) => {
    if (typeof value !== 'string') return undefined;
    if (value.startsWith('unix:/')) return { kind: 'unix', path: value.slice('unix:'.length) };
    const match = /^(tcp|tls):\/\/(.+:\d+)$/.exec(value);
    return match === null ? undefined : { kind: match[1] === 'tls' ? 'tls' : 'tcp', address: match[2] ?? '' };
  },
  'write unix:/run/umbra/dnstap.sock, tcp://127.0.0.1:6000 or tls://0.0.0.0:6001',
);

const certificate = mapping(
  {
    certFile: required(read.secretFile, 'certificate with its chain'),
    keyFile: required(read.secretFile, 'its key'),
    clientCaFile: optional(read.secretFile, 'clients must show a certificate of this CA'),
  },
  'a certificate',
);

export const temporalShape = mapping(
  {
    address: byDefault(read.hostPort(7233), '127.0.0.1:7233', '127.0.0.1:7233', 'the frontend'),
    namespace: byDefault(read.text('a namespace'), 'default', 'default', 'the namespace'),
    ui: optional(read.webAddress('http', 'https'), 'address of the Web UI, shown by umbra status'),
    apiKeyFile: optional(read.secretFile, 'file with an API key'),
    caFile: optional(read.secretFile, 'CA of the server'),
    certFile: optional(read.secretFile, 'client certificate'),
    keyFile: optional(read.secretFile, 'its key'),
  },
  'temporal',
);

export const postgresShape = mapping(
  {
    url: byDefault(
      databaseUrl,
      'postgres://umbra@127.0.0.1:5432/umbra',
      'postgres://umbra@127.0.0.1:5432/umbra',
      'where it is, without the password',
    ),
    passwordFile: optional(read.secretFile, 'file with the password'),
  },
  'postgres',
);

export const apiShape = mapping(
  {
    listen: byDefault(
      read.hostPort(8080),
      '127.0.0.1:8080',
      '127.0.0.1:8080',
      'dashboard and API; on loopback without tokens',
    ),
    hosts: byDefault(
      list(read.text('a host name'), 'host names', { orOne: true }),
      [],
      [],
      'names the dashboard is reached by, beside localhost',
    ),
    tokensFile: optional(read.secretFile, 'bearer tokens with roles, one a line; needed unless listen is loopback'),
    tls: optional(certificate, 'serve https'),
    heartbeats: optional(read.hostPort(8081), "listener of its own for guests' heartbeats"),
  },
  'api',
);

export const collectorShape = mapping(
  {
    edge: byDefault(read.identifier('a name'), 'local', 'local', 'what this edge is called'),
    listen: byDefault(
      list(dnstapListener, 'listeners', { least: 1, orOne: true }),
      [{ kind: 'tcp', address: '127.0.0.1:6000' }],
      'tcp://127.0.0.1:6000',
      'where name servers send dnstap',
    ),
    tls: optional(certificate, 'for tls:// listeners'),
    statistics: byDefault(
      list(read.webAddress('http', 'https'), 'addresses', { orOne: true }),
      [],
      [],
      'BIND statistics channels that count what the server dropped',
    ),
    trustedResolvers: byDefault(
      list(read.addressPrefix, 'address prefixes', { orOne: true }),
      [],
      [],
      'resolvers whose EDNS client subnets decide what is a duplicate',
    ),
    spool: optional(read.secretFile, 'folder that holds batches while the store is away'),
    spoolMax: byDefault(read.memory, 1024, '1GiB', 'never more than this on disk'),
    api: optional(read.webAddress('http', 'https'), 'send counts here instead of straight to PostgreSQL'),
    tokenFile: optional(read.secretFile, 'bearer token for it'),
  },
  'collector',
);

export const monitorShape = mapping(
  {
    vantage: byDefault(read.identifier('a name'), 'local', 'local', 'what this vantage point is called'),
    canary: optional(read.hostPort(443), 'something that always answers: while it does not, this monitor is blind'),
  },
  'monitor',
);

export const workerShape = mapping(
  {
    threads: byDefault(read.whole(1, 64), 1, 1, 'threads that fit forecasts'),
    batchAbove: byDefault(
      read.whole(0, 100_000),
      500,
      500,
      'forecast in batches of hundreds when there are more hosted VMs than this',
    ),
    evaluateEvery: optional(
      read.duration(secondMs, 60 * minuteMs),
      'evaluate every hosted VM this often instead of by its risk; for demonstrations',
    ),
  },
  'worker',
);

export const configShape = mapping(
  {
    data: optional(read.secretFile, 'folder for snapshots and spools'),
    log: byDefault(
      read.oneOf('a level', ['trace', 'debug', 'info', 'warn', 'error']),
      'info',
      'info',
      'how much is logged',
    ),
    temporal: optional(temporalShape, 'the Temporal cluster'),
    postgres: optional(postgresShape, 'the store'),
    api: optional(apiShape, 'the api process'),
    heartbeatSecretFile: optional(
      read.secretFile,
      "file with the secret that guests' heartbeat tokens are made from; api and worker share it",
    ),
    collector: optional(collectorShape, 'the collector process'),
    monitor: optional(monitorShape, 'the monitor process'),
    worker: optional(workerShape, 'the worker process'),
  },
  "umbra's configuration",
);
