import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseShape } from './inventory/parse.ts';
import type { Problem } from './inventory/problem.ts';
import { configShape, listSettings, settings } from './inventory/umbra-yaml.ts';
import type { Section, Setting, SettingValues } from './inventory/umbra-yaml.ts';

/*
 * What processes are told: umbra.yaml, and above it the environment. The only file that reads the environment.
 * Without any file the defaults are those of one machine.
 */

/** Complete: every process finds its part, with defaults filled in. Names files; holds no secret but the database URL. */
export type Config = Omit<SettingValues, 'data' | 'postgres' | 'collector'> & {
  /** Where it was read from; undefined: only defaults and the environment. */
  readonly file: string | undefined;
  readonly data: string;
  /** With its password: never to be logged. */
  readonly postgresUrl: string;
  readonly collector: SettingValues['collector'] & { readonly spool: string };
};

type Variables = Readonly<Record<string, string | undefined>>;

/** Environment variables that stand above umbra.yaml: those that differ between containers of one image. */
export const configVariables: readonly string[] = [
  'UMBRA_CONFIG',
  ...listSettings().flatMap(({ variable }) => (variable === undefined ? [] : [variable])),
];

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
  let text = '{}';
  try {
    if (found !== undefined) text = readFileSync(found, 'utf8');
  } catch (error) {
    return { problems: [problem(found ?? '', '', `cannot be read: ${messageOf(error)}`)] };
  }
  const written = parseShape(configShape, text, found ?? 'defaults');
  if (written.problems !== undefined) return { problems: written.problems };
  const problems: Problem[] = [];
  const values = withEnvironment(settings, written.value, env, problems) as SettingValues;
  const config = complete(values, found, env, problems);
  return problems.length > 0 ? { problems } : { config };
}

/** Where a variable is set, its value as the key's shape reads it; everywhere else what the file says. */
function withEnvironment(
  table: Readonly<Record<string, Setting | Section>>,
  written: object,
  env: Variables,
  problems: Problem[],
): object {
  const values = Object.entries(table).map(([key, entry]) => {
    const value = (written as Record<string, unknown>)[key];
    if ('settings' in entry) return [key, withEnvironment(entry.settings, value as object, env, problems)];
    const said = entry.variable === undefined ? undefined : env[entry.variable.name];
    if (entry.variable === undefined || said === undefined || said === '') return [key, value];
    const { name, shape } = entry.variable;
    const parsed = parseShape(shape, JSON.stringify(said.includes(',') ? said.split(',') : said), name);
    if (parsed.problems === undefined) return [key, parsed.value];
    problems.push(...parsed.problems.map(({ message }) => problem('environment', name, message)));
    return [key, value];
  });
  return Object.fromEntries(values) as object;
}

function complete(
  { data: said, postgres, collector, ...rest }: SettingValues,
  file: string | undefined,
  env: Variables,
  problems: Problem[],
): Config {
  const data = said ?? join(stateHome(env), 'umbra');
  const spool = collector.spool ?? join(data, 'spool');
  return {
    ...rest,
    file,
    data,
    postgresUrl: withPassword(postgres, problems),
    collector: { ...collector, spool },
  };
}

function withPassword({ url, passwordFile }: SettingValues['postgres'], problems: Problem[]): string {
  const whole = new URL(url);
  if (passwordFile === undefined || whole.password !== '') return url;
  try {
    whole.password = encodeURIComponent(readFileSync(passwordFile, 'utf8').trim());
  } catch (error) {
    problems.push(problem(passwordFile, '', `cannot be read: ${messageOf(error)}`));
  }
  return whole.href;
}

function problem(file: string, path: string, message: string): Problem {
  return { file, line: 0, column: 0, path, message };
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
