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
};
type SchemaOperation = {
  readonly parameters?: { readonly properties?: Record<string, SchemaParameter> };
  readonly permissions?: { readonly check?: unknown; readonly user?: string };
  readonly protected?: number;
  readonly proxyto?: string;
  readonly allowtoken?: number;
};
export type Schema = Record<string, SchemaOperation>;

const file = resolve(import.meta.dirname, '../../../../shared/reference/proxmox-schema.json');
const sections: Record<Release, string> = { '8.4': 'pve-8.4', '9.1': 'pve-9.1.3', '9.2': 'pve-9.2-live' };

/** The official schema, which stays outside of the tree; undefined, with a line, where it is not. */
export function schemaOf(release: Release): Schema | undefined {
  if (!existsSync(file)) {
    if (process.env['CI'] !== undefined)
      throw new Error('../shared/reference/proxmox-schema.json is needed in CI and is not there');
    process.stdout.write('skipped: ../shared/reference/proxmox-schema.json is not there\n');
    return undefined;
  }
  return (JSON.parse(readFileSync(file, 'utf8')) as Record<string, Schema>)[sections[release]];
}
