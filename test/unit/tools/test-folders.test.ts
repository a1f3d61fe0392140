import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** `tools` mirrors tools, and `scenarios` test/scenarios. */
const besideSrc = ['tools', 'scenarios'];
/** Folders of `providers` that have not moved below it yet, and the cluster's, which is of `workflows`. */
const stillToMove: Readonly<Record<string, readonly string[]>> = {
  unit: ['dns', 'proxmox'],
  integration: ['dns', 'proxmox', 'cluster'],
};

/** Folders that hold a file: what git has. */
function foldersOf(folder: string): string[] {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );
  return [...new Set(files.map((path) => dirname(path)))].filter((path) => path !== '.');
}

test.each(['unit', 'integration'])('the folders of test/%s are those of src', (ring) => {
  const others = [...besideSrc, ...stillToMove[ring]!];
  const strange = foldersOf(`test/${ring}`)
    .filter((path) => !others.includes(path.split('/')[0]!))
    .filter((path) => !existsSync(join(root, 'src', path)));
  expect(strange).toEqual([]);
  expect(stillToMove[ring]!.filter((path) => !existsSync(join(root, 'test', ring, path)))).toEqual([]);
});
