import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { InventoryChange } from '../domain/inventory.ts';
import { parseInventory } from '../inventory/parse.ts';
import { formatProblem } from '../inventory/problem.ts';
import type { Problem } from '../inventory/problem.ts';
import { findApi, messageOf } from './api-client.ts';
import type { Api } from './api-client.ts';
import { Ending, exitCodes } from './exit.ts';
import { paint } from './terminal.ts';
import type { Terminal } from './terminal.ts';

type Applied = {
  readonly revision: number;
  readonly changes: readonly InventoryChange[];
  readonly applied: boolean;
  readonly pending: readonly { readonly what: string; readonly id: string; readonly why: string }[];
  readonly problems?: readonly Problem[];
};

type Options = { file: string; yes?: true; dryRun?: true; json?: true; force?: true };

export function mountApply(program: Command, terminal: Terminal): void {
  program
    .command('apply')
    .description('check an inventory, show what would change, and apply it with --yes')
    .requiredOption('-f, --file <file>', 'the inventory; - reads standard input')
    .option('--yes', 'apply it')
    .option('--dry-run', 'only show what would change')
    .option('--force', 'push everything to the workflows again, for a Temporal that has lost them')
    .option('--json', 'machine-readable')
    .addHelpText(
      'after',
      '\nExamples:\n  umbra apply -f inventory.yaml            # shows the plan\n  umbra apply -f inventory.yaml --yes',
    )
    .action((options: Options, command: Command) =>
      apply(terminal, options, command.optsWithGlobals<{ api?: string }>().api),
    );
}

async function apply(terminal: Terminal, options: Options, apiUrl: string | undefined): Promise<void> {
  const text = await readText(terminal, options.file);
  const file = options.file === '-' ? 'standard input' : options.file;
  // The same engine as the API's: what is wrong shows without any running Umbra.
  const { problems } = parseInventory(text, file);
  if (problems !== undefined) {
    sayProblems(terminal, problems, options);
    throw new Ending(
      exitCodes.usage,
      `${problems.length === 1 ? 'One problem' : `${problems.length} problems`}: nothing was applied`,
    );
  }
  const api = apiOrNothing(terminal, apiUrl, options, file);
  if (api === undefined) return;
  const plan = await api.ask<Applied>('POST', '/api/v1/inventory', { text, file, dryRun: true });
  if (plan.status !== 200)
    throw new Ending(exitCodes.failure, messageOf(plan.body) ?? `the API answered ${plan.status}`);
  const wanted = options.yes === true && options.dryRun !== true;
  if (options.json !== true) terminal.out(planText(terminal, plan.body));
  if (!wanted) {
    if (options.json === true) terminal.out(`${JSON.stringify(plan.body)}\n`);
    else if (plan.body.changes.length > 0) terminal.err('Nothing was applied. With --yes it is.\n');
    return;
  }
  const { status, body } = await api.ask<Applied>('POST', '/api/v1/inventory', {
    text,
    file,
    expected: plan.body.revision,
    ...(options.force === true ? { force: true } : {}),
  });
  if (status === 409) throw new Ending(exitCodes.refused, messageOf(body) ?? 'somebody else applied just now');
  if (status !== 200) throw new Ending(exitCodes.failure, messageOf(body) ?? `the API answered ${status}`);
  if (options.json === true) terminal.out(`${JSON.stringify(body)}\n`);
  else terminal.out(body.applied ? `Applied as revision ${body.revision}.\n` : `Revision ${body.revision} stays.\n`);
  for (const { what, id, why } of body.pending)
    terminal.err(`not taken yet by ${what} ${id}, it is tried again: ${why}\n`);
}

/** A dry run is worth something without a running Umbra: the file has been checked. */
function apiOrNothing(terminal: Terminal, apiUrl: string | undefined, options: Options, file: string): Api | undefined {
  try {
    return findApi(terminal, apiUrl);
  } catch (error) {
    if (options.dryRun !== true || !(error instanceof Ending) || error.code !== exitCodes.notReachable) throw error;
    terminal.err(`${file} is valid; there is no running Umbra to compare it with.\n`);
    return undefined;
  }
}

async function readText(terminal: Terminal, file: string): Promise<string> {
  if (file === '-') return await terminal.readStdin();
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Ending(
      exitCodes.usage,
      `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    );
  }
}

function sayProblems(terminal: Terminal, problems: readonly Problem[], options: Options): void {
  if (options.json === true) terminal.out(`${JSON.stringify({ problems })}\n`);
  for (const problem of problems) {
    terminal.err(`${formatProblem(problem)}\n`);
    if (problem.hint !== undefined) terminal.err(`  ${problem.hint}\n`);
  }
}

const signs = { add: '+', change: '~', remove: '-' } as const;
const colors = { add: 'green', change: 'amber', remove: 'red' } as const;
const words = { cluster: 'cluster', zone: 'zone', hostedVm: 'hosted VM' } as const;

function planText(terminal: Terminal, { changes, revision }: Applied): string {
  if (changes.length === 0) return `Nothing changes: revision ${revision} says the same.\n`;
  const lines = changes.flatMap((change) => [
    paint(terminal, colors[change.kind], `${signs[change.kind]} ${words[change.what]} ${change.id}`),
    ...(change.kind === 'change' ? change.fields.map((field) => `    ${field}`) : []),
    ...(change.kind === 'remove' && change.what === 'hostedVm'
      ? ['    its shadows are deleted; the answers in DNS stay as they are']
      : []),
  ]);
  return `${lines.join('\n')}\n`;
}
