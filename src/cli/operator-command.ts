import { randomUUID } from 'node:crypto';
import type { Command as Verb } from 'commander';
import type { Command, CommandResult } from '../domain/commands.ts';
import type { HostedVmView } from '../domain/view.ts';
import { findApi, messageOf } from './api-client.ts';
import type { Api } from './api-client.ts';
import { Ending, exitCodes } from './exit.ts';
import { paint } from './terminal.ts';
import type { Terminal } from './terminal.ts';

export type CommonOptions = { readonly reason?: string; readonly json?: true };

/** The options that every operator's command has. */
export function withCommonOptions(verb: Verb): Verb {
  return verb
    .option('--reason <text>', 'why; it stands in the timeline for ever')
    .option('--json', 'the workflow’s answer, machine-readable');
}

/** Asks a hosted VM's workflow and says what it answered. @throws Ending refused */
export async function carryOut(
  terminal: Terminal,
  verb: Verb,
  id: string,
  command: Command,
  body: Readonly<Record<string, unknown>>,
  options: CommonOptions,
): Promise<void> {
  const api = findApi(terminal, verb.optsWithGlobals<{ api?: string }>().api);
  const result = await ask(api, id, command, { ...body, reason: options.reason });
  say(terminal, id, command, result, options);
  if (result.kind === 'refused') throw new Ending(exitCodes.refused, '');
}

/** As `carryOut`, for every hosted VM to which it applies; one that refuses does not stop the others. */
export async function carryOutForAll(
  terminal: Terminal,
  verb: Verb,
  command: Command,
  applies: (view: HostedVmView) => boolean,
  options: CommonOptions,
): Promise<void> {
  const api = findApi(terminal, verb.optsWithGlobals<{ api?: string }>().api);
  const views = (await api.read<HostedVmView[]>('/api/v1/hosted-vms')).filter(applies);
  if (views.length === 0) terminal.err(`There is no hosted VM to ${command}.\n`);
  let refused = 0;
  for (const { id } of views) {
    const result = await ask(api, id, command, { reason: options.reason });
    say(terminal, id, command, result, options);
    if (result.kind === 'refused') refused += 1;
  }
  if (refused > 0) throw new Ending(exitCodes.refused, `${refused} of ${views.length} refused`);
}

async function ask(api: Api, id: string, command: Command, body: object): Promise<CommandResult> {
  const path = `/api/v1/hosted-vms/${encodeURIComponent(id)}/commands/${command}`;
  const { status, body: answer } = await api.ask<CommandResult>('POST', path, {
    requestId: `cli-${randomUUID()}`,
    ...body,
  });
  if (status === 200 || status === 409) return answer;
  throw new Ending(exitCodes.usage, messageOf(answer) ?? `${command} ${id} was answered with ${status}`);
}

function say(terminal: Terminal, id: string, command: Command, result: CommandResult, options: CommonOptions): void {
  if (options.json === true) terminal.out(`${JSON.stringify({ id, command, ...result })}\n`);
  else if (result.kind === 'accepted') terminal.out(`${id}: ${result.text}\n`);
  else terminal.err(`${id}: ${paint(terminal, 'red', 'refused')}: ${result.reason.text}\n`);
}
