import type { Api } from './api-client.ts';
import type { Terminal } from './terminal.ts';

/** Countdowns and ages move although nothing has changed. */
const everyMs = 2_000;

/** Prints once; with `--watch` again after every change: in place on a terminal, one after the other when piped. */
export async function watching(
  terminal: Terminal,
  api: Api,
  hostedVmId: string | undefined,
  again: boolean,
  render: () => Promise<string>,
): Promise<void> {
  let last = await render();
  terminal.out(again && terminal.isTerminal ? `\u001b[2J\u001b[H${last}` : last);
  if (!again) return;
  const changes = api.changes(hostedVmId, everyMs);
  while ((await changes.next()).done !== true) {
    const text = await render();
    // A line that says the same again is noise in a pipe.
    if (text !== last) terminal.out(terminal.isTerminal ? `\u001b[H\u001b[J${text}` : text);
    last = text;
  }
}
