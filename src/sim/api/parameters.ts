import { namedFormat } from './formats.ts';
import { badParameter } from './refusal.ts';
import { propertyStrings } from './property-strings.ts';
import { releases } from '../world/world.ts';
import type { Release } from '../world/world.ts';

/** The keys of a value such as `ip=10.0.0.1/8,gw=10.0.0.254`. */
export type PropertyString = Readonly<
  Record<string, Parameter & { readonly isDefault?: true; readonly alias?: string; readonly keyAlias?: string }>
>;

/** What a parameter of an operation must look like. */
export type Parameter = {
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'array';
  readonly optional?: boolean;
  readonly format?: string | PropertyString;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly minLength?: number;
  readonly enum?: readonly string[];
  readonly requires?: string;
  readonly items?: Parameter;
  /** What may be wrong with a value of the right shape. */
  readonly verify?: (text: string) => string | undefined;
  /** The releases that know this parameter; all when absent. */
  readonly only?: readonly Release[];
  /** How PVE 8 had it, where that differs. */
  readonly before9?: Parameter;
};

export type Parameters = Readonly<Record<string, Parameter>>;
export type Value = string | readonly Value[] | boolean | number;
export type Values = Record<string, Value>;
type Errors = Record<string, string>;

const integer = /^[+-]?\d+$/;
const number = /^[+-]?(?:\d+\.\d+|\d+\.|\.\d+|\d+)(?:[eE][+-]?\d+)?$/;

const add = (errors: Errors, path: string, text: string): void => {
  errors[path] = errors[path] === undefined ? text : `${errors[path]}\\n${text}`;
};

function typeRefusal(type: Parameter['type'], value: Value): string | undefined {
  if (type === 'array') return Array.isArray(value) ? undefined : "type check ('array') failed";
  if (type === 'boolean' && typeof value === 'boolean') return undefined;
  const kind = perlKind(value);
  if (kind !== undefined) return `type check ('${type}') failed - got ${kind}`;
  const text = textOf(value);
  if (type === 'string') return undefined;
  const fits = type === 'boolean' ? /^[01]$/.test(text) : (type === 'integer' ? integer : number).test(text);
  return fits ? undefined : `type check ('${type}') failed - got '${text}'`;
}

/** How the API names what JSON can hold and a form cannot; undefined for texts and numbers. */
function perlKind(value: Value): string | undefined {
  if (Array.isArray(value)) return 'ARRAY';
  if (typeof value === 'boolean') return 'JSON::PP::Boolean';
  return typeof value === 'object' ? 'HASH' : undefined;
}

const textOf = (value: Value): string => (typeof value === 'boolean' ? (value ? '1' : '0') : String(value));

/** Type, then format, pattern, length, range, enumeration: the first of these that does not hold is the error. */
function checkValue(parameter: Parameter, value: Value | undefined, path: string, errors: Errors): void {
  if (value === undefined) {
    if (!parameter.optional) add(errors, path, 'property is missing and it is not optional');
    return;
  }
  const wrongType = typeRefusal(parameter.type, value);
  if (wrongType !== undefined) {
    add(errors, path, wrongType);
    return;
  }
  if (Array.isArray(value)) {
    if (parameter.items) {
      const items = parameter.items;
      (value as Value[]).forEach((item, at) => {
        checkValue(items, item, `${path}[${at}]`, errors);
      });
    }
    return;
  }
  const refusal = textRefusal(parameter, textOf(value), path);
  if (refusal !== undefined) add(errors, path, refusal);
}

function textRefusal(parameter: Parameter, text: string, path: string): string | undefined {
  const { format, pattern, maxLength, minLength, minimum, maximum } = parameter;
  if (format !== undefined) {
    const wrong = formatRefusal(format, text, path) ?? parameter.verify?.(text);
    if (wrong !== undefined) return `invalid format - ${wrong}`;
  }
  if (pattern !== undefined && !new RegExp(`^(?:${pattern})$`).test(text))
    return 'value does not match the regex pattern';
  if (maxLength !== undefined && text.length > maxLength) return `value may only be ${maxLength} characters long`;
  if (minLength !== undefined && text.length < minLength) return `value must be at least ${minLength} characters long`;
  if (number.test(text)) {
    if (maximum !== undefined && Number(text) > maximum) return `value must have a maximum value of ${maximum}`;
    if (minimum !== undefined && Number(text) < minimum) return `value must have a minimum value of ${minimum}`;
  }
  if (parameter.enum && !parameter.enum.includes(text)) {
    return `value '${text}' does not have a value in the enumeration '${parameter.enum.join(', ')}'`;
  }
  return undefined;
}

function formatRefusal(format: string | PropertyString, text: string, path: string): string | undefined {
  if (typeof format !== 'string') return propertyRefusal(format, text, path);
  const properties = propertyStrings[format];
  if (properties) return propertyRefusal(properties, text, path);
  return namedFormat(format)?.(text);
}

function propertyRefusal(format: PropertyString, text: string, path: string): string | undefined {
  const parsed = parsePropertyString(format, text);
  if (typeof parsed === 'string') return `${parsed}\n`;
  const errors: Errors = {};
  checkValues(format, parsed, errors, path);
  const rows = Object.keys(errors)
    .sort()
    .map((key) => `${key}: ${errors[key]!}\n`);
  return rows.length === 0 ? undefined : `format error\n${rows.join('')}`;
}

const truth: Record<string, string> = { on: '1', yes: '1', true: '1', off: '0', no: '0', false: '0' };

/** Splits a property string into its keys, or says what is wrong with its shape. */
export function parsePropertyString(format: PropertyString, text: string): Record<string, string> | string {
  const values: Record<string, string> = {};
  let usedDefault: string | undefined;
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const [, givenKey, givenValue] = /^([^=]+)=(.+)$/s.exec(part) ?? [];
    if (givenKey === undefined) {
      if (part.includes('=')) return 'missing key in comma-separated list property';
      if (usedDefault !== undefined) return `duplicate key in comma-separated list property: ${usedDefault}`;
      usedDefault = Object.keys(format).find((key) => format[key]!.isDefault);
      if (usedDefault === undefined) return 'value without key, but schema does not define a default key';
      if (values[usedDefault] !== undefined) return `duplicate key in comma-separated list property: ${usedDefault}`;
      values[usedDefault] = part;
      continue;
    }
    let key = givenKey;
    if (values[key] !== undefined) return `duplicate key in comma-separated list property: ${key}`;
    const entry = format[key];
    if (entry?.alias !== undefined) {
      if (entry.keyAlias !== undefined) {
        if (values[entry.keyAlias] !== undefined) return `key alias '${entry.keyAlias}' is already defined`;
        values[entry.keyAlias] = key;
      }
      key = entry.alias;
    }
    const known = format[key];
    if (!known) return `invalid key in comma-separated list property: ${key}`;
    values[key] = known.type === 'boolean' ? (truth[givenValue!.toLowerCase()] ?? givenValue!) : givenValue!;
  }
  return values;
}

/** The definition of `net3` is that of `net[n]`. */
export function definitionOf(parameters: Parameters, name: string): Parameter | undefined {
  const own = parameters[name];
  if (own || name.includes('[')) return own;
  const [, stem, index] = /^([a-z]+)(\d+)$/.exec(name) ?? [];
  if (stem === undefined || (index !== '0' && index!.startsWith('0'))) return undefined;
  const indexed = parameters[`${stem}[n]`];
  return indexed && Number(index) < (indexLimits[stem] ?? 0) ? indexed : undefined;
}

/** How many of each numbered option a guest may have. */
export const indexLimits: Readonly<Record<string, number>> = {
  ide: 4,
  sata: 6,
  scsi: 31,
  virtio: 16,
  net: 32,
  ipconfig: 32,
  numa: 8,
  hostpci: 16,
  parallel: 3,
  serial: 4,
  unused: 256,
  usb: 14,
  virtiofs: 10,
};

function checkValues(parameters: Parameters, values: Values, errors: Errors, path = ''): void {
  const at = (name: string): string => (path ? `${path}.${name}` : name);
  for (const name of Object.keys(parameters).sort()) {
    const parameter = parameters[name]!;
    if ('alias' in parameter && parameter.alias !== undefined) continue;
    if (!name.endsWith('[n]')) checkValue(parameter, values[name], at(name), errors);
  }
  for (const name of Object.keys(values)) {
    const parameter = definitionOf(parameters, name);
    if (!parameter) {
      add(errors, at(name), 'property is not defined in schema and the schema does not allow additional properties');
      continue;
    }
    if (!(name in parameters)) checkValue(parameter, values[name], at(name), errors);
    if (parameter.requires !== undefined && values[parameter.requires] === undefined) {
      add(errors, at(parameter.requires), `missing property - '${at(name)}' requires this property`);
    }
  }
}

const asOf = new Map<Release, WeakMap<Parameters, Parameters>>(releases.map((release) => [release, new WeakMap()]));

/** The parameters as this release has them, down into property strings. */
export function forRelease(parameters: Parameters, release: Release): Parameters {
  const cache = asOf.get(release)!;
  const known = cache.get(parameters);
  if (known) return known;
  const entries = Object.entries(parameters)
    .filter(([, parameter]) => parameter.only?.includes(release) ?? true)
    .map(([name, parameter]): [string, Parameter] => {
      const own = release === '8.4' ? (parameter.before9 ?? parameter) : parameter;
      const format = typeof own.format === 'string' ? (propertyStrings[own.format] ?? own.format) : own.format;
      return [name, typeof format === 'object' ? { ...own, format: forRelease(format, release) } : own];
    });
  const made = Object.fromEntries(entries);
  cache.set(parameters, made);
  return made;
}

/** Forms know no lists: one value stands for a list of one, and a key given twice for a text with commas. */
function asForms(definition: Parameter | undefined, value: Value): Value {
  if (definition?.type === 'array' && !Array.isArray(value) && value !== '' && value !== '0') return [value];
  const joins = typeof definition?.format === 'string' && definition.format.endsWith('-list');
  return joins && Array.isArray(value) ? (value as Value[]).map(textOf).join(',') : value;
}

/** Refuses with 400 and every wrong parameter, or returns the values as texts and lists. */
export function verify(parameters: Parameters, values: Values): Record<string, string | string[]> {
  const listed: Values = {};
  for (const [name, value] of Object.entries(values)) {
    listed[name] = asForms(definitionOf(parameters, name), value);
  }
  const errors: Errors = {};
  checkValues(parameters, listed, errors);
  if (Object.keys(errors).length > 0) throw badParameter(errors);
  return Object.fromEntries(
    Object.entries(listed).map(([name, value]) => [
      name,
      Array.isArray(value) ? (value as Value[]).map(textOf) : textOf(value),
    ]),
  );
}
