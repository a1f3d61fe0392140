import { minuteMs, secondMs } from '../domain/time.ts';
import * as read from './scalars.ts';
import { byDefault, list, mapping, optional, required, scalar } from './shape.ts';
import type { Field, Shape } from './shape.ts';

/*
 * The table of umbra.yaml: every key with its shape, its default, and the environment variable above it.
 * Validation, the JSON Schema, the environment (src/config.ts) and docs/cli.md are generated from it.
 */

/** A key with what stands above it. */
export type Setting<T = unknown> = Field<T> & {
  readonly variable?: {
    readonly name: string;
    /** As the variable is written, where that differs from the file. */
    readonly shape: Shape<unknown>;
  };
};

/** Keys of one process or one server it needs. */
export type Section<Settings = Readonly<Record<string, Setting>>, T = unknown> = Field<T> & {
  readonly settings: Settings;
};

type Values<Settings> = {
  readonly [Key in keyof Settings]: Settings[Key] extends Field<infer T> ? T : never;
};

/** The variable `name` stands above this key. */
function under<T>(name: string, field: Field<T>, shape: Shape<unknown> = field.shape): Setting<T> {
  return { ...field, variable: { name, shape } };
}

/** A section that is left out means the defaults of its keys; none of them may be required. */
function section<Settings extends Readonly<Record<string, Setting>>>(
  noun: string,
  about: string,
  settings: Settings,
): Section<Settings, Values<Settings>> {
  const defaults = Object.fromEntries(Object.entries(settings).map(([key, { absent }]) => [key, absent?.value]));
  return { shape: mapping(settings, noun), absent: { value: defaults as Values<Settings> }, about, settings };
}

const logLevel = read.oneOf('a level', ['trace', 'debug', 'info', 'warn', 'error']);

const isPostgres = (value: unknown): value is string =>
  typeof value === 'string' && /^postgres(ql)?:\/\//.test(value) && URL.canParse(value);

const databaseUrl = scalar(
  'a postgres address',
  { type: 'string', format: 'uri' },
  (value) => {
    if (!isPostgres(value)) return undefined;
    return new URL(value).password === '' ? value : { refused: 'holds a password: put it into passwordFile' };
  },
  'write postgres://umbra@127.0.0.1:5432/umbra',
);

/** The environment of a container may hold the password; a file that is shown around may not. */
const databaseUrlWithPassword = scalar(
  'a postgres address',
  { type: 'string', format: 'uri' },
  (value) => (isPostgres(value) ? value : undefined),
  'write postgres://umbra:password@127.0.0.1:5432/umbra',
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

const ownCertificate = {
  certFile: required(read.secretFile, 'certificate with its chain'),
  keyFile: required(read.secretFile, 'its key'),
};

export const settings = {
  data: under('UMBRA_DATA', optional(read.folder, 'folder for snapshots and spools; `$XDG_STATE_HOME/umbra`')),
  log: under('UMBRA_LOG', byDefault(logLevel, 'info', 'info', 'how much is logged')),
  temporal: section('temporal', 'the Temporal cluster', {
    address: under(
      'TEMPORAL_ADDRESS',
      byDefault(read.hostPort(7233), '127.0.0.1:7233', '127.0.0.1:7233', 'the frontend'),
    ),
    namespace: under('TEMPORAL_NAMESPACE', byDefault(read.text('a namespace'), 'default', 'default', 'the namespace')),
    ui: under(
      'UMBRA_TEMPORAL_UI',
      optional(read.webAddress('http', 'https'), 'address of the Web UI, shown by umbra status'),
    ),
    apiKeyFile: optional(read.secretFile, 'file with an API key'),
    caFile: optional(read.secretFile, 'CA of the server'),
    certFile: optional(read.secretFile, 'client certificate'),
    keyFile: optional(read.secretFile, 'its key'),
  }),
  postgres: section('postgres', 'the store', {
    url: under(
      'UMBRA_POSTGRES_URL',
      byDefault(
        databaseUrl,
        'postgres://umbra@127.0.0.1:5432/umbra',
        'postgres://umbra@127.0.0.1:5432/umbra',
        'where it is; only the variable may hold the password',
      ),
      databaseUrlWithPassword,
    ),
    passwordFile: under('UMBRA_POSTGRES_PASSWORD_FILE', optional(read.secretFile, 'file with the password')),
  }),
  api: section('api', 'the api process', {
    listen: under(
      'UMBRA_API_LISTEN',
      byDefault(
        read.hostPort(8080),
        '127.0.0.1:8080',
        '127.0.0.1:8080',
        'dashboard and API; on loopback without tokens',
      ),
    ),
    hosts: under(
      'UMBRA_API_HOSTS',
      byDefault(
        list(read.text('a host name'), 'host names', { orOne: true }),
        [],
        [],
        'names the dashboard is reached by, beside localhost',
      ),
    ),
    tokensFile: under(
      'UMBRA_API_TOKENS_FILE',
      optional(read.secretFile, 'bearer tokens with roles, one a line; needed unless listen is loopback'),
    ),
    tls: optional(mapping(ownCertificate, 'a certificate'), 'serve https: certFile, keyFile'),
    heartbeats: under(
      'UMBRA_API_HEARTBEATS',
      optional(read.hostPort(8081), "listener of its own for guests' heartbeats"),
    ),
    dashboard: under(
      'UMBRA_DASHBOARD',
      optional(read.folder, 'folder of the built dashboard, when it is not beside the program'),
    ),
  }),
  heartbeatSecretFile: under(
    'UMBRA_HEARTBEAT_SECRET_FILE',
    optional(
      read.secretFile,
      "file with the secret that guests' heartbeat tokens are made from; api and worker share it",
    ),
  ),
  collector: section('collector', 'the collector process', {
    edge: under(
      'UMBRA_COLLECTOR_EDGE',
      byDefault(read.identifier('a name'), 'local', 'local', 'what this edge is called'),
    ),
    listen: under(
      'UMBRA_COLLECTOR_LISTEN',
      byDefault(
        list(dnstapListener, 'listeners', { least: 1, orOne: true }),
        [{ kind: 'tcp', address: '127.0.0.1:6000' }],
        'tcp://127.0.0.1:6000',
        'where name servers send dnstap',
      ),
    ),
    tls: optional(
      mapping(
        {
          ...ownCertificate,
          clientCaFile: optional(read.secretFile, 'name servers must show a certificate of this CA'),
        },
        'a certificate',
      ),
      'for tls:// listeners: certFile, keyFile, clientCaFile',
    ),
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
    spool: under(
      'UMBRA_COLLECTOR_SPOOL',
      optional(read.folder, 'folder that holds batches while the store is away; `spool` below `data`'),
    ),
    spoolMax: byDefault(read.memory, 1024, '1GiB', 'never more than this on disk'),
    api: under(
      'UMBRA_COLLECTOR_API',
      optional(read.webAddress('http', 'https'), 'send counts here instead of straight to PostgreSQL'),
    ),
    tokenFile: under('UMBRA_COLLECTOR_TOKEN_FILE', optional(read.secretFile, 'bearer token for it')),
  }),
  monitor: section('monitor', 'the monitor process', {
    vantage: under(
      'UMBRA_MONITOR_VANTAGE',
      byDefault(read.identifier('a name'), 'local', 'local', 'what this vantage point is called'),
    ),
    canary: under(
      'UMBRA_MONITOR_CANARY',
      optional(read.hostPort(443), 'something that always answers: while it does not, this monitor is blind'),
    ),
  }),
  worker: section('worker', 'the worker process', {
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
  }),
};

/** What umbra.yaml and the environment say, with defaults where they say nothing. */
export type SettingValues = Values<typeof settings>;

export const configShape = mapping(settings, "umbra's configuration");

export type ListedSetting = {
  /** `api.listen` */
  readonly key: string;
  readonly variable: string | undefined;
  /** As a user would write it; undefined where there is none. */
  readonly shownDefault: unknown;
  readonly about: string;
};

/** Every key of the table, in its order. */
export function listSettings(): ListedSetting[] {
  const listed = (key: string, { variable, shape, about }: Setting): ListedSetting => ({
    key,
    variable: variable?.name,
    shownDefault: shape.schema['default'],
    about,
  });
  return Object.entries(settings).flatMap(([key, entry]: [string, Setting | Section]) =>
    'settings' in entry
      ? Object.entries(entry.settings).map(([inner, setting]) => listed(`${key}.${inner}`, setting))
      : [listed(key, entry)],
  );
}

/** The table of docs/cli.md. */
export function settingsTable(): string {
  const shown = (value: unknown): string =>
    value === undefined || (Array.isArray(value) && value.length === 0)
      ? ''
      : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
  const rows = listSettings().map(
    ({ key, variable, shownDefault, about }) =>
      `| \`${key}\` | ${shown(variable)} | ${shown(shownDefault)} | ${about} |\n`,
  );
  return ['| key | variable | default | what |\n', '|---|---|---|---|\n', ...rows].join('');
}
