import { readFileSync } from 'node:fs';
import { lookup } from 'node:dns/promises';
import { writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Command } from 'commander';
import { parseHostPort, splitHostPort } from '../inventory/addresses.ts';
import { instanceOf } from './api-client.ts';
import { Ending, exitCodes } from './exit.ts';
import { runUntilEnd } from './run-process.ts';
import type { Terminal } from './terminal.ts';

type Options = {
  world?: string;
  listen: string;
  control?: string;
  guestNetwork: string;
  tokenFile?: string;
  certificate?: string;
  http?: true;
  save?: string;
};

export function mountSim(program: Command, terminal: Terminal): void {
  const sim = program
    .command('sim')
    .description('a Proxmox VE cluster on this machine, over the wire')
    .option('--world <folder>', 'the cluster to load; the demonstration’s unless told')
    .option('--listen <host:port>', 'where it answers', '127.0.0.1:8006')
    .option('--control <host:port>', 'where it takes faults; a free port of 127.0.0.1 unless told')
    .option('--guest-network <prefix>', 'of the demonstration’s guests: VM 101 is at PREFIX101', '127.10.0.')
    .option('--token-file <file>', 'the token it takes, as user@realm!name=secret; a new one unless told')
    .option('--certificate <file>', 'write its certificate here, for caFile of an inventory')
    .option('--http', 'plain HTTP instead of HTTPS')
    .option('--save <folder>', 'write the cluster here at the end')
    .addHelpText(
      'after',
      "\nExamples:\n  umbra sim --world ./world --listen 127.0.0.1:8006\n  umbra sim fault 'node pve2 off'",
    )
    .action((options: Options) =>
      runUntilEnd(terminal, async () => {
        const [{ startSimulator }, { grantedWorld }] = await Promise.all([
          import('../sim/simulator.ts'),
          import('../demo/world.ts'),
        ]);
        const { world, save, certificate, control } = options;
        const running = await startSimulator({
          ...placeOf('--listen', options.listen, 8006),
          ...(control === undefined ? {} : { control: placeOf('--control', control, 8007) }),
          world: world ?? grantedWorld({ network: networkOf(options.guestNetwork), ...tokenOf(options.tokenFile) }),
          names: [hostname()],
          tls: options.http !== true,
          log: (line) => terminal.err(`${line}\n`),
        });
        if (certificate !== undefined) await writeFile(certificate, running.certificate ?? '');
        for (const { node, url } of running.endpoints) terminal.out(`${node} answers on ${url}\n`);
        if (running.fingerprint !== undefined) terminal.out(`fingerprint ${running.fingerprint}\n`);
        // Who gave the token has it; a container's log need not.
        if (options.tokenFile === undefined) {
          for (const { id, secret } of running.tokens) terminal.out(`token ${id}=${secret}\n`);
        }
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
  sim
    .command('load')
    .description('asks a name server as the demonstration’s clients do, until Ctrl-C')
    .requiredOption('--server <host:port>', 'which one')
    .addHelpText('after', '\nExample:\n  umbra sim load --server 127.0.0.1:5300')
    .action((options: { server: string }) => load(terminal, options.server));
}

function placeOf(option: string, text: string, otherwise: number): { host: string; port: number } {
  const at = parseHostPort(text, otherwise);
  if (at === undefined) throw new Ending(exitCodes.usage, `${option} ${text} is not a host and port`);
  return splitHostPort(at);
}

function networkOf(prefix: string): string {
  if (/^(\d{1,3}\.){3}$/.test(prefix)) return prefix;
  throw new Ending(exitCodes.usage, `--guest-network ${prefix} is not the beginning of an address: write 127.10.0.`);
}

/** The world knows one user and one token of it. */
function tokenOf(file: string | undefined): { tokenSecret?: string } {
  if (file === undefined) return {};
  const secret = /^umbra@pve!umbra=(\S+)$/.exec(readFileSync(file, 'utf8').trim())?.[1];
  if (secret === undefined) {
    throw new Ending(exitCodes.usage, `--token-file ${file} does not hold umbra@pve!umbra=SECRET`);
  }
  return { tokenSecret: secret };
}

/** The demonstration's demand as real questions to a name server, until Ctrl-C. */
async function load(terminal: Terminal, server: string): Promise<void> {
  const at = placeOf('--server', server, 53);
  const [{ demoFleet }, { loadedAs, loadShape }, { startLoad }] = await Promise.all([
    import('../demo/fleet.ts'),
    import('../demo/history.ts'),
    import('../demo/load.ts'),
  ]);
  await runUntilEnd(terminal, async () => {
    const { address } = await lookup(at.host, 4);
    const running = startLoad({
      server: { host: address, port: at.port },
      vms: demoFleet.map(loadedAs),
      now: Date.now,
      // Sources of their own are for loopback only.
      fromOneAddress: !address.startsWith('127.'),
      ...loadShape(),
    });
    terminal.out(`asking ${server} for ${demoFleet.length} names\n`);
    return { close: () => running.stop() };
  });
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
