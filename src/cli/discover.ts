import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Inventory } from '../domain/inventory.ts';
import { inventoryOfCandidates, leftOutWords } from '../inventory/candidate-text.ts';
import { candidatesOf } from '../inventory/candidates.ts';
import type { Candidate } from '../inventory/candidates.ts';
import { contactText, parseContactFile } from '../inventory/contact-file.ts';
import { leadsOf } from '../inventory/leads.ts';
import type { LeftOut } from '../inventory/leads.ts';
import { formatProblem } from '../inventory/problem.ts';
import type { Seen } from '../inventory/seen.ts';
import { findApi } from './api-client.ts';
import type { Api } from './api-client.ts';
import { countedDemand } from './discover-demand.ts';
import { flagsOf, several, sourceOptions } from './discover-flags.ts';
import type { SourceOptions } from './discover-flags.ts';
import { Ending, exitCodes } from './exit.ts';
import { composition } from './processes.ts';
import { paint } from './terminal.ts';
import type { Terminal } from './terminal.ts';

type Options = SourceOptions & { cluster: string; zone: string[]; name: string[]; port: string[]; write?: string };

export function mountDiscover(program: Command, terminal: Terminal): void {
  const command = program
    .command('discover')
    .description('read a cluster, its zone and what is counted, and propose an inventory; changes nothing')
    .requiredOption('--cluster <name>', 'the cluster to look at')
    .option('--zone <zone>', 'the zone to read; all of the inventory unless told; repeatable', several, [])
    .option('--name <name>', 'ask for this name instead of reading the whole zone; repeatable', several, [])
    .option('--port <port>', 'try health checks on this port first; repeatable', several, [])
    .option('--write <file>', 'write the inventory here; standard output unless told');
  for (const [flags, about] of sourceOptions) {
    if (/endpoint|name-server/.test(flags)) command.option(flags, about, several, []);
    else command.option(flags, about);
  }
  command
    .addHelpText(
      'after',
      '\nWhere the cluster is: -f FILE, or the flags from --endpoint to --key-file, or the inventory of the running Umbra.\n' +
        'Secrets are read from files only; none is printed or written.\n' +
        '\nExamples:\n  umbra discover --cluster lab -f inventory.yaml --write found.yaml' +
        '\n  umbra discover --cluster lab --endpoint https://pve1.example.com:8006 --token-file pve.token --ca-file pve-root-ca.pem' +
        ' --vmids 9000-9099 --addresses 10.0.0.100-149/24 --zone example.com --name-server 192.0.2.53 --key-file tsig.key',
    )
    .action(async (options: Options, self: Command) => {
      await discover(terminal, options, self.optsWithGlobals<{ api?: string }>().api);
    });
}

async function discover(terminal: Terminal, options: Options, apiUrl: string | undefined): Promise<void> {
  const ports = options.port.map(portOf);
  const api = runningApi(terminal, apiUrl);
  const source = await sourceOf(options, api);
  const inventory = understood(terminal, source);
  checkNamed(options, inventory);
  const { openDiscovery } = await composition();
  const discovery = await openDiscovery({
    inventory,
    cluster: options.cluster,
    zones: options.zone,
    names: options.name.map((name) => name.toLowerCase().replace(/\.$/, '')),
    ports,
  }).catch(asEnding);
  try {
    terminal.err(
      `Looking at cluster ${options.cluster} and ${inventory.zones.map(({ zone }) => zone).join(', ')} ...\n`,
    );
    const [looked, counted] = await Promise.all([discovery.look(), countedDemand(api)]).catch(asEnding);
    const seen: Seen = { ...looked, demand: counted.demand, unread: [...looked.unread, ...counted.unread] };
    const { leads, leftOut } = leadsOf(seen);
    const candidates = candidatesOf(seen, leads, await discovery.tryChecks(leads));
    await write(terminal, options.write, inventoryOfCandidates(source.text, seen, candidates, leftOut));
    terminal.err(words(terminal, options.write, seen, candidates, leftOut));
  } finally {
    await discovery.close();
  }
}

function runningApi(terminal: Terminal, apiUrl: string | undefined): Api | undefined {
  try {
    return findApi(terminal, apiUrl);
  } catch (error) {
    if (error instanceof Ending && error.code === exitCodes.notReachable) return undefined;
    throw error;
  }
}

type SourceText = { readonly text: string; readonly file: string };

async function sourceOf(options: Options, api: Api | undefined): Promise<SourceText> {
  if (options.file !== undefined) return { text: readText(options.file), file: options.file };
  const flags = flagsOf(options);
  if (flags !== undefined) return { text: contactText(flags), file: 'the flags' };
  const applied = await api?.read<{ revision: number; text: string }>('/api/v1/inventory');
  if (applied !== undefined && applied.revision > 0) {
    return { text: applied.text, file: `the inventory of ${api?.url ?? ''}` };
  }
  const why = api === undefined ? 'no Umbra runs' : `${api.url} has no inventory`;
  throw new Ending(
    exitCodes.usage,
    `where is cluster ${options.cluster}? ${why}: name a file with clusters: and dns: by -f, or give the flags ` +
      '--endpoint, --token-file, --fingerprint or --ca-file, --vmids, --addresses, --zone, --name-server and --key-file',
  );
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Ending(
      exitCodes.usage,
      `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    );
  }
}

function understood(terminal: Terminal, { text, file }: SourceText): Inventory {
  const { inventory, problems } = parseContactFile(text, file);
  if (inventory !== undefined) return inventory;
  for (const problem of problems)
    terminal.err(`${formatProblem(problem)}\n${problem.hint === undefined ? '' : `  ${problem.hint}\n`}`);
  throw new Ending(exitCodes.usage, `${file} is not right: nothing was looked at`);
}

function checkNamed({ cluster, zone, name }: Options, inventory: Inventory): void {
  const clusters = inventory.clusters.map((each) => each.name);
  if (!clusters.includes(cluster)) {
    throw new Ending(exitCodes.usage, `--cluster ${cluster} is none of ${clusters.join(', ')}`);
  }
  const zones = inventory.zones.map((each) => each.zone);
  const other = zone.find((each) => !zones.includes(each));
  if (other !== undefined) throw new Ending(exitCodes.usage, `--zone ${other} is none of ${zones.join(', ')}`);
  const wrong = name.find((each) => !/^[\w*][\w.-]*$/.test(each));
  if (wrong !== undefined) throw new Ending(exitCodes.usage, `--name ${wrong} is not a DNS name`);
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new Ending(exitCodes.usage, `--port ${text} is not a port`);
}

/** A failure of the world ends the look with its own sentence. */
function asEnding(error: unknown): never {
  const failureClass = (error as { failureClass?: string }).failureClass;
  if (failureClass === undefined) throw error;
  const code = failureClass === 'invalid' ? exitCodes.usage : exitCodes.failure;
  throw new Ending(code, error instanceof Error ? error.message : String(error), { cause: error });
}

async function write(terminal: Terminal, file: string | undefined, text: string): Promise<void> {
  if (file === undefined) {
    terminal.out(text);
    return;
  }
  try {
    // What an operator has edited is never written over.
    await writeFile(file, text, { flag: 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'exists already: name another file' : `cannot be written: ${code ?? String(error)}`;
    throw new Ending(exitCodes.usage, `${file} ${why}`);
  }
}

function words(
  terminal: Terminal,
  file: string | undefined,
  seen: Seen,
  candidates: readonly Candidate[],
  leftOut: readonly LeftOut[],
): string {
  const lines = [
    ...candidates.map(({ id, lead, check, capacity }) => {
      const how = check === undefined ? 'no check answers' : `answers ${check.detail}`;
      return `${paint(terminal, 'green', id)}: VM ${lead.guest.vmid}, ${lead.names.join(', ')}; ${how}; about ${capacity.qps} q/s`;
    }),
    ...candidates.flatMap(({ id, lead }) => lead.notes.map((note) => `${id}: ${note}`)),
    ...leftOut.map((each) => `${paint(terminal, 'grey', 'left out')} ${leftOutWords(each)}`),
    ...seen.unread.map((each) => `${paint(terminal, 'amber', 'not read')} ${each}`),
    candidates.length === 0
      ? 'No candidate was found.'
      : `${candidates.length} candidates. Choose each storageClass${file === undefined ? '' : ` in ${file}`}, then umbra apply -f ${file ?? 'FILE'} --dry-run`,
  ];
  return `${lines.map((line) => line.replace(/\p{Cc}(?!\[[\d;]*m)/gu, ' ')).join('\n')}\n`;
}
