import type { Command } from 'commander';
import type { Explanation } from '../domain/view.ts';
import { findApi } from './api-client.ts';
import { paint } from './terminal.ts';
import type { Terminal } from './terminal.ts';

export function mountExplain(program: Command, terminal: Terminal): void {
  program
    .command('explain <id>')
    .description('why it is in this state, what it waits for, what it would do next')
    .option('--json', 'machine-readable')
    .addHelpText('after', '\nExample:\n  umbra explain shop')
    .action(async (id: string, options: { json?: true }, command: Command) => {
      const api = findApi(terminal, command.optsWithGlobals<{ api?: string }>().api);
      const explanation = await api.read<Explanation>(`/api/v1/hosted-vms/${encodeURIComponent(id)}/explain`);
      if (options.json === true)
        terminal.out(`${JSON.stringify(explanation, undefined, terminal.isTerminal ? 2 : 0)}\n`);
      else terminal.out(words(terminal, explanation, id));
    });
}

function words(terminal: Terminal, explanation: Explanation, id: string): string {
  const part = (heading: string, lines: readonly string[]): string =>
    lines.length === 0 ? '' : `\n${paint(terminal, 'bold', heading)}\n${lines.map((line) => `  ${line}\n`).join('')}`;
  const { proposal } = explanation;
  const allowed = Object.entries(explanation.commands)
    .filter(([, verdict]) => verdict.allowed)
    .map(([command]) => kebab(command));
  return [
    `${explanation.sentence}\n`,
    part('Why', explanation.why),
    part('Waits for', explanation.waitsFor),
    part('Next', explanation.next),
    proposal === null ? '' : part('Proposes', [`${proposal.reason.text}: umbra approve ${id}`]),
    part('You can', allowed.length === 0 ? ['nothing now'] : [allowed.join(', ')]),
  ].join('');
}

function kebab(command: string): string {
  return command.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
