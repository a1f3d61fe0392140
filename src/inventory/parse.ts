import type { Inventory } from '../domain/inventory.ts';
import { checkConsistency } from './consistency.ts';
import { completeInventory } from './complete.ts';
import { sortProblems } from './problem.ts';
import type { Problem } from './problem.ts';
import { inventoryShape } from './schema.ts';
import { invalid } from './shape.ts';
import type { JsonSchema, Shape } from './shape.ts';
import { openSource } from './source.ts';

export type ParsedInventory =
  | { readonly inventory: Inventory; readonly problems?: undefined }
  | { readonly problems: readonly Problem[]; readonly inventory?: undefined };

/**
 * Reads, validates and completes an inventory. Every problem is reported, in the order of the file.
 * @param file only what positions are said to be in; nothing is opened
 */
export function parseInventory(text: string, file = 'inventory.yaml'): ParsedInventory {
  const source = openSource(text, file);
  const written = source.problems.length > 0 ? invalid : readWhole(inventoryShape, source);
  if (written !== invalid) checkConsistency(written, source);
  if (written === invalid || source.problems.length > 0) return { problems: sortProblems(source.problems) };
  return { inventory: completeInventory(written) };
}

/** Reads any other file of Umbra's with the same engine. */
export function parseShape<T>(
  shape: Shape<T>,
  text: string,
  file: string,
): { readonly value: T; readonly problems?: undefined } | { readonly problems: readonly Problem[] } {
  const source = openSource(text, file);
  const value = source.problems.length > 0 ? invalid : readWhole(shape, source);
  return value === invalid ? { problems: sortProblems(source.problems) } : { value };
}

function readWhole<T>(shape: Shape<T>, source: ReturnType<typeof openSource>): T | typeof invalid {
  if (source.root === undefined) {
    source.report(source.rootPlace, 'the file is empty');
    return invalid;
  }
  return shape.read(source.root, source.rootPlace, source);
}

/** What editors check the file against while it is written: `# yaml-language-server: $schema=...`. */
export function jsonSchemaOf(shape: Shape<unknown>, title: string): JsonSchema {
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', title, ...shape.schema };
}
