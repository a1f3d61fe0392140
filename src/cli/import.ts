import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { findApi, messageOf } from './api-client.ts';
import { Ending, exitCodes } from './exit.ts';
import type { Terminal } from './terminal.ts';

type Failure = { readonly hostedVmId: string; readonly at: number; readonly text?: string; readonly node?: string };

/** More at once than a person would import. */
const mostAtOnce = 1_000;

export function mountImport(program: Command, terminal: Terminal): void {
  program
    .command('import')
    .description('brings in what was known before Umbra')
    .command('failures <file>')
    .description(
      'past failures, for the risk score: CSV with columns hostedVmId, at and (optional) text and node, the node that failed; a repeat is harmless',
    )
    .addHelpText(
      'after',
      '\nExample of a file:\n  hostedVmId,at,text,node\n  shop,2026-03-01T04:12:00Z,disk full,\n  shop,2026-03-09T11:30:00Z,,pve2',
    )
    .action(async (file: string, _options: object, command: Command) => {
      const failures = parseFailures(read(file), file);
      const api = findApi(terminal, command.optsWithGlobals<{ api?: string }>().api);
      for (let from = 0; from < failures.length; from += mostAtOnce) {
        const { status, body } = await api.ask('POST', '/api/v1/failures', {
          failures: failures.slice(from, from + mostAtOnce),
        });
        if (status !== 200) throw new Ending(exitCodes.usage, messageOf(body) ?? `the API answered ${status}`);
      }
      terminal.out(`${failures.length} ${failures.length === 1 ? 'failure' : 'failures'} imported.\n`);
    });
}

/** @throws Ending that names the line */
function parseFailures(text: string, file: string): Failure[] {
  const lines = text.split(/\r?\n/);
  const columns = (lines[0] ?? '').split(',').map((name) => name.trim());
  const [id, at] = [columns.indexOf('hostedVmId'), columns.indexOf('at')];
  if (id === -1 || at === -1) throw new Ending(exitCodes.usage, `${file}:1 needs the columns hostedVmId and at`);
  return lines.slice(1).flatMap((line, index) => {
    if (line.trim() === '') return [];
    const cells = cellsOf(line);
    const when = instantOf(cells[at] ?? '');
    const hostedVmId = (cells[id] ?? '').trim();
    if (hostedVmId === '') throw new Ending(exitCodes.usage, `${file}:${index + 2} names no hosted VM`);
    if (Number.isNaN(when)) {
      throw new Ending(
        exitCodes.usage,
        `${file}:${index + 2} ${JSON.stringify(cells[at] ?? '')} is not an instant such as 2026-03-01T04:12:00Z`,
      );
    }
    if (when > Date.now()) throw new Ending(exitCodes.usage, `${file}:${index + 2} ${cells[at]} is in the future`);
    const [text, node] = ['text', 'node'].map((name) => (cells[columns.indexOf(name)] ?? '').trim());
    return [{ hostedVmId, at: when, ...(text ? { text } : {}), ...(node ? { node } : {}) }];
  });
}

/** Without a zone it is UTC, wherever the command runs. NaN when it is no instant. */
function instantOf(stamp: string): number {
  const bare = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?$/.test(stamp.trim());
  return Date.parse(bare ? `${stamp.trim().replace(' ', 'T')}Z` : stamp);
}

/** RFC 4180, one line: quoted cells may hold commas and doubled quotes. */
function cellsOf(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'),
  );
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Ending(
      exitCodes.usage,
      `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    );
  }
}
