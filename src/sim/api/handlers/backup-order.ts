import { check } from '../../access/permissions.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { parsePropertyString } from '../parameters.ts';
import { propertyStrings } from '../property-strings.ts';
import { badParameter, notPermitted } from '../refusal.ts';
import type { Arguments, Call } from '../operation.ts';

/** Options that go together badly; `complete` when there must be something to back up. */
export function requireConsistent(args: Arguments, complete: boolean): void {
  const refuse = (name: string, text: string): void => {
    throw badParameter({ [name]: text });
  };
  for (const name of ['all', 'exclude', 'pool']) {
    const isSet = name === 'all' ? args.flag('all') : (args.text(name) ?? '') !== '';
    if (isSet && args.text('vmid')) refuse(name, "option conflicts with option 'vmid'");
  }
  if (args.has('prune-backups') && args.has('maxfiles'))
    refuse('prune-backups', "option conflicts with option 'maxfiles'");
  if (args.text('notes-template')?.includes('\n')) refuse('notes-template', 'contains a line feed');
  const isAll = args.flag('all') || (args.has('exclude') && !args.has('pool'));
  if (complete && !isAll && !args.flag('stop') && !args.text('pool') && !args.text('vmid'))
    refuse('vmid', 'property is missing');
}

/** What is for root in person, and what needs more than the right to back a guest up. */
export function requireBackupRights(call: Call): void {
  const { cluster, args, who } = call;
  if (who.id === 'root@pam') return;
  for (const name of ['tmpdir', 'dumpdir', 'script', 'job-id'])
    if (args.has(name)) throw badParameter({ [name]: 'Only root may set this option.' });
  if (['bwlimit', 'ionice', 'performance'].some((name) => args.has(name)))
    check(cluster.world, who, '/', ['Sys.Modify']);
  const fleecing = parsePropertyString(propertyStrings['backup-fleecing']!, args.text('fleecing') ?? '');
  if (typeof fleecing !== 'string' && fleecing['storage'] !== undefined)
    check(cluster.world, who, `/storage/${fleecing['storage']}`, ['Datastore.AllocateSpace']);
  const pool = args.text('pool');
  if (pool !== undefined) {
    if (!cluster.world.pools.has(pool)) throw notPermitted(`pool '${pool}' does not exist`);
    check(cluster.world, who, `/pool/${pool}`, ['VM.Backup']);
  }
}

/** The guests that options name: of a list, of a pool, or all but some. */
export function includedGuests(cluster: Cluster, options: Readonly<Record<string, string>>): number[] {
  const numbers = (text: string | undefined): number[] =>
    (text ?? '')
      .split(/[,;\s]+/)
      .filter(Boolean)
      .map(Number);
  if (options['vmid']) return [...new Set(numbers(options['vmid']))].sort((a, b) => a - b);
  const excluded = new Set(numbers(options['exclude']));
  const of =
    options['pool'] === undefined
      ? [...cluster.world.guests.keys()]
      : [...(cluster.world.pools.get(options['pool'])?.vms ?? [])];
  return of.filter((vmid) => cluster.world.guests.has(vmid) && !excluded.has(vmid)).sort((a, b) => a - b);
}
