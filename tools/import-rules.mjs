/**
 * The walls between the folders of src, read from ARCHITECTURE.md: `| folder, folder | what it holds | what it may import |`.
 * The page is the rule; dependency-cruiser is handed what it says.
 */

/**
 * @returns one layer per row. Names in the first and the last cell stand in back-ticks; `name` (types) may be imported as
 * types only; a row whose text says "pure" imports no package and nothing of Node.
 */
export function layersOf(markdown) {
  const [, table] = /^## Layers\n[^]*?^\| folder \|.*\n\|[-|]+\|\n((?:\|.*\n)+)/m.exec(markdown) ?? [];
  if (table === undefined) throw new Error('ARCHITECTURE.md has no table of folders under "## Layers"');
  return table
    .trim()
    .split('\n')
    .map((row) => {
      const [, names = '', holds = '', may = ''] = row.split('|');
      return {
        names: [...names.matchAll(/`([\w./-]+)`/g)].map(([, name]) => name),
        pure: /\bpure\b/.test(holds),
        toCome: /\bto come\b/.test(holds),
        may: [...may.matchAll(/`([\w./-]+)`( \(types\))?/g)].map(([, name, types]) => ({
          name,
          typesOnly: types !== undefined,
        })),
      };
    });
}

/** @param entries what is directly in src. @returns dependency-cruiser's `forbidden` */
export function importRules(markdown, entries) {
  const layers = layersOf(markdown);
  const listed = layers.flatMap(({ names }) => names);
  const unlisted = entries.filter((entry) => !listed.includes(entry));
  if (unlisted.length > 0)
    throw new Error(
      `src/${unlisted.join(', src/')}: not in the table of ARCHITECTURE.md, so nobody knows what it may import`,
    );
  const unknown = layers
    .flatMap(({ may }) => may.map(({ name }) => name.split('/')[0]))
    .filter((name) => !listed.includes(name));
  if (unknown.length > 0) throw new Error(`ARCHITECTURE.md lets import ${unknown.join(', ')}, which it does not list`);
  return layers.flatMap(rulesOf);
}

function rulesOf({ names, may, pure }) {
  const from = { path: names.map(pathOf) };
  const own = names.map(pathOf);
  const rule = (name, to) => ({ name: `${names[0]}-${name}`, severity: 'error', from, to });
  const values = may.filter(({ typesOnly }) => !typesOnly).map(({ name }) => pathOf(name));
  const types = may.filter(({ typesOnly }) => typesOnly).map(({ name }) => pathOf(name));
  return [
    rule('imports', { path: '^src/', pathNot: [...own, ...values, ...types] }),
    ...(types.length === 0 ? [] : [rule('imports-as-types', { path: types, dependencyTypesNot: ['type-only'] })]),
    ...(pure ? [rule('is-pure', { dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-optional'] })] : []),
  ];
}

/** `planning`, `planning/forecast` and `config.ts` as the beginning of a path. */
function pathOf(name) {
  return name.endsWith('.ts') ? `^src/${name.replace('.', '\\.')}$` : `^src/${name}/`;
}
