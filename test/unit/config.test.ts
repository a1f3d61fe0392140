import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadConfig, readSurroundings } from '../../src/config.ts';
import { formatProblem } from '../../src/inventory/problem.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'umbra-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function problemsOf(text: string, env: Record<string, string> = {}): string[] {
  const file = write('umbra.yaml', text);
  return (loadConfig(file, env).problems ?? []).map((problem) => formatProblem(problem).replaceAll(`${folder}/`, ''));
}

describe('umbra.yaml', () => {
  test('the shipped example says what the defaults are', () => {
    const example = fileURLToPath(new URL('../../examples/umbra.yaml', import.meta.url));
    const env = { HOME: '/home/ada' };
    const { config } = loadConfig(example, env);
    expect({ ...config, file: undefined }).toEqual(
      loadConfig(write('empty.yaml', '{}'), env).config && {
        ...loadConfig(write('empty.yaml', '{}'), env).config,
        file: undefined,
      },
    );
    expect(config).toMatchObject({
      data: '/home/ada/.local/state/umbra',
      api: { listen: '127.0.0.1:8080' },
      temporal: { address: '127.0.0.1:7233', namespace: 'default' },
      collector: { edge: 'local', listen: [{ kind: 'tcp', address: '127.0.0.1:6000' }] },
    });
  });

  test('problems are named with their place', () => {
    expect(problemsOf('api:\n  listen: nowhere:99999\n')).toEqual([
      'umbra.yaml:2:3 api.listen: "nowhere:99999" is not a host and port',
    ]);
    expect(problemsOf('apt:\n  listen: x\n')).toEqual([
      "umbra.yaml:1:1 apt: is not a key of umbra's configuration; did you mean api?",
    ]);
    expect(problemsOf('collector: { trustedResolvers: [192.0.2.0/24, "2001:db8::/32", 192.0.2.1] }\n')).toEqual([]);
    expect(problemsOf('collector: { trustedResolvers: 192.0.2.0/33 }\n')).toEqual([
      'umbra.yaml:1:14 collector.trustedResolvers: "192.0.2.0/33" is not an address prefix',
    ]);
    expect(problemsOf('collector: { listen: [udp://x:1] }\n')).toEqual([
      'umbra.yaml:1:23 collector.listen[0]: "udp://x:1" is not a dnstap listener',
    ]);
  });

  test('a password in the file is refused, and one in its own file is used', () => {
    expect(problemsOf('postgres: { url: "postgres://umbra:secret@db/umbra" }\n')[0]).toContain(
      'holds a password: put it into passwordFile',
    );
    const passwordFile = write('password', 'p@ss/word\n');
    const file = write(
      'with.yaml',
      `postgres: { url: "postgres://umbra@db/umbra", passwordFile: "${passwordFile}" }\n`,
    );
    expect(loadConfig(file, {}).config?.postgresUrl).toBe('postgres://umbra:p%40ss%2Fword@db/umbra');
  });

  test('a file that is not there says so', () => {
    const { problems } = loadConfig(join(folder, 'none.yaml'), {});
    expect(formatProblem(problems![0]!)).toMatch(/none\.yaml cannot be read: .*ENOENT/);
  });
});

describe('the environment', () => {
  test('stands above the file', () => {
    const file = write('umbra.yaml', 'api: { listen: 127.0.0.1:1 }\n');
    const env = {
      UMBRA_API_LISTEN: '0.0.0.0:9',
      UMBRA_COLLECTOR_LISTEN: 'unix:/run/d.sock,tcp://0.0.0.0:6000',
      TEMPORAL_ADDRESS: 'temporal:7233',
      UMBRA_POSTGRES_URL: 'postgres://u:p@db/umbra',
    };
    expect(loadConfig(file, env).config).toMatchObject({
      api: { listen: '0.0.0.0:9' },
      collector: {
        listen: [
          { kind: 'unix', path: '/run/d.sock' },
          { kind: 'tcp', address: '0.0.0.0:6000' },
        ],
      },
      temporal: { address: 'temporal:7233' },
      postgresUrl: 'postgres://u:p@db/umbra',
    });
  });

  test('is validated too, and named', () => {
    expect(problemsOf('{}', { UMBRA_MONITOR_VANTAGE: 'North Pole' })).toEqual([
      'environment UMBRA_MONITOR_VANTAGE: "North Pole" is not a name',
    ]);
  });

  test('tells the command line where the instance file is, and the token by file', () => {
    const file = write('token', 'abc\n');
    expect(readSurroundings({ XDG_STATE_HOME: '/s', UMBRA_API_TOKEN_FILE: file, NO_COLOR: '1', USER: 'ada' })).toEqual({
      api: undefined,
      token: 'abc',
      instanceFile: '/s/umbra/instance.json',
      noColor: true,
      user: 'ada',
      webRoot: undefined,
      temporalCli: undefined,
    });
  });
});
