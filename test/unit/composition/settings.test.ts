import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  addressesOf,
  apiOptions,
  collectorSettings,
  monitorOptions,
  storePlace,
  workerOptions,
} from '../../../src/composition/process-options.ts';
import { loadConfig } from '../../../src/config.ts';
import type { Config } from '../../../src/config.ts';
import { configShape, listSettings, settingsTable } from '../../../src/inventory/umbra-yaml.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'umbra-settings-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Every key that may be written, `api.tls.certFile` too. */
function keysOf(schema: unknown, path: string[] = []): string[] {
  const { properties } = schema as { properties?: Record<string, unknown> };
  if (properties === undefined) return [path.join('.')];
  return Object.entries(properties).flatMap(([key, inner]) => keysOf(inner, [...path, key]));
}

/** A configuration in which every key is set. */
function wholeConfig(): Config {
  const file = (name: string, text = 'secret'): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const certificate = { certFile: file('cert'), keyFile: file('key') };
  const written = {
    data: folder,
    log: 'debug',
    temporal: {
      address: '192.0.2.1:7233',
      namespace: 'umbra',
      ui: 'http://192.0.2.1:8233',
      apiKeyFile: file('api-key'),
      caFile: file('ca'),
      ...certificate,
    },
    postgres: { url: 'postgres://umbra@192.0.2.2:5432/umbra', passwordFile: file('password') },
    api: {
      listen: '127.0.0.1:9090',
      hosts: ['umbra.example.com'],
      tokensFile: file('tokens', `viewer ada sha256:${'0'.repeat(64)}\n`),
      tls: certificate,
      heartbeats: '127.0.0.1:9091',
      dashboard: folder,
    },
    heartbeatSecretFile: file('heartbeat'),
    collector: {
      edge: 'north',
      listen: ['tls://127.0.0.1:6001'],
      tls: { ...certificate, clientCaFile: file('client-ca') },
      statistics: ['http://127.0.0.1:8053'],
      trustedResolvers: ['192.0.2.0/24'],
      spool: folder,
      spoolMax: '2GiB',
      api: 'https://umbra.example.com',
      tokenFile: file('token'),
    },
    monitor: { vantage: 'north', canary: '192.0.2.3:443' },
    worker: { threads: 2, batchAbove: 10, evaluateEvery: '30s' },
  };
  const { config, problems } = loadConfig(file('umbra.yaml', JSON.stringify(written)), {});
  expect(problems).toBeUndefined();
  // The test below is only as good as this configuration is complete.
  expect(keysOf(configShape.schema).filter((key) => valueAt(written, key) === undefined)).toEqual([]);
  return config!;
}

function valueAt(value: unknown, key: string): unknown {
  return key.split('.').reduce((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], value);
}

/** Notes the path of every value that is taken out. */
function recording<T extends object>(value: T, read: Set<string>, path: string[] = []): T {
  return new Proxy(value, {
    get: (target, name) => {
      const inner = Reflect.get(target, name) as unknown;
      if (typeof name === 'symbol') return inner;
      const at = [...path, name];
      if (typeof inner === 'object' && inner !== null && !Array.isArray(inner)) return recording(inner, read, at);
      read.add(at.join('.'));
      return inner;
    },
  });
}

test('every key of umbra.yaml is read by a process', async () => {
  const read = new Set<string>();
  const config = recording(wholeConfig(), read);
  storePlace(config);
  addressesOf(config, undefined);
  collectorSettings(config);
  await Promise.all([workerOptions(config), monitorOptions(config), apiOptions(config)]);
  // The database's keys are read when the configuration is loaded, into one address.
  const unread = keysOf(configShape.schema).filter((key) => !read.has(key.replace(/^postgres\..*/, 'postgresUrl')));
  expect(unread).toEqual([]);
  expect(config.postgresUrl).toBe('postgres://umbra:secret@192.0.2.2:5432/umbra');
});

test('a vantage point of the command line stands above the configured one', async () => {
  expect((await monitorOptions(wholeConfig(), 'south')).vantage).toBe('south');
  expect((await monitorOptions(wholeConfig())).vantage).toBe('north');
});

test('every variable stands above its key', () => {
  const values: Record<string, string> = { UMBRA_LOG: 'warn', UMBRA_COLLECTOR_LISTEN: 'tcp://127.0.0.1:1' };
  for (const { variable } of listSettings()) {
    if (variable === undefined || variable in values) continue;
    if (variable === 'UMBRA_POSTGRES_URL') values[variable] = 'postgres://other@127.0.0.1/other';
    else if (/_FILE$|DATA|SPOOL|DASHBOARD/.test(variable)) values[variable] = '/somewhere/else';
    else if (/UI$|COLLECTOR_API$/.test(variable)) values[variable] = 'http://elsewhere.example.com';
    else if (/ADDRESS|LISTEN|HEARTBEATS|CANARY/.test(variable)) values[variable] = '127.0.0.1:1';
    else values[variable] = 'elsewhere';
  }
  const before = wholeConfig() as unknown;
  const file = join(folder, 'umbra.yaml');
  for (const { key, variable } of listSettings()) {
    if (variable === undefined || key === 'postgres.passwordFile') continue;
    const { config, problems } = loadConfig(file, { [variable]: values[variable] });
    expect([variable, problems]).toEqual([variable, undefined]);
    const where = key === 'postgres.url' ? 'postgresUrl' : key;
    expect([variable, valueAt(config, where)]).not.toEqual([variable, valueAt(before, where)]);
  }
});

test('docs/cli.md has the table of umbra.yaml; UMBRA_WRITE_DOCS=1 writes it', () => {
  const page = new URL('../../../docs/cli.md', import.meta.url);
  const [begin, end] = ['<!-- generated: umbra.yaml -->\n', '<!-- end of generated -->'];
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)];
  expect(text.includes(begin) && from <= to).toBe(true);
  if (process.env['UMBRA_WRITE_DOCS'] === '1')
    writeFileSync(page, `${text.slice(0, from)}${settingsTable()}${text.slice(to)}`);
  expect(readFileSync(page, 'utf8').slice(from, readFileSync(page, 'utf8').indexOf(end))).toBe(settingsTable());
});
