import { describe, expect, test } from '@jest/globals';
import { forRelease } from '../../../src/sim/api/parameters.ts';
import type { Parameter, Parameters, PropertyString } from '../../../src/sim/api/parameters.ts';
import type { Operation, Permission } from '../../../src/sim/api/operation.ts';
import { operations } from '../../../src/sim/api/operations.ts';
import { handlerOf } from '../../../src/sim/api/handlers.ts';
import { propertyStrings } from '../../../src/sim/api/property-strings.ts';
import { releases } from '../../../src/sim/world/world.ts';
import type { Release } from '../../../src/sim/world/world.ts';
import { schemaOf } from './schema.ts';
import { propertiesOf } from './schema.ts';
import type { SchemaParameter } from './schema.ts';

type Facts = Record<string, unknown>;
const numeric = (value: number | string | undefined): number | undefined =>
  value === undefined ? undefined : Number(value);

/** What both sides can say of a parameter. A pattern is compared by whether there is one: ours are written anew. */
function factsOfSchema(parameter: SchemaParameter): Facts {
  if (parameter.alias !== undefined) return { alias: parameter.alias, keyAlias: parameter.keyAlias };
  return {
    type: parameter.type,
    optional: Boolean(parameter.optional),
    format: typeof parameter.format === 'object' ? propertiesOfSchema(parameter.format) : parameter.format,
    hasPattern: parameter.pattern !== undefined,
    minimum: numeric(parameter.minimum),
    maximum: numeric(parameter.maximum),
    maxLength: parameter.maxLength,
    enum: parameter.enum ?? undefined,
    requires: parameter.requires,
    isDefault: Boolean(parameter.default_key),
  };
}
const propertiesOfSchema = (format: Record<string, SchemaParameter>): Facts =>
  Object.fromEntries(Object.entries(format).map(([key, entry]) => [key, factsOfSchema(entry)]));

function factsOfOurs(parameter: Parameter | PropertyString[string], release: Release): Facts {
  if ('alias' in parameter) return { alias: parameter.alias, keyAlias: parameter.keyAlias };
  return {
    type: parameter.type,
    optional: parameter.optional === true,
    format:
      typeof parameter.format === 'object'
        ? (nameOf(parameter.format, release) ?? ours(parameter.format, release))
        : parameter.format,
    hasPattern: parameter.pattern !== undefined,
    minimum: parameter.minimum,
    maximum: parameter.maximum,
    maxLength: parameter.maxLength,
    enum: parameter.enum,
    requires: parameter.requires,
    isDefault: 'isDefault' in parameter,
  };
}
/** Property strings the schema knows by name only. */
const nameOf = (format: PropertyString, release: Release): string | undefined =>
  Object.entries(propertyStrings).find(([, known]) => forRelease(known, release) === format)?.[0];
const ours = (parameters: Parameters, release: Release): Facts =>
  Object.fromEntries(
    Object.entries(forRelease(parameters, release)).map(([name, parameter]) => [name, factsOfOurs(parameter, release)]),
  );

function check(permission: Permission): unknown {
  switch (permission.kind) {
    case 'anybody':
    case 'world':
      return undefined;
    case 'and':
    case 'or':
      return [permission.kind, ...permission.of.map(check)];
    case 'self':
      return ['userid-param', 'self'];
    case 'realm':
      return ['userid-param', permission.privilege];
    case 'userGroups':
      return [
        'userid-group',
        permission.any,
        ...(permission.groups === undefined ? [] : ['groups_param', permission.groups]),
      ];
    case 'modify':
      return ['perm-modify', permission.path];
    case 'privileges':
      return [
        'perm',
        permission.path,
        permission.any ?? permission.all,
        ...(permission.any ? ['any', 1] : []),
        ...(permission.requireParameter === undefined ? [] : ['require_param', permission.requireParameter]),
      ];
  }
}
const permissionOf = (operation: Operation, release: Release): Permission =>
  typeof operation.permission === 'function' ? operation.permission(release) : operation.permission;

/** `require_param` is a flag followed by its value in one place and by `1` in another; only its presence counts. */
const loose = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null)) as unknown;

/** Operations that recordings show, or that belong to one they show, and that neither excerpt of the schema has. */
const inNoSchema = new Set([
  ...['POST /access/groups', ...['GET', 'PUT', 'DELETE'].map((method) => `${method} /access/groups/{groupid}`)],
  ...['GET', 'PUT', 'DELETE'].map((method) => `${method} /nodes/{node}/storage/{storage}/content/{volume}`),
]);

describe('the tables of operations', () => {
  test('every row has something that carries it out', () => {
    for (const operation of operations) expect(handlerOf(operation)).toBeInstanceOf(Function);
  });

  describe.each(releases)('for PVE %s', (release) => {
    const schema = schemaOf(release);
    const rows = operations.filter((operation) => operation.only?.includes(release) ?? true);

    test.each(rows.map((row) => [`${row.method} ${row.path}`, row] as const))(
      '%s takes what Proxmox takes',
      (name, row) => {
        if (!schema) return;
        const official = schema[name];
        // Of some operations only the schema of one release is at hand.
        if (official === undefined && (release !== '9.1' || inNoSchema.has(name))) return;
        expect(official).toBeDefined();
        expect(ours(row.parameters, release)).toEqual(propertiesOfSchema(propertiesOf(official?.parameters)));
        // What is for everybody is so whatever else is said of it.
        const asked = official?.permissions?.user === undefined ? official?.permissions?.check : undefined;
        expect(loose(check(permissionOf(row, release)))).toEqual(loose(asked));
        expect({ isProtected: row.isProtected, onNode: row.onNode }).toEqual({
          isProtected: Boolean(official?.protected),
          onNode: (official?.proxyto ?? undefined) !== undefined,
        });
      },
    );

    test('rows that a release lacks are refused as unknown', () => {
      if (!schema) return;
      for (const operation of operations.filter((one) => !(one.only?.includes(release) ?? true))) {
        expect(schema[`${operation.method} ${operation.path}`]).toBeUndefined();
      }
    });
  });
});
