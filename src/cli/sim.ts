import type { Command } from 'commander';
import { parseHostPort, splitHostPort } from '../inventory/addresses.ts';
import { instanceOf } from './api-client.ts';
import { Ending, exitCodes } from './exit.ts';
import { runUntilEnd } from './run-process.ts';
import type { Terminal } from './terminal.ts';

type Options = { world?: string; listen: string; http?: true; save?: string };

export function mountSim(program: Command, terminal: Terminal): void {
  const sim = program
    .command('sim')
    .description('a Proxmox VE cluster on this machine, over the wire')
    .option('--world <folder>', 'the cluster to load; the demonstration’s unless told')
    .option('--listen <host:port>', 'where it answers', '127.0.0.1:8006')
    .option('--http', 'plain HTTP instead of HTTPS')
    .option('--save <folder>', 'write the cluster here at the end')
    .addHelpText(
      'after',
      "\nExamples:\n  umbra sim --world ./world --listen 127.0.0.1:8006\n  umbra sim fault 'node pve2 off'",
    )
    .action((options: Options) =>
      runUntilEnd(terminal, async () => {
        const at = parseHostPort(options.listen, 8006);
        if (at === undefined) throw new Ending(exitCodes.usage, `--listen ${options.listen} is not a host and port`);
        const { demoWorld, startSimulator } = await import('../sim/simulator.ts');
        const { save } = options;
        const running = await startSimulator({
          ...splitHostPort(at),
          world: options.world ?? demoWorld().world,
          tls: options.http !== true,
          log: (line) => terminal.err(`${line}\n`),
        });
        for (const { node, url } of running.endpoints) terminal.out(`${node} answers on ${url}\n`);
        if (running.fingerprint !== undefined) terminal.out(`fingerprint ${running.fingerprint}\n`);
        for (const { id, secret } of running.tokens) terminal.out(`token ${id}=${secret}\n`);
        terminal.out(`umbra sim fault --control ${running.controlUrl} 'node pve2 off'\n`);
        return {
          close: async () => {
            if (save !== undefined) await running.save(save);
            await running.close();
          },
        };
      }),
    );
  sim
    .command('fault <command...>')
    .description('breaks something in the running simulator, or mends it')
    .option('--control <url>', 'the simulator’s control address; the running demonstration’s unless told')
    .addHelpText(
      'after',
      "\nExamples:\n  umbra sim fault 'node pve2 off'\n  umbra sim fault 'node pve2 on'\n  umbra sim fault 'vm 101 crash'\n  umbra sim fault 'vm 101 hang'",
    )
    .action((words: string[], options: { control?: string }) => fault(terminal, words.join(' '), options.control));
}

async function fault(terminal: Terminal, command: string, control: string | undefined): Promise<void> {
  const url = control ?? instanceOf(terminal).simControl;
  if (url === undefined) {
    throw new Ending(
      exitCodes.notReachable,
      'the running instance has no simulator: name one with --control http://127.0.0.1:PORT',
    );
  }
  let response: Response;
  try {
    response = await fetch(`${url.replace(/\/+$/, '')}/umbra-sim/fault`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ command }),
      signal: AbortSignal.timeout(15_000),
    });
  } catch (error) {
    throw new Ending(exitCodes.notReachable, `the simulator at ${url} does not answer`, { cause: error });
  }
  const text = await response.text();
  const said = sentenceOf(text);
  if (!response.ok) throw new Ending(exitCodes.usage, `${command}: ${said ?? `answered with ${response.status}`}`);
  terminal.out(`${said ?? `done: ${command}`}\n`);
}

/** `{now}` says what is true now; `{error}` what would have been understood. */
function sentenceOf(text: string): string | undefined {
  try {
    const body = JSON.parse(text) as Record<string, unknown>;
    const found = [body['now'], body['message'], body['error']].find((part) => typeof part === 'string');
    return found;
  } catch {
    return text.trim() === '' ? undefined : text.trim();
  }
}
