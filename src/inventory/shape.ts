import { isMap, isScalar, isSeq } from 'yaml';
import type { Node } from 'yaml';
import { joinPath } from './source.ts';
import type { Place, Source } from './source.ts';
import { nearest } from './suggestion.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Stands for a value that could not be read; the problem has been reported already. */
export const invalid = Symbol('invalid');
type Invalid = typeof invalid;

/** How one value is written: reads it from YAML, and describes itself to editors. One definition serves both. */
export type Shape<T> = {
  read(node: Node | undefined, place: Place, source: Source): T | Invalid;
  readonly schema: JsonSchema;
};

/** A key of a mapping. */
export type Field<T> = {
  readonly shape: Shape<unknown>;
  /** What an absent key means; undefined when it must be written. */
  readonly absent: { readonly value: T } | undefined;
  readonly about: string;
};

export function required<T>(shape: Shape<T>, about: string): Field<T> {
  return { shape, absent: undefined, about };
}

export function optional<T>(shape: Shape<T>, about: string): Field<T | undefined> {
  return { shape, absent: { value: undefined }, about };
}

/** @param shown the default as a user would write it */
export function byDefault<T>(shape: Shape<T>, value: T, shown: unknown, about: string): Field<T> {
  return { shape: { ...shape, schema: { ...shape.schema, default: shown } }, absent: { value }, about };
}

type Values<Fields extends Readonly<Record<string, Field<unknown>>>> = {
  readonly [Key in keyof Fields]: Fields[Key] extends Field<infer T> ? T : never;
};

/** A mapping with exactly these keys. Every wrong key is reported, not only the first. */
export function mapping<Fields extends Readonly<Record<string, Field<unknown>>>>(
  fields: Fields,
  noun: string,
): Shape<Values<Fields>> {
  const keys = Object.keys(fields);
  return {
    schema: {
      type: 'object',
      description: noun,
      additionalProperties: false,
      required: keys.filter((key) => fields[key]?.absent === undefined),
      properties: Object.fromEntries(
        keys.map((key) => [key, { ...fields[key]?.shape.schema, description: fields[key]?.about }]),
      ),
    },
    read: (node, place, source) => {
      if (!isMap(node)) {
        source.report(place, `${shown(node)} is not ${noun}: write its keys below it`);
        return invalid;
      }
      const found = new Map<string, { node: Node | undefined; place: Place }>();
      let sound = true;
      for (const { key, value } of node.items) {
        const name = isScalar(key) ? String(key.value) : '';
        const at = { path: joinPath(place.path, name), offset: (key as Node | null)?.range?.[0] ?? place.offset };
        if (!keys.includes(name)) {
          const instead = nearest(name, keys);
          source.report(
            at,
            `is not a key of ${noun}` + (instead === undefined ? '' : `; did you mean ${instead}?`),
            `known keys: ${keys.join(', ')}`,
          );
          sound = false;
        } else {
          found.set(name, { node: source.resolve(value), place: at });
        }
      }
      const values: Record<string, unknown> = {};
      for (const [key, field] of Object.entries(fields)) {
        const written = found.get(key);
        if (written === undefined || isNothing(written.node)) {
          if (field.absent === undefined) {
            const at = written?.place ?? { path: joinPath(place.path, key), offset: place.offset };
            source.report(at, `is required: ${field.about}`);
            sound = false;
          } else {
            values[key] = field.absent.value;
          }
          continue;
        }
        const value = field.shape.read(written.node, written.place, source);
        if (value === invalid) sound = false;
        else values[key] = value;
      }
      return sound ? (values as Values<Fields>) : invalid;
    },
  };
}

/** A list; one value standing alone is a list of one where `orOne` says so. */
export function list<T>(item: Shape<T>, noun: string, options: { least?: number; orOne?: boolean } = {}): Shape<T[]> {
  const least = options.least ?? 0;
  const many: JsonSchema = { type: 'array', items: item.schema, minItems: least };
  return {
    schema: options.orOne === true ? { anyOf: [many, item.schema] } : many,
    read: (node, place, source) => {
      if (!isSeq(node)) {
        if (options.orOne === true) {
          const only = item.read(node, place, source);
          return only === invalid ? invalid : [only];
        }
        source.report(place, `${shown(node)} is not a list of ${noun}`);
        return invalid;
      }
      if (node.items.length < least) {
        source.report(place, `needs at least ${least === 1 ? 'one' : least} of ${noun}`);
        return invalid;
      }
      const values = node.items.map((raw, index) => {
        const at = {
          path: joinPath(place.path, index),
          offset: (raw as Node | null)?.range?.[0] ?? place.offset,
        };
        return item.read(source.resolve(raw), at, source);
      });
      return values.includes(invalid) ? invalid : (values as T[]);
    },
  };
}

/** Understood, but not acceptable; the sentence goes on from the quoted value: `is shorter than 1s`. */
export type Refused = { readonly refused: string };

/** A text, number or truth value that `parse` understands; it gives undefined for what it does not. */
export function scalar<T>(
  noun: string,
  schema: JsonSchema,
  parse: (value: string | number | boolean) => T | Refused | undefined,
  hint?: string,
): Shape<Exclude<T, Refused | undefined>> {
  return {
    schema,
    read: (node, place, source) => {
      const value = isScalar(node) ? node.value : undefined;
      const parsed =
        typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? parse(value) : undefined;
      if (parsed === undefined) {
        source.report(place, `${shown(node)} is not ${noun}`, hint);
        return invalid;
      }
      if (isRefused(parsed)) {
        source.report(place, `${shown(node)} ${parsed.refused}`, hint);
        return invalid;
      }
      return parsed as Exclude<T, Refused | undefined>;
    },
  };
}

function isRefused(value: unknown): value is Refused {
  return typeof value === 'object' && value !== null && 'refused' in value;
}

/** Short text for the common case, a mapping for the whole: `9000-9099` or `{from: 9000, to: 9099}`. */
export function shortOrLong<T>(short: Shape<T>, long: Shape<T>): Shape<T> {
  return {
    schema: { anyOf: [short.schema, long.schema] },
    read: (node, place, source) => (isMap(node) ? long : short).read(node, place, source),
  };
}

function isNothing(node: Node | undefined): boolean {
  return node === undefined || (isScalar(node) && node.value === null);
}

/** The value as the problem's sentence quotes it. */
function shown(node: Node | undefined): string {
  if (isNothing(node)) return 'nothing';
  if (isMap(node)) return 'a mapping';
  if (isSeq(node)) return 'a list';
  return isScalar(node) ? JSON.stringify(node.value) : 'this';
}
