import type { Config } from '../config.ts';
import { loadConfig } from '../config.ts';
import { formatProblem } from '../inventory/problem.ts';
import { Ending, exitCodes } from './exit.ts';
import type { Running } from '../composition/process.ts';
import type { Terminal } from './terminal.ts';

/** A close that takes longer is a bug of ours; the user's Ctrl-C counts more: 5 s are promised, and leaving takes a part of them. */
const mostClosingMs = 4_000;

/** Runs until Ctrl-C, SIGTERM, or the process's own end. */
export async function runUntilEnd(terminal: Terminal, start: () => Promise<Running>): Promise<void> {
  const { interrupted } = terminal;
  const asked = new Promise<void>((resolve) => {
    interrupted.addEventListener('abort', () => resolve(), { once: true });
  });
  let running: Running;
  try {
    running = await start();
  } catch (error) {
    if (error instanceof Ending) throw error;
    throw new Ending(exitCodes.failure, error instanceof Error ? error.message : String(error), { cause: error });
  }
  if (!interrupted.aborted) await Promise.race([asked, running.ended ?? asked]);
  if (interrupted.aborted) terminal.err('Stopping ...\n');
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), mostClosingMs);
  });
  const outcome = await Promise.race([running.close(), late]);
  clearTimeout(timer);
  if (outcome === 'late') terminal.err('Not everything ended within 4 s; leaving it behind.\n');
}

/** @throws Ending with every problem on a line of its own */
export function configOrEnding(file: string | undefined): Config {
  const { config, problems } = loadConfig(file);
  if (config !== undefined) return config;
  throw new Ending(exitCodes.usage, problems.map(formatProblem).join('\n'));
}
