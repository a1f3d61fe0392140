import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseShape } from './inventory/parse.ts';
import type { Problem } from './inventory/problem.ts';
import * as read from './inventory/scalars.ts';
import { list } from './inventory/shape.ts';
import type { Shape } from './inventory/shape.ts';
import {
  apiShape,
  collectorShape,
  configShape,
  dnstapListener,
  monitorShape,
  postgresShape,
  temporalShape,
  workerShape,
} from './inventory/umbra-yaml.ts';

/*
 * What processes are told: umbra.yaml, and above it the environment. The only file that reads the environment.
 * Without any file the defaults are those of one machine.
 */

type ValueOf<S> = S extends Shape<infer T> ? T : never;

/** Complete: every process finds its part, with defaults filled in. Names files; holds no secret but the database URL. */
export type Config = {
  /** Where it was read from; undefined: only defaults and the environment. */
  readonly file: string | undefined;
  readonly data: string;
  readonly log: ValueOf<typeof configShape>['log'];
  readonly temporal: ValueOf<typeof temporalShape>;
  /** With its password: never to be logged. */
  readonly postgresUrl: string;
  readonly api: ValueOf<typeof apiShape>;
  readonly heartbeatSecretFile: string | undefined;
  readonly collector: ValueOf<typeof collectorShape>;
  readonly monitor: ValueOf<typeof monitorShape>;
  readonly worker: ValueOf<typeof workerShape>;
  /** Folder of the built dashboard, when it is not beside the program. */
  readonly webRoot: string | undefined;
};

type Variables = Readonly<Record<string, string | undefined>>;

/** Environment variables that stand above umbra.yaml: those that differ between containers of one image. */
export const configVariables = [
  'UMBRA_CONFIG',
  'UMBRA_DATA',
  'UMBRA_LOG',
  'UMBRA_POSTGRES_URL',
  'UMBRA_POSTGRES_PASSWORD_FILE',
  'TEMPORAL_ADDRESS',
  'TEMPORAL_NAMESPACE',
  'UMBRA_TEMPORAL_UI',
  'UMBRA_API_LISTEN',
  'UMBRA_API_HOSTS',
  'UMBRA_API_TOKENS_FILE',
  'UMBRA_API_HEARTBEATS',
  'UMBRA_HEARTBEAT_SECRET_FILE',
  'UMBRA_COLLECTOR_EDGE',
  'UMBRA_COLLECTOR_LISTEN',
  'UMBRA_COLLECTOR_API',
  'UMBRA_COLLECTOR_TOKEN_FILE',
  'UMBRA_COLLECTOR_SPOOL',
  'UMBRA_MONITOR_VANTAGE',
  'UMBRA_MONITOR_CANARY',
  'UMBRA_DASHBOARD',
] as const;

export type LoadedConfig =
  | { readonly config: Config; readonly problems?: undefined }
  | { readonly problems: readonly Problem[]; readonly config?: undefined };

const wellKnownFiles = ['umbra.yaml', '/etc/umbra/umbra.yaml'];

/**
 * @param file as given on the command line; else UMBRA_CONFIG, ./umbra.yaml, /etc/umbra/umbra.yaml
 * @returns the configuration, or what is wrong with it and where
 */
export function loadConfig(file?: string, env: Variables = process.env): LoadedConfig {
  const named = file ?? env['UMBRA_CONFIG'];
  const found = named ?? wellKnownFiles.find((candidate) => existsSync(candidate));
  let written = parseShape(configShape, '{}', 'defaults');
  if (found !== undefined) {
    try {
      written = parseShape(configShape, readFileSync(found, 'utf8'), found);
    } catch (error) {
      return {
        problems: [{ file: found, line: 0, column: 0, path: '', message: `cannot be read: ${messageOf(error)}` }],
      };
    }
  }
  if (written.problems !== undefined) return { problems: written.problems };
  const problems: Problem[] = [];
  const config = withEnvironment(written.value, env, problems, found);
  return problems.length > 0 ? { problems } : { config };
}

function withEnvironment(
  value: ValueOf<typeof configShape>,
  env: Variables,
  problems: Problem[],
  file: string | undefined,
): Config {
  /** A variable, read with the shape of the key it stands above. */
  const over = <T>(name: (typeof configVariables)[number], shape: Shape<T>, otherwise: T): T => {
    const text = env[name];
    if (text === undefined || text === '') return otherwise;
    const parsed = parseShape(shape, JSON.stringify(text.includes(',') ? text.split(',') : text), name);
    if (parsed.problems === undefined) return parsed.value;
    problems.push(
      ...parsed.problems.map(({ message }) => ({ file: 'environment', line: 0, column: 0, path: name, message })),
    );
    return otherwise;
  };
  const whole = <T>(shape: Shape<T>, written: T | undefined): T => {
    if (written !== undefined) return written;
    const parsed = parseShape(shape, '{}', 'defaults');
    if (parsed.problems !== undefined) throw new Error('defaults are incomplete');
    return parsed.value;
  };
  const temporalPart = whole(temporalShape, value.temporal);
  const apiPart = whole(apiShape, value.api);
  const collectorPart = whole(collectorShape, value.collector);
  const monitorPart = whole(monitorShape, value.monitor);
  const data = over('UMBRA_DATA', read.secretFile, value.data ?? join(stateHome(env), 'umbra'));
  return {
    file,
    data,
    log: over('UMBRA_LOG', read.oneOf('a level', ['trace', 'debug', 'info', 'warn', 'error']), value.log),
    temporal: {
      ...temporalPart,
      address: over('TEMPORAL_ADDRESS', read.hostPort(7233), temporalPart.address),
      namespace: over('TEMPORAL_NAMESPACE', read.text('a namespace'), temporalPart.namespace),
      ui: over<string | undefined>('UMBRA_TEMPORAL_UI', read.webAddress('http', 'https'), temporalPart.ui),
    },
    postgresUrl: databaseOf(whole(postgresShape, value.postgres), env, problems),
    api: {
      ...apiPart,
      listen: over('UMBRA_API_LISTEN', read.hostPort(8080), apiPart.listen),
      hosts: over('UMBRA_API_HOSTS', list(read.text('a host name'), 'host names', { orOne: true }), apiPart.hosts),
      tokensFile: over<string | undefined>('UMBRA_API_TOKENS_FILE', read.secretFile, apiPart.tokensFile),
      heartbeats: over<string | undefined>('UMBRA_API_HEARTBEATS', read.hostPort(8081), apiPart.heartbeats),
    },
    heartbeatSecretFile: over<string | undefined>(
      'UMBRA_HEARTBEAT_SECRET_FILE',
      read.secretFile,
      value.heartbeatSecretFile,
    ),
    collector: {
      ...collectorPart,
      edge: over('UMBRA_COLLECTOR_EDGE', read.identifier('a name'), collectorPart.edge),
      listen: over(
        'UMBRA_COLLECTOR_LISTEN',
        list(dnstapListener, 'listeners', { least: 1, orOne: true }),
        collectorPart.listen,
      ),
      api: over<string | undefined>('UMBRA_COLLECTOR_API', read.webAddress('http', 'https'), collectorPart.api),
      tokenFile: over<string | undefined>('UMBRA_COLLECTOR_TOKEN_FILE', read.secretFile, collectorPart.tokenFile),
      spool: over<string | undefined>(
        'UMBRA_COLLECTOR_SPOOL',
        read.secretFile,
        collectorPart.spool ?? join(data, 'spool'),
      ),
    },
    monitor: {
      ...monitorPart,
      vantage: over('UMBRA_MONITOR_VANTAGE', read.identifier('a name'), monitorPart.vantage),
      canary: over<string | undefined>('UMBRA_MONITOR_CANARY', read.hostPort(443), monitorPart.canary),
    },
    worker: whole(workerShape, value.worker),
    webRoot: env['UMBRA_DASHBOARD'],
  };
}

/** The environment may hold the whole URL with its password; the file may only name a file with it. */
function databaseOf(part: ValueOf<typeof postgresShape>, env: Variables, problems: Problem[]): string {
  const given = env['UMBRA_POSTGRES_URL'];
  const url = given === undefined || given === '' ? part.url : given;
  if (!URL.canParse(url)) {
    problems.push({
      file: 'environment',
      line: 0,
      column: 0,
      path: 'UMBRA_POSTGRES_URL',
      message: 'is not a postgres address',
    });
    return part.url;
  }
  const passwordFile = env['UMBRA_POSTGRES_PASSWORD_FILE'] ?? part.passwordFile;
  if (passwordFile === undefined || new URL(url).password !== '') return url;
  const complete = new URL(url);
  try {
    complete.password = encodeURIComponent(readFileSync(passwordFile, 'utf8').trim());
  } catch (error) {
    problems.push({ file: passwordFile, line: 0, column: 0, path: '', message: `cannot be read: ${messageOf(error)}` });
  }
  return complete.href;
}

/** What the command line takes from its surroundings. */
export type Surroundings = {
  /** UMBRA_API: where the API is, instead of asking the instance file. */
  readonly api: string | undefined;
  /** UMBRA_API_TOKEN, or the content of UMBRA_API_TOKEN_FILE. */
  readonly token: string | undefined;
  /** `instance.json` of a running `umbra dev`. */
  readonly instanceFile: string;
  readonly noColor: boolean;
  /** Who asks, for events: the name of the account. */
  readonly user: string;
  /** UMBRA_DASHBOARD, the folder of the built dashboard. */
  readonly webRoot: string | undefined;
  /** TEMPORAL_CLI, a Temporal binary to start in the demonstration. */
  readonly temporalCli: string | undefined;
};

export function readSurroundings(env: Variables = process.env): Surroundings {
  const tokenFile = env['UMBRA_API_TOKEN_FILE'];
  const token =
    env['UMBRA_API_TOKEN'] ?? (tokenFile === undefined ? undefined : readFileSync(tokenFile, 'utf8').trim());
  return {
    api: env['UMBRA_API'],
    token,
    instanceFile: join(stateHome(env), 'umbra', 'instance.json'),
    // https://no-color.org: present and not empty.
    noColor: (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb',
    user: env['USER'] ?? env['LOGNAME'] ?? 'somebody',
    webRoot: env['UMBRA_DASHBOARD'],
    temporalCli: env['TEMPORAL_CLI'],
  };
}

function stateHome(env: Variables): string {
  const home = env['XDG_STATE_HOME'];
  return home === undefined || home === '' ? join(env['HOME'] ?? homedir(), '.local', 'state') : home;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
