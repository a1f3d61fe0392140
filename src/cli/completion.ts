import type { Command } from 'commander';
import type { HostedVmView } from '../domain/view.ts';
import { findApi } from './api-client.ts';
import { Ending, exitCodes } from './exit.ts';
import type { Terminal } from './terminal.ts';

const shells = ['bash', 'zsh', 'fish'] as const;

export function mountCompletion(program: Command, terminal: Terminal): void {
  program
    .command('completion <shell>')
    .description(`completes verbs, options and ids as you type: ${shells.join(', ')}`)
    .addHelpText(
      'after',
      '\nExamples:\n  source <(umbra completion bash)\n  umbra completion zsh > "${fpath[1]}/_umbra"\n  umbra completion fish > ~/.config/fish/completions/umbra.fish',
    )
    .action((shell: string) => {
      const known = shells.find((name) => name === shell);
      if (known === undefined) throw new Ending(exitCodes.usage, `${shell} is none of ${shells.join(', ')}`);
      terminal.out(scriptFor(known, verbsOf(program)));
    });
  program
    .command('complete-ids', { hidden: true })
    .description('ids of hosted VMs, one a line; nothing when there is no running instance')
    .action(async (_options: object, command: Command) => {
      try {
        const api = findApi(terminal, command.optsWithGlobals<{ api?: string }>().api);
        const views = await api.read<HostedVmView[]>('/api/v1/hosted-vms');
        terminal.out(views.map(({ id }) => `${id}\n`).join(''));
      } catch {
        // Nobody wants an error in the middle of what they type.
      }
    });
}

type Verb = {
  readonly name: string;
  readonly about: string;
  readonly options: readonly string[];
  readonly takesId: boolean;
};

function verbsOf(program: Command): Verb[] {
  return program.commands
    .filter((command) => command.name() !== 'complete-ids')
    .map((command) => ({
      name: command.name(),
      about: command.description(),
      options: command.options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined)),
      takesId: command.registeredArguments.some((argument) => argument.name() === 'id'),
    }));
}

function scriptFor(shell: (typeof shells)[number], verbs: readonly Verb[]): string {
  return { bash, zsh, fish }[shell](verbs);
}

function bash(verbs: readonly Verb[]): string {
  const cases = verbs.map(
    ({ name, options, takesId }) => `    ${name}) words="${options.join(' ')}"; ids=${takesId ? 1 : 0} ;;`,
  );
  return `# umbra completion for bash
_umbra() {
  local word=\${COMP_WORDS[COMP_CWORD]} words="" ids=0
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${verbs.map(({ name }) => name).join(' ')}" -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  case "$word" in -*) ids=0 ;; esac
  if [ "$ids" -eq 1 ]; then words="$words $(umbra complete-ids 2>/dev/null)"; fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [ \${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$word")); fi
}
complete -F _umbra umbra
`;
}

function zsh(verbs: readonly Verb[]): string {
  const quoted = (text: string): string => text.replaceAll("'", '’').replaceAll(':', '\\:');
  const described = verbs.map(({ name, about }) => `    '${name}:${quoted(about)}'`);
  const cases = verbs.map(
    ({ name, options, takesId }) =>
      `    ${name}) compadd -- ${options.join(' ')}${takesId ? ' $(umbra complete-ids 2>/dev/null)' : ''}; _files ;;`,
  );
  return `#compdef umbra
_umbra() {
  local -a verbs
  verbs=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )); then _describe verb verbs; return; fi
  case "$words[2]" in
${cases.join('\n')}
  esac
}
if [ "$funcstack[1]" = "_umbra" ]; then _umbra; else compdef _umbra umbra; fi
`;
}

function fish(verbs: readonly Verb[]): string {
  const quoted = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
  const lines = verbs.flatMap(({ name, about, options, takesId }) => [
    `complete -c umbra -n __fish_use_subcommand -f -a ${name} -d '${quoted(about)}'`,
    ...options
      .filter((flag) => flag.startsWith('--'))
      .map((flag) => `complete -c umbra -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice(2)}`),
    ...(takesId
      ? [`complete -c umbra -n '__fish_seen_subcommand_from ${name}' -f -a '(umbra complete-ids 2>/dev/null)'`]
      : []),
  ]);
  return `# umbra completion for fish\n${lines.join('\n')}\n`;
}
