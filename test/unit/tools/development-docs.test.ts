import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const root = new URL('../../../', import.meta.url);
const folder = new URL('docs/development/', root);
const pages = readdirSync(folder);

/** Everything in back-ticks that looks like a place in the repository. */
function placesOf(text: string): string[] {
  return [...text.matchAll(/`([\w.-]+(?:\/[\w.-]+)+|[\w.-]+\.(?:md|json))`/g)].map(([, place]) => place!);
}

test('the pages say how to add what is added most', () => {
  const wanted = [
    'health-source',
    'notifier',
    'name-server',
    'model',
    'verb',
    'page',
    'metric',
    'storage-class',
    'histories',
  ];
  expect(pages.sort()).toEqual([...wanted.map((name) => `${name}.md`), 'README.md'].sort());
});

test.each(pages)('every place that docs/development/%s names exists', (page) => {
  const places = placesOf(readFileSync(new URL(page, folder), 'utf8'));
  expect(places.length).toBeGreaterThan(2);
  const files = places.filter((place) => !['script.json'].includes(place));
  expect(files.filter((place) => !existsSync(new URL(place, root)))).toEqual([]);
});

test.each(pages.filter((page) => page !== 'README.md'))('docs/development/%s takes half a page', (page) => {
  expect(readFileSync(new URL(page, folder), 'utf8').split(/\s+/).length).toBeLessThan(330);
});
