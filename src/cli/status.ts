import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Addresses } from '../api/options.ts';
import { parseDuration } from '../domain/time.ts';
import { findApi, instanceOf } from './api-client.ts';
import { Ending, exitCodes } from './exit.ts';
import { table } from './table.ts';
import type { Terminal } from './terminal.ts';

type Status = {
  readonly ready: boolean;
  readonly addresses: Addresses;
  readonly components: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
};

type Options = { json?: true; wait?: string | true };

export function mountStatus(program: Command, terminal: Terminal): void {
  program
    .command('status')
    .description('where the running instance answers, and whether all of it is up (exit code 0)')
    .option('--json', 'the addresses, machine-readable')
    .option('--wait [duration]', 'wait until all is up, for 2m unless told')
    .addHelpText(
      'after',
      '\nExamples:\n  umbra status\n  umbra status --wait 5m && umbra list\n  xdg-open "$(umbra status --json | jq -r .dashboard)"',
    )
    .action((options: Options, command: Command) =>
      status(terminal, options, command.optsWithGlobals<{ api?: string }>().api),
    );
}

async function status(terminal: Terminal, options: Options, apiUrl: string | undefined): Promise<void> {
  const patienceMs = options.wait === undefined ? 0 : parseDuration(options.wait === true ? '2m' : options.wait);
  if (patienceMs === undefined) throw new Ending(exitCodes.usage, `--wait ${String(options.wait)} is not a duration`);
  const until = terminal.now() + patienceMs;
  for (;;) {
    const answer = await ask(terminal, apiUrl).catch((error: unknown) => error as Error);
    const over = terminal.now() >= until || terminal.interrupted.aborted;
    if (answer instanceof Error) {
      if (over) throw answer;
    } else if (answer.ready || over) {
      say(terminal, answer, options);
      if (!answer.ready) throw new Ending(exitCodes.failure, `not up yet: ${missing(answer)}`);
      return;
    }
    await pause(500, undefined, { signal: terminal.interrupted }).catch(() => undefined);
  }
}

async function ask(terminal: Terminal, apiUrl: string | undefined): Promise<Status> {
  const { body } = await findApi(terminal, apiUrl).ask<Status>('GET', '/api/v1/status');
  if (apiUrl !== undefined || terminal.surroundings.api !== undefined) return body;
  // A demonstration knows parts that its API does not.
  const known = instanceOf(terminal).addresses;
  return { ...body, addresses: { ...known, ...withoutEmpty(body.addresses) } };
}

function withoutEmpty(addresses: Addresses): Partial<Addresses> {
  return Object.fromEntries(Object.entries(addresses).filter(([, address]) => address !== ''));
}

function say(terminal: Terminal, { addresses, components }: Status, options: Options): void {
  const { dashboard, api, temporal, temporalUi, dns, dnstap, proxmox } = addresses;
  const exactly: Addresses = { dashboard, api, temporal, temporalUi, dns, dnstap, proxmox };
  if (options.json === true) {
    terminal.out(`${JSON.stringify(exactly, undefined, terminal.isTerminal ? 2 : 0)}\n`);
    return;
  }
  terminal.out(
    table(
      terminal,
      ['WHERE', 'ADDRESS'],
      Object.entries(exactly).map(([name, address]) => [name, address || '-']),
    ),
  );
  if (terminal.isTerminal) terminal.out('\n');
  const rows = components.map(({ name, ok, detail }) => [
    name,
    ok ? { text: 'up', color: 'green' as const } : { text: 'down', color: 'red' as const },
    detail,
  ]);
  terminal.out(table(terminal, ['PART', 'IS', 'DETAIL'], rows));
}

function missing({ components }: Status): string {
  return components
    .filter(({ ok }) => !ok)
    .map(({ name, detail }) => `${name} (${detail})`)
    .join(', ');
}
