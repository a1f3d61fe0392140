import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { cruise } from 'dependency-cruiser';
import { importRules, layersOf } from '../../../tools/import-rules.mjs';

const root = new URL('../../../', import.meta.url);
const page = readFileSync(new URL('ARCHITECTURE.md', root), 'utf8');
const entries = readdirSync(new URL('src', root));
const layers = layersOf(page);

describe('the table of ARCHITECTURE.md', () => {
  test('lists everything in src once, and nothing that is not there', () => {
    const listed = layers.flatMap(({ names, toCome }) => (toCome ? [] : names));
    expect([...listed].sort()).toEqual([...entries].sort());
  });

  test('is in the order of imports: each row imports only rows above it', () => {
    const above: string[] = [];
    for (const { names, may } of layers) {
      const below = may.map(({ name }) => name.split('/')[0]!).filter((name) => !above.includes(name));
      // Composition is one layer in two places.
      expect([names, below]).toEqual([names, []]);
      above.push(...names);
    }
  });

  test('is what dependency-cruiser is configured with', async () => {
    const config = (await import(new URL('.dependency-cruiser.mjs', root).href)) as {
      default: { forbidden: { name: string }[] };
    };
    expect(config.default.forbidden).toEqual(expect.arrayContaining(importRules(page, entries)));
  });

  test('a folder that it does not list fails, and so does a name that is none', () => {
    expect(() => importRules(page, [...entries, 'utils'])).toThrow(/src\/utils: not in the table/);
    expect(() => importRules(page.replaceAll('`ports`, `domain` |', '`prots`, `domain` |'), entries)).toThrow(/prots/);
  });
});

describe('an import', () => {
  /** What dependency-cruiser says of a small house with the real rules. */
  async function broken(files: Record<string, string>): Promise<string[]> {
    const house = mkdtempSync(join(tmpdir(), 'umbra-walls-'));
    try {
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(house, name)), { recursive: true });
        writeFileSync(join(house, name), text);
      }
      const { output } = await cruise(['src'], {
        baseDir: house,
        validate: true,
        ruleSet: { forbidden: importRules(page, entries) as never },
        tsPreCompilationDeps: true,
        enhancedResolveOptions: { extensions: ['.ts'] },
      });
      if (typeof output === 'string') throw new Error(output);
      return output.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`);
    } finally {
      rmSync(house, { recursive: true });
    }
  }
  const leaf = 'export const leaf = 1;\nexport type Leaf = number;\n';
  const value = (of: string): string => `import { leaf } from '${of}';\nexport const used = leaf;\n`;
  const type = (of: string): string => `import type { Leaf } from '${of}';\nexport type Used = Leaf;\n`;

  test('that the table allows passes', async () => {
    expect(
      await broken({
        'src/domain/a.ts': leaf,
        'src/planning/forecast/a.ts': value('../../domain/a.ts'),
        'src/activities/a.ts': leaf,
        'src/workflows/a.ts': type('../activities/a.ts'),
        'src/providers/a.ts': `import '../planning/forecast/a.ts';\n`,
      }),
    ).toEqual([]);
  });

  test.each([
    ['domain', 'planning', 'domain-imports'],
    ['planning', 'ports', 'planning-imports'],
    ['workflows', 'planning', 'workflows-imports'],
    ['workflows', 'activities', 'workflows-imports-as-types'],
    ['providers', 'planning', 'providers-imports'],
    ['cli', 'providers', 'cli-imports'],
    ['composition', 'cli', 'composition-imports'],
    ['web', 'api', 'web-imports'],
    ['background', 'domain', 'background-imports'],
    ['domain', 'protocol', 'domain-imports'],
  ])('of src/%s from src/%s fails', async (from, to, rule) => {
    expect(await broken({ [`src/${to}/a.ts`]: leaf, [`src/${from}/b.ts`]: value(`../${to}/a.ts`) })).toEqual([
      `${rule}: src/${from}/b.ts -> src/${to}/a.ts`,
    ]);
  });

  test('of Node by pure code fails', async () => {
    const found = await broken({
      'src/planning/a.ts': `import { cpus } from 'node:os';\nexport const n = cpus().length;\n`,
    });
    expect(found).toEqual(['planning-is-pure: src/planning/a.ts -> os']);
  });
});
