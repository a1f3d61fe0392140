import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { run } from '../../../src/cli/program.ts';
import { fakeTerminal } from '../cli/terminal.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const under = (folder: string, ending: RegExp): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => ending.test(path))
    .map((path) => join(folder, path));

/** Words in back-ticks on that page that are values, not verbs. */
const notVerbs = /^umbra (umbra|npm|viewer|operator|admin|edge|reason|text|optionally|hostedVmId|node|dist)\b/;

const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...under('docs', /\.md$/),
  'docker/README.md',
];
/** What users copy commands from. */
const told = [...documents, ...under('examples', /\.yaml$/), 'docker-compose.yml'];

test.each(documents)('every link of %s leads somewhere', (path) => {
  const text = read(path);
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  const missing = targets
    .filter((target) => !/^(https?|mailto):/.test(target))
    .filter((target) => {
      const [file = '', anchor] = target.split('#');
      const place = file === '' ? join(root, path) : resolve(root, dirname(path), file);
      if (!existsSync(place)) return true;
      return anchor !== undefined && !headingsOf(readFileSync(place, 'utf8')).includes(anchor);
    });
  expect(missing).toEqual([]);
  // Files that are only named: `docs/guest.md`, `test/unit/...`.
  const named = [...text.matchAll(/`((?:docs|src|test|tools|docker|examples|bench)\/[\w./-]+\.\w+)`/g)];
  expect(named.map(([, file]) => file!).filter((file) => !existsSync(join(root, file)))).toEqual([]);
});

function headingsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .trim()
      .replace(/\s/g, '-'),
  );
}

describe('every command that the documents name exists', () => {
  /** `umbra VERB ...` in code, up to a comment, a pipe or the end of the span. */
  const commands = documents.flatMap((path) =>
    codeOf(path).flatMap((code) =>
      [...code.matchAll(/(?:^|[\s($"])(?:bin\/)?umbra ([a-z][a-z-]*)([^\n|;#&)`]*)/gm)].map(([, verb, rest]) => ({
        path,
        verb: verb!,
        rest: rest!,
      })),
    ),
  );

  test('there are some', () => expect(commands.length).toBeGreaterThan(40));

  test('with the verb and its options', async () => {
    const helps = new Map<string, string>();
    const wrong: string[] = [];
    for (const { path, verb, rest } of commands) {
      const sub = /^ (fault|load|failures)\b/.exec(rest)?.[1];
      const words = [verb, ...(sub === undefined ? [] : [sub])];
      const key = words.join(' ');
      if (!helps.has(key)) {
        const terminal = fakeTerminal({});
        const code = await run([...words, '--help'], terminal);
        helps.set(key, code === 0 && terminal.said.out.includes(`umbra ${key}`) ? terminal.said.out : '');
      }
      const help = helps.get(key)!;
      if (help === '') wrong.push(`${path}: umbra ${key}`);
      for (const [option] of rest.matchAll(/--?[a-z][a-z-]*/g)) {
        if (/^-[a-z]/.test(option) && !/\s-[a-z]\b/.test(rest)) continue;
        if (help !== '' && !new RegExp(`(^|[ ,])${option}([ ,]|$)`, 'm').test(help))
          wrong.push(`${path}: umbra ${key} ${option}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('every verb is documented in docs/cli.md', async () => {
    const terminal = fakeTerminal({});
    await run(['--help'], terminal);
    const [commandsPart = ''] = terminal.said.out.split('Exit codes:');
    const verbs = [...commandsPart.matchAll(/^ {2}([a-z][a-z-]+)(?:\|[a-z]+)? .{10,}$/gm)].map(([, verb]) => verb!);
    expect(verbs.length).toBeGreaterThan(25);
    const cli = read('docs/cli.md');
    expect(verbs.filter((verb) => verb !== 'help' && !new RegExp(`\`${verb}\\b`).test(cli))).toEqual([]);
  });

  test('every npm script', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = told.flatMap((path) =>
      [...read(path).matchAll(/npm run (?:-s )?([a-z]+)/g)].map(([, name]) => name!),
    );
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});

test('every environment variable that is named is read by the program, its tools or the script beside it', () => {
  const sources = ['src', 'tools', 'test/support', 'docker']
    .flatMap((folder) => under(folder, /\.(ts|mjs|sh)$/))
    .map(read)
    .join('\n');
  const unknown = told.flatMap((path) =>
    [...read(path).matchAll(/\b((?:UMBRA|TEMPORAL)_[A-Z_]*[A-Z])\b(?!_TAG|=)/g)]
      .map(([, name]) => name!)
      .filter((name) => !name.endsWith('_TAG'))
      .filter((name) => !sources.includes(name) && !read(path).includes(`\${${name}:`))
      .map((name) => `${path}: ${name}`),
  );
  expect([...new Set(unknown)].filter((each) => !each.startsWith('docker-compose.yml: TEMPORAL_'))).toEqual([]);
});

test('every port of this machine that the documents name is one that Umbra takes by default', () => {
  const sources = ['src/demo/dev-ports.ts', 'src/inventory/umbra-yaml.ts', 'src/cli/sim.ts', 'docker-compose.yml'].map(
    read,
  );
  const documented = ['README.md', 'docs/cli.md', 'docs/guest.md', 'docker/README.md', 'examples/umbra.yaml'];
  const ports = documented.flatMap((path) =>
    [...read(path).matchAll(/(?:127\.0\.0\.1|0\.0\.0\.0|localhost):(\d+)|127\.0\.0\.1 -p (\d+)/g)].map(
      ([, port, dig]) => `${path}: ${port ?? dig}`,
    ),
  );
  expect(ports.length).toBeGreaterThan(8);
  const mentions = (port: string): boolean => sources.some((text) => new RegExp(`\\b${port}\\b`).test(text));
  // BIND's statistics channel is the operator's choice; PostgreSQL and https have ports of their own.
  const foreign = ['8053', '5432', '443'];
  expect(ports.filter((each) => !foreign.includes(each.split(': ')[1]!) && !mentions(each.split(': ')[1]!))).toEqual(
    [],
  );
});

/** Fenced blocks, and spans of code between back-ticks. The page of the command line leaves out the name of the program. */
function codeOf(path: string): string[] {
  // Generated tables hold keys and defaults, which a test of their own compares.
  const markdown = read(path).replace(/^<!-- generated: .*?^<!-- end of generated -->/gms, '');
  const blocks = [...markdown.matchAll(/^```\w*\n(.*?)^```/gms)].map(([, code]) => code!);
  const spans = [...markdown.replace(/^```\w*\n.*?^```/gms, '').matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!);
  const bare = spans.map((code) => (/^[a-z-]{3,}(?=$|[ \]].*)/.test(code) ? `umbra ${code}` : code));
  return [...blocks, ...(path === 'docs/cli.md' ? bare.filter((code) => !notVerbs.test(code)) : spans)];
}

test('pictures are small enough for a page that is read on a phone', () => {
  const pictures = existsSync(join(root, 'docs/images')) ? under('docs/images', /\.(png|jpg|svg)$/) : [];
  for (const path of pictures) expect(statSync(join(root, path)).size).toBeLessThan(200 * 1024);
});
