import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { run } from '../../../src/cli/program.ts';
import { configVariables, loadConfig } from '../../../src/config.ts';
import type { Config } from '../../../src/config.ts';
import { searchAttributeTypes } from '../../../src/domain/search-attributes.ts';
import { parseInventory } from '../../../src/inventory/parse.ts';
import { fakeTerminal } from '../cli/terminal.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

type Service = {
  readonly image: string;
  readonly build?: { readonly target: string };
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly cap_drop?: readonly string[];
  readonly read_only?: boolean;
};
type Compose = {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
};

const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const services = Object.entries(compose.services);
/** Those that run our program; the rest are other projects' images with scripts of ours. */
const ours = services.filter(([, { image }]) => image.startsWith('umbra:'));
const dockerfile = read('Dockerfile');

describe('docker-compose.yml', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'umbra-compose-'));
    writeFileSync(join(folder, 'postgres_password'), 'secret\n');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** The program's own reading of a service's environment and of the file that is mounted into it. */
  function configOf({ environment = {} }: Service): Config {
    const here = { ...environment, UMBRA_POSTGRES_PASSWORD_FILE: join(folder, 'postgres_password') };
    const { config, problems } = loadConfig(join(root, 'docker/umbra.yaml'), here);
    expect(problems).toBeUndefined();
    return config!;
  }

  test.each([...ours, ...services.filter(([name]) => name === 'simulator')])(
    '%s runs a verb of the program with options that it has',
    async (name, { command = [] }) => {
      // The image's entry point: the simulator's script adds the verb.
      const words = name === 'simulator' ? ['sim', ...command] : command;
      const verb = words.slice(
        0,
        words.findIndex((word) => word.startsWith('-')) === -1
          ? undefined
          : words.findIndex((word) => word.startsWith('-')),
      );
      const terminal = fakeTerminal({});
      expect(await run([...verb, '--help'], terminal)).toBe(0);
      expect(terminal.said.out).toContain(`Usage: umbra ${verb.join(' ')} `);
      for (const option of words.filter((word) => word.startsWith('-'))) {
        expect(terminal.said.out).toMatch(new RegExp(`(^|[ ,])${option}([ ,]|$)`, 'm'));
      }
    },
  );

  test('every environment variable is one the program reads, with a value it takes', () => {
    // NODE_OPTIONS is Node's own.
    const known = new Set<string>([...configVariables, 'UMBRA_API', 'UMBRA_API_TOKEN_FILE', 'NODE_OPTIONS']);
    for (const [name, service] of ours) {
      expect({ name, unknown: Object.keys(service.environment ?? {}).filter((key) => !known.has(key)) }).toEqual({
        name,
        unknown: [],
      });
      configOf(service);
    }
  });

  test('every published port is one that something listens on inside', () => {
    const { api, collector } = compose.services;
    const listens = configOf(api!).api;
    expect(api!.ports).toEqual([`127.0.0.1:8080:${portOf(listens.listen)}`, `8081:${portOf(listens.heartbeats!)}`]);
    const [tcp, unix] = configOf(collector!).collector.listen;
    expect(tcp).toEqual({ kind: 'tcp', address: '0.0.0.0:6000' });
    expect(collector!.ports).toEqual(['127.0.0.1:6000:6000']);
    const named = read('docker/named.conf');
    expect(unix).toEqual({ kind: 'unix', path: /dnstap-output unix "([^"]+)"/.exec(named)?.[1] });
    const dns = /listen-on port (\d+)/.exec(named)?.[1];
    expect(compose.services['name-server']!.ports).toEqual([`127.0.0.1:5300:${dns}/udp`, `127.0.0.1:5300:${dns}/tcp`]);
    expect(compose.services['load']!.command).toContain(`127.0.0.1:${dns}`);
    expect(compose.services['temporal-ui']!.ports?.[0]).toMatch(
      new RegExp(`^${hostOf(listensAt('UMBRA_TEMPORAL_UI'))}:`),
    );
  });

  function listensAt(variable: string): string {
    return compose.services['api']!.environment![variable]!.replace('http://', '');
  }

  test('every volume, secret and mounted file is there', () => {
    for (const [name, { volumes = [], secrets = [] }] of services) {
      for (const volume of volumes) {
        const [source = ''] = volume.split(':');
        const there = source.startsWith('./') ? existsSync(join(root, source)) : source in compose.volumes;
        expect({ name, source, there }).toEqual({ name, source, there: true });
      }
      for (const secret of secrets) expect(Object.keys(compose.secrets)).toContain(secret);
    }
    const made = [...read('docker/secrets.sh').matchAll(/make (\w+) /g)].map(([, name]) => name);
    for (const [name, { file }] of Object.entries(compose.secrets)) {
      expect(file).toBe(`./docker/secrets/${name}`);
      expect(made).toContain(name);
    }
  });

  test('a file under /run/secrets is a secret of the service that names it', () => {
    const inventory = read('docker/inventory.demo.yaml');
    const worker = compose.services['worker']!.secrets;
    for (const [, name] of inventory.matchAll(/\/run\/secrets\/(\w+)/g)) expect(worker).toContain(name);
    for (const [service, { environment = {}, command = [], secrets = [] }] of services) {
      for (const text of [...Object.values(environment), ...command]) {
        const name = /^\/run\/secrets\/(\w+)$/.exec(text)?.[1];
        if (name !== undefined)
          expect({ service, name, given: secrets.includes(name) }).toEqual({ service, name, given: true });
      }
    }
  });

  test('waits for what there is, and for health only where health is checked', () => {
    for (const [name, { depends_on = {} }] of services) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        const awaited = compose.services[other];
        expect({ name, other, known: awaited !== undefined }).toEqual({ name, other, known: true });
        if (condition === 'service_healthy') expect(awaited!.healthcheck).toBeDefined();
      }
    }
    expect(compose.services['api']!.healthcheck!.test.join(' ')).toContain(
      `http://127.0.0.1:${portOf(compose.services['api']!.environment!['UMBRA_API_LISTEN']!)}/healthz`,
    );
  });

  test('pins every tag, and .env.example names the same', () => {
    const example: unknown = Object.fromEntries(
      [...read('docker/.env.example').matchAll(/^(\w+)=(.+)$/gm)].map(([, key, value]) => [key, value]),
    );
    const defaults: Record<string, string> = {};
    for (const [name, { image }] of services) {
      const [, variable, tag] = /\$\{(\w+):-([^}]+)\}$/.exec(image) ?? [];
      if (variable !== undefined) defaults[variable] = tag!;
      const pinned = tag ?? image.split(':')[1];
      expect(`${name} ${pinned}`).toMatch(/ \d+\.\d+/);
    }
    expect(example).toEqual(defaults);
    for (const [, from] of dockerfile.matchAll(/^FROM (\S+)/gm)) {
      if (from!.includes(':')) expect(from).toMatch(/:(\d+\.\d+\S*|bookworm-slim)$/);
    }
  });

  test('our processes run without root, without capabilities and on a file system they cannot write', () => {
    for (const [, { cap_drop, read_only }] of ours)
      expect({ cap_drop, read_only }).toEqual({ cap_drop: ['ALL'], read_only: true });
    const stages = dockerfile.split(/^FROM /m);
    expect(stages.find((stage) => stage.includes(' AS umbra\n'))).toMatch(/^USER node$/m);
    expect(stages.find((stage) => stage.includes(' AS name-server\n'))).toMatch(/^USER bind$/m);
    // The simulator's script gives up root once its guests have their addresses.
    expect(read('docker/simulator.sh')).toMatch(/^exec setpriv --reuid=node .* umbra sim /m);
    for (const [, { build }] of services) {
      if (build !== undefined) expect(dockerfile).toContain(` AS ${build.target}\n`);
    }
    for (const [, file] of dockerfile.matchAll(/^COPY (?!--from)(\S+) \S+$/gm))
      expect(existsSync(join(root, file!))).toBe(true);
  });

  test('makes the search attributes that workflows write', () => {
    const made: unknown = Object.fromEntries(
      [...read('docker/temporal/namespace.sh').matchAll(/\b([A-Z]\w+):(Keyword|Datetime|Bool)\b/g)].map(
        ([, name, type]) => [name, type!.toUpperCase()],
      ),
    );
    expect(made).toEqual(searchAttributeTypes);
  });

  test('the demonstration’s inventory is one, and its guests are where the simulator puts them', () => {
    const parsed = parseInventory(read('docker/inventory.demo.yaml'), 'docker/inventory.demo.yaml');
    expect(parsed.problems).toBeUndefined();
    const { command = [] } = compose.services['simulator']!;
    const network = command[command.indexOf('--guest-network') + 1]!;
    const zone = read('docker/umbra.example.zone');
    for (const { id, primary } of parsed.inventory!.hostedVms) {
      expect(primary.address).toBe(`${network}${primary.vmid}`);
      expect(zone).toMatch(new RegExp(`^${id} IN A ${primary.address}$`, 'm'));
    }
    const certificate = command[command.indexOf('--certificate') + 1];
    expect(read('docker/inventory.demo.yaml')).toContain(`caFile: ${certificate}`);
  });
});

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(':') + 1);
}

function hostOf(address: string): string {
  return address.replaceAll('.', '\\.');
}
