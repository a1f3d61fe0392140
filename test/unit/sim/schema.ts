import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Release } from '../../../src/sim/world/world.ts';

export type SchemaParameter = {
  readonly type?: string;
  readonly optional?: number | boolean;
  readonly format?:
    string | Record<string, SchemaParameter & { alias?: string; keyAlias?: string; default_key?: number }>;
  readonly pattern?: string;
  readonly minimum?: number | string;
  readonly maximum?: number | string;
  readonly maxLength?: number;
  readonly enum?: readonly string[];
  readonly requires?: string;
  readonly alias?: string;
  readonly keyAlias?: string;
  readonly default_key?: number;
  readonly items?: SchemaParameter;
};
/** Parameters of a call; some are made of parts, or of kinds that a parameter tells apart. */
type SchemaParameters = {
  readonly properties?: Record<string, SchemaParameter>;
  readonly allOf?: readonly SchemaParameters[];
  readonly oneOf?: readonly SchemaParameters[];
  readonly 'type-property'?: string;
  readonly 'type-property-schema'?: SchemaParameter;
};
type SchemaOperation = {
  readonly parameters?: SchemaParameters;
  readonly permissions?: { readonly check?: unknown; readonly user?: string };
  readonly protected?: number;
  readonly proxyto?: string | null;
  readonly allowtoken?: number;
};
export type Schema = Record<string, SchemaOperation>;

const reference = resolve(import.meta.dirname, '../../../../shared/reference');
const file = `${reference}/proxmox-schema.json`;
/** Further operations, as PVE 9.1 has them. */
const furtherFile = `${reference}/proxmox-schema-2.json`;
const sections: Record<Release, string> = { '8.4': 'pve-8.4', '9.1': 'pve-9.1.3', '9.2': 'pve-9.2-live' };

/** The official schema, which stays outside of the tree; undefined, with a line, where it is not. */
export function schemaOf(release: Release): Schema | undefined {
  if (!existsSync(file)) {
    if (process.env['CI'] !== undefined)
      throw new Error('../shared/reference/proxmox-schema.json is needed in CI and is not there');
    process.stdout.write('skipped: ../shared/reference/proxmox-schema.json is not there\n');
    return undefined;
  }
  const read = (name: string): Record<string, Schema> =>
    JSON.parse(readFileSync(name, 'utf8')) as Record<string, Schema>;
  const further = release === '9.1' && existsSync(furtherFile) ? read(furtherFile)['pve-9.1.3'] : {};
  return { ...further, ...read(file)[sections[release]] };
}

/** All parameters a call may have in one table; what only one kind of it has, or needs, is optional. */
export function propertiesOf(parameters: SchemaParameters | undefined): Record<string, SchemaParameter> {
  const all = (parameters?.allOf ?? []).map(propertiesOf);
  const kinds = (parameters?.oneOf ?? []).map(propertiesOf);
  const ofKinds = Object.assign({}, ...kinds) as Record<string, SchemaParameter>;
  for (const [name, parameter] of Object.entries(ofKinds)) {
    if (!kinds.every((kind) => kind[name] !== undefined)) ofKinds[name] = { ...parameter, optional: true };
  }
  const type = parameters?.['type-property'];
  return {
    ...parameters?.properties,
    ...(Object.assign({}, ...all) as Record<string, SchemaParameter>),
    ...ofKinds,
    ...(type === undefined ? {} : { [type]: parameters!['type-property-schema']! }),
  };
}
