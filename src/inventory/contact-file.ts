import { checkConsistency } from './consistency.ts';
import { completeInventory } from './complete.ts';
import { sortProblems } from './problem.ts';
import { contactShape } from './schema.ts';
import { invalid } from './shape.ts';
import { openSource } from './source.ts';
import type { ParsedInventory } from './parse.ts';

/**
 * Reads what first contact starts from: an inventory of which only `clusters` and `dns` must be there.
 * @returns the inventory, without hosted VMs where the file has none
 */
export function parseContactFile(text: string, file: string): ParsedInventory {
  const source = openSource(text, file);
  if (source.problems.length === 0 && source.root === undefined) source.report(source.rootPlace, 'the file is empty');
  const read = source.root === undefined ? invalid : contactShape.read(source.root, source.rootPlace, source);
  if (read === invalid) return { problems: sortProblems(source.problems) };
  const written = { ...read, hostedVms: read.hostedVms ?? [] };
  checkConsistency(written, source);
  return source.problems.length > 0
    ? { problems: sortProblems(source.problems) }
    : { inventory: completeInventory(written) };
}

/** What the flags of a first contact say, as the inventory they stand for. Files are named, never their contents. */
export type ContactFlags = {
  readonly cluster: string;
  readonly endpoints: readonly string[];
  readonly tokenFile: string;
  readonly fingerprint?: string;
  readonly caFile?: string;
  readonly vmids: string;
  readonly addresses: string;
  readonly gateway?: string;
  readonly pool?: string;
  readonly storage?: string;
  readonly zone: string;
  readonly nameServers: readonly string[];
  readonly keyFile: string;
};

export function contactText(flags: ContactFlags): string {
  const line = (key: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`    ${key}: ${JSON.stringify(value)}`];
  const several = (values: readonly string[]): string => `[${values.map((value) => JSON.stringify(value)).join(', ')}]`;
  return [
    'clusters:',
    `  - name: ${JSON.stringify(flags.cluster)}`,
    `    endpoints: ${several(flags.endpoints)}`,
    ...line('tokenFile', flags.tokenFile),
    ...line('fingerprint', flags.fingerprint),
    ...line('caFile', flags.caFile),
    ...line('vmids', flags.vmids),
    ...line('addresses', flags.addresses),
    ...line('gateway', flags.gateway),
    ...line('pool', flags.pool),
    ...line('storage', flags.storage),
    '',
    'dns:',
    `  - zone: ${JSON.stringify(flags.zone)}`,
    `    servers: ${several(flags.nameServers)}`,
    ...line('tsigKeyFile', flags.keyFile),
    '',
  ].join('\n');
}
