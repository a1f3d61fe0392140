import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { inventoryChanges } from '../../../src/inventory/changes.ts';
import { jsonSchemaOf, parseInventory } from '../../../src/inventory/parse.ts';
import { inventoryShape } from '../../../src/inventory/schema.ts';
import { nearest } from '../../../src/inventory/suggestion.ts';

const example = readFileSync(new URL('../../../examples/inventory.yaml', import.meta.url), 'utf8');
const inventory = parseInventory(example).inventory!;

describe('what applying would change', () => {
  test('everything is added to nothing', () => {
    expect(inventoryChanges(undefined, inventory)).toEqual([
      { kind: 'add', what: 'cluster', id: 'lab' },
      { kind: 'add', what: 'zone', id: 'example.com' },
      { kind: 'add', what: 'hostedVm', id: 'shop' },
    ]);
  });

  test('the same inventory again changes nothing', () => {
    expect(inventoryChanges(inventory, parseInventory(example).inventory!)).toEqual([]);
  });

  test('changed fields are named with their old and new values, and what is left out is removed', () => {
    const next = parseInventory(example.replace('mode: observe #', 'probation: 1h\n      mode: act #')).inventory!;
    expect(inventoryChanges(inventory, next)).toEqual([
      {
        kind: 'change',
        what: 'hostedVm',
        id: 'shop',
        fields: ['policy.mode: "observe" -> "act"', 'policy.probationMs: 86400000 -> 3600000'],
      },
    ]);
    expect(inventoryChanges(inventory, { ...inventory, hostedVms: [] })).toEqual([
      { kind: 'remove', what: 'hostedVm', id: 'shop' },
    ]);
  });
});

describe('the JSON Schema for editors', () => {
  test('is the published one', () => {
    const published = JSON.parse(
      readFileSync(new URL('../../../docs/inventory.schema.json', import.meta.url), 'utf8'),
    ) as unknown;
    expect(published).toEqual(JSON.parse(JSON.stringify(jsonSchemaOf(inventoryShape, 'Umbra inventory'))));
  });
});

test.each([
  ['probaton', 'probation'],
  ['Names', 'names'],
  ['hostedVM', 'hostedVms'],
  ['xyz', undefined],
])('%s suggests %s', (word, meant) => {
  expect(nearest(word, ['probation', 'names', 'hostedVms'])).toBe(meant);
});
